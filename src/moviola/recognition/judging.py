"""How well clips were told apart, in the usual figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
"""(true, recognized) classes: how many clips."""


def top(shares: NDArray[np.float64], targets: NDArray[np.int64], k: int) -> float:
    """Percent of clips whose class is among the k likeliest. shares: (n, classes). targets: (n,)."""
    order = np.argsort(-shares, axis=1, kind="stable")[:, :k]
    return 100 * float((order == targets[:, None]).any(axis=1).mean())


def confusion(targets: NDArray[np.int64], recognized: NDArray[np.int64], classes: int) -> Counts:
    """How many clips of each class (row) were taken for each (column)."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (targets, recognized), 1)
    return counts


@dataclass(frozen=True, slots=True)
class OfClass:
    """One class. clips: that are of it. precision: of what was taken for it, how much is of it. recall: of
    what is of it, how much was taken for it. f1: their harmonic mean. Shares 0 to 1; None for 0 of 0."""

    clips: int
    precision: float | None
    recall: float | None
    f1: float | None


def per_class(counts: Counts) -> list[OfClass]:
    rows = []
    for right, found, there in zip(counts.diagonal(), counts.sum(axis=0), counts.sum(axis=1), strict=True):
        precision = float(right / found) if found else None
        recall = float(right / there) if there else None
        f1 = float(2 * right / (found + there)) if found + there else None
        rows.append(OfClass(int(there), precision, recall, f1))
    return rows

"""From probabilities to labels: which classes may be told, and in which order."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moviola.errors import RequestError
from moviola.tasks import Label


def chosen_classes(names: Sequence[str], asked: Sequence[str] | None) -> NDArray[np.int64]:
    """The outputs with the labels that were asked for, whatever their case; all where None.

    Raises RequestError for a label there is not, with the nearest ones.
    """
    if asked is None:
        return np.arange(len(names))
    by_name = {name.lower(): index for index, name in enumerate(names)}
    for label in asked:
        if label.strip().lower() not in by_name:
            near = difflib.get_close_matches(label.strip().lower(), by_name, n=3, cutoff=0.5)
            hint = f"; try {', '.join(near)}" if near else "; see all with --top 1000"
            raise RequestError(f"the model knows no label {label!r}{hint}")
    return np.array(sorted({by_name[label.strip().lower()] for label in asked}))


def ranked(
    probabilities: NDArray[Any],
    names: Sequence[str],
    chosen: NDArray[np.int64],
    top: int,
) -> list[Label]:
    """The likeliest of the chosen classes, whose probabilities are made to sum to 1."""
    shares = probabilities[chosen].astype(np.float64)
    shares = shares / max(shares.sum(), np.finfo(np.float64).tiny)
    # A stable sort: equal scores come in the order of the classes.
    order = np.argsort(-shares, kind="stable")[:top]
    return [
        Label(index=int(chosen[place]), name=names[chosen[place]], score=float(shares[place]))
        for place in order
    ]

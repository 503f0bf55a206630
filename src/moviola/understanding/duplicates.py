"""Frames that show nothing new: told by small looks, so that no picture has to be held to compare with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from moviola.frames import Pixels

Look = NDArray[np.float32]
"""(18, 32, 3) mean R, G, B in 0–255 of the cells of a grid laid over a picture; fewer cells where there are
fewer pixels."""

THRESHOLD = 12.0
"""The difference from which on two frames show something different. Measured as `difference` is:

    one frame of ten real clips shown again and again, with noise of 0 to 10 levels added, coded as H.264:
        crf 23: up to 9.7;  crf 28: up to 11.5;  crf 33: up to 12.4;  crf 38: up to 22, most below 12
    the same clips half a second later, which 99 of 100 pairs exceed: 10.6 in a room where nothing stirs but a
        child's hands, 33 for a talking head, 28 to 115 for panning cameras and sports; less than 4 only where
        the picture rests: hands that are away between two moves, frames that were frozen by damage
    a disc on a still textured ground that moves by its width, the least of 24 grounds and colours:
        0.1 % of the picture's area: 12;  0.2 %: 20;  0.5 %: 39;  1 %: 43
"""

_ROWS, _COLUMNS = 18, 32

_SAMPLES = 8
"""Pixels of a cell along each side that its mean is taken of, at least."""


def look(picture: Pixels) -> Look:
    """What is kept of a picture (H, W, 3) uint8 to compare it with others of its size."""
    height, width = picture.shape[:2]
    step = max(1, min(height // _ROWS, width // _COLUMNS) // _SAMPLES)
    thinned = picture[::step, ::step]
    for axis, cells in enumerate((_ROWS, _COLUMNS)):
        size = thinned.shape[axis]
        edges = np.arange(min(cells, size) + 1) * size // min(cells, size)
        sums = np.add.reduceat(thinned, edges[:-1], axis=axis, dtype=np.float32)
        thinned = sums / np.diff(edges).astype(np.float32).reshape(-1, *[1] * (2 - axis))
    return np.asarray(thinned, np.float32)


def difference(a: Look, b: Look) -> float:
    """How unlike two pictures are, in levels of 255: the mean difference of their cells, plus the largest.

    That of a cell is averaged over R, G and B. The mean is what a slow pan or a fade changes, the largest
    what a small thing changes that moves on a still ground.
    """
    cells = np.abs(a - b).mean(axis=2)
    return float(cells.mean() + cells.max())


def distinct(
    looks: Iterable[Look], *, threshold: float = THRESHOLD, least: int = 1, group: int = 1
) -> NDArray[np.bool_]:
    """Which pictures to keep: the first, and each that differs by `threshold` or more from the last one kept.

    least, group: so many are kept at least, and a multiple of `group`. Where fewer differ, others are kept
        besides, evenly spread over those that would go; all, where even these are too few.
    """
    verdicts: list[bool] = []
    last: Look | None = None
    for new in looks:
        verdicts.append(last is None or difference(last, new) >= threshold)
        if verdicts[-1]:
            last = new
    kept = np.array(verdicts, np.bool_)
    spare = np.flatnonzero(~kept)
    needed = -(-max(least, int(kept.sum())) // group) * group if len(kept) else 0
    more = min(needed - int(kept.sum()), len(spare))
    kept[spare[(2 * np.arange(more) + 1) * len(spare) // (2 * max(1, more))]] = True
    return kept

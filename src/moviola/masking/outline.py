"""Cutting a thing out of one picture: from a box, from a point, or from a guess where it is.

Importing this module needs OpenCV.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from moviola.frames import Pixels
from moviola.masking.appearance import Floats, Selected

WORK = 384
"""Pixels of the longer side of what is cut at once; larger things are cut at a smaller scale."""

_SMALLEST, _LARGEST = 0.0005, 0.3
"""Share of the picture that a thing pointed at may have."""

_CLOSED = np.ones((5, 5), np.uint8)

_LEAST = 24
"""Pixels that a graph cut needs of a thing and of what is around it, to learn their colours."""


def of_box(picture: Pixels, x: float, y: float, w: float, h: float) -> Selected:
    """The thing that fills most of a box: GrabCut (Rother, Kolmogorov and Blake, 2004), which learns what is
    around the box and finds what in it is not. The whole box where that leaves (nearly) nothing or all.
    """
    height, width = picture.shape[:2]
    top, left = int(np.floor(y)), int(np.floor(x))
    bottom, right = min(height, int(np.ceil(y + h))), min(width, int(np.ceil(x + w)))
    inside = np.zeros((height, width), np.bool_)
    inside[top:bottom, left:right] = True
    margin = max(12, round(max(w, h) / 2))
    area = around(inside, margin)
    guess = np.where(inside[area], cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    found = np.zeros_like(inside)
    found[area] = graph_cut(picture[area], guess, rounds=5)
    found = whole(found, inside)
    share = np.count_nonzero(found) / np.count_nonzero(inside)
    return found if share > 0.05 else inside


def of_point(picture: Pixels, x: float, y: float) -> Selected:
    """The thing at a point: of the regions of like colours around it the one with the strongest edge, and
    then what fills the box around that.
    """
    region = max(_regions(picture, int(x), int(y)), key=lambda pair: pair[0])[1]
    rows, columns = around(region, max(2, round(0.15 * np.sqrt(np.count_nonzero(region)))))
    height, width = picture.shape[:2]
    bottom, right = min(rows.stop, height), min(columns.stop, width)
    found = of_box(picture, columns.start, rows.start, right - columns.start, bottom - rows.start)
    return found if found[int(y), int(x)] else region


def _regions(picture: Pixels, x: int, y: int) -> Iterator[tuple[float, Selected]]:
    """Regions of ever less like colours around a point, and how much each stands out from what is around it:
    the distance of both mean colours, along the edge, over their spread.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, WORK / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    flat = cv2.pyrMeanShiftFiltering(small, 8, 20, maxLevel=1) if min(size) > 8 else small
    lab = cv2.cvtColor(flat, cv2.COLOR_RGB2LAB)
    seed = min(size[0] - 1, int(x * scale)), min(size[1] - 1, int(y * scale))
    kernel = np.ones((3, 3), np.uint8)
    yield -1.0, _around_point(height, width, x, y)
    for tolerance in range(6, 62, 4):
        grown = np.zeros((size[1] + 2, size[0] + 2), np.uint8)
        flags = 4 | 255 << 8 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE
        near = tolerance * 2, tolerance, tolerance  # light changes on a thing more than its hue
        cv2.floodFill(lab, grown, seed, 0, near, near, flags)
        region = np.asarray(cv2.morphologyEx(grown[1:-1, 1:-1], cv2.MORPH_CLOSE, _CLOSED), np.uint8)
        if not _SMALLEST < np.count_nonzero(region) / region.size < _LARGEST:
            continue
        inner = cv2.subtract(region, cv2.erode(region, kernel, iterations=2))
        outer = cv2.subtract(cv2.dilate(region, kernel, iterations=3), cv2.dilate(region, kernel))
        if not inner.any() or not outer.any():
            continue
        within, beyond = (lab[np.asarray(ring) > 0].astype(np.float32) for ring in (inner, outer))
        spread = within.std(axis=0).mean() + beyond.std(axis=0).mean() + 4
        contrast = float(np.linalg.norm(within.mean(axis=0) - beyond.mean(axis=0)) / spread)
        full = cv2.resize(region, (width, height), interpolation=cv2.INTER_LINEAR)
        yield contrast, np.asarray(full) > 127


def _around_point(height: int, width: int, x: int, y: int) -> Selected:
    """A disc, where no region stands out."""
    disc = np.zeros((height, width), np.uint8)
    cv2.circle(disc, (x, y), max(2, min(height, width) // 16), 1, -1)
    return disc.astype(np.bool_)


def refined(picture: Pixels, guess: Floats, like: Floats, radius: int) -> Selected:
    """A guess with its outline moved to where the picture's colours change, by up to `radius` pixels.

    guess: (H, W) in 0–1. like: how likely each pixel is the thing's by its colour, in 0–1: what is unlikely
    may be left out wherever it is.
    """
    inside = (guess > 0.5).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    core = np.asarray(cv2.erode(inside, disc, borderValue=(1,))) > 0
    reach = np.asarray(cv2.dilate(inside, disc)) > 0
    share = guess * like / (guess * like + (1 - guess) * (1 - like) + 1e-6)
    marks = np.where(share > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    marks[~reach] = cv2.GC_BGD
    marks[core & (like > 0.3)] = cv2.GC_FGD
    return graph_cut(picture, marks, rounds=1)


def graph_cut(picture: Pixels, marks: NDArray[np.uint8], *, rounds: int) -> Selected:
    """GrabCut from marks; what it is given where there is too little to learn from."""
    inside = _thing(marks)
    scale = min(1.0, WORK / max(marks.shape))
    if scale < 1:
        size = max(1, round(marks.shape[1] * scale)), max(1, round(marks.shape[0] * scale))
        smaller = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        fewer = np.asarray(cv2.resize(marks, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        coarse = graph_cut(smaller, fewer, rounds=rounds).astype(np.float32)
        full = cv2.resize(coarse, marks.shape[::-1], interpolation=cv2.INTER_CUBIC)
        return np.asarray(full) > 0.5
    if min(np.count_nonzero(inside), np.count_nonzero(~inside)) < _LEAST:
        return inside
    cv2.setRNGSeed(0)  # the colours are grouped from random beginnings
    pixels, models = np.ascontiguousarray(picture[..., :3]), (np.zeros((1, 65)), np.zeros((1, 65)))
    cut, *_ = cv2.grabCut(pixels, marks.copy(), (0, 0, 1, 1), *models, rounds, cv2.GC_INIT_WITH_MASK)
    return _thing(np.asarray(cut, np.uint8))


def _thing(marks: NDArray[np.uint8]) -> Selected:
    thing: Selected = (marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)
    return thing


def whole(mask: Selected, near: Selected) -> Selected:
    """What of a mask hangs together with `near`, without specks and small holes."""
    number, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if number <= 1:
        return mask
    largest = stats[1:, cv2.CC_STAT_AREA].max()
    touched = np.unique(labels[near & mask])
    kept = [label for label in touched if label and stats[label, cv2.CC_STAT_AREA] >= 0.05 * largest]
    one: Selected = np.isin(labels, kept)
    holes, marks, sizes, _ = cv2.connectedComponentsWithStats((~one).astype(np.uint8), connectivity=4)
    small = [n for n in range(1, holes) if sizes[n, cv2.CC_STAT_AREA] < 0.02 * largest]
    return one | np.isin(marks, small)


def around(mask: Selected, margin: int) -> tuple[slice, slice]:
    """Rows and columns that hold a mask and `margin` pixels around it."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + 1 + margin),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + 1 + margin),
    )

"""Painting what no frame shows.

Pieces of the picture around a hole are laid into it, so that texture and edges go on, after Criminisi, Pérez
and Toyama, Region Filling and Object Removal by Exemplar-Based Inpainting (2004); where pieces overlap they
are blended.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from moviola.inpaint.background import Floats, Holes, Pixels, smoothed, surroundings

REACH = 4
"""A piece has at most (2 REACH + 1)² pixels."""

FINEST = 1500
"""Pixels of a hole that are laid piece by piece; a larger hole is laid at a smaller scale."""

NEARNESS = 20.0
"""8-bit levels; how much worse a piece from the nearest place may fit than one a whole picture away."""

Spot = tuple[slice, slice]

_PIECE = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)


def painted(picture: Pixels, hole: Holes) -> Pixels:
    """`picture` (H, W, 3) uint8 or uint16 with its hole filled: with pieces, or smoothly where it is thin."""
    if not cv2.erode(hole.astype(np.uint8), np.ones((REACH, REACH))).any():
        return softly_painted(picture, hole)
    rows, columns = surroundings(hole, 0)
    area = surroundings(hole, max(48, rows.stop - rows.start, columns.stop - columns.start))
    scale = int(np.ceil(np.sqrt(np.count_nonzero(hole) / FINEST)))
    full = np.iinfo(picture.dtype).max / 255
    height, width = hole[area].shape
    margins = (0, -height % scale), (0, -width % scale)  # repeat the edge, so that blocks come out even
    gap = np.pad(hole[area], margins, mode="edge")
    near = np.pad(picture[area].astype(np.float32) / np.float32(full), (*margins, (0, 0)), mode="edge")
    small, small_gap = shrunk(near, gap, scale)
    if not cv2.erode((~small_gap).astype(np.uint8), _PIECE, borderValue=0).any():
        return softly_painted(picture, hole)
    laid, weights = np.zeros_like(near), np.full(gap.shape, 1e-6, np.float32)
    for spot, source in pieces(small, small_gap):
        here, there = enlarged(spot, scale), enlarged(source, scale)
        weight = bump(near[here].shape[:2])
        laid[here] += weight[..., None] * near[there]
        weights[here] += weight
    laid /= weights[..., None]
    rim = ~gap & (weights > 0.01)
    laid += smoothed(np.where(rim[..., None], near - laid, np.float32(0)), rim)
    answer = picture.copy()
    answer[area][hole[area]] = np.rint(laid[:height, :width][hole[area]].clip(0, 255) * full)
    return answer


def softly_painted(picture: Pixels, hole: Holes) -> Pixels:
    """The hole continued from its edge (Telea, 2004), channel by channel, as OpenCV needs for 16 bits."""
    planes = (np.ascontiguousarray(picture[..., channel]) for channel in range(picture.shape[2]))
    return np.stack([cv2.inpaint(p, hole.astype(np.uint8), 5, cv2.INPAINT_TELEA) for p in planes], axis=-1)


def shrunk(picture: Floats, hole: Holes, scale: int) -> tuple[Floats, Holes]:
    """Means over blocks of scale × scale pixels. A block with a hole in it is a hole."""
    blocks = hole.shape[0] // scale, scale, hole.shape[1] // scale, scale
    small = picture.reshape(*blocks, 3).mean(axis=(1, 3), dtype=np.float32)
    return np.asarray(small), np.asarray(hole.reshape(blocks).max(axis=(1, 3)))


def enlarged(spot: Spot, scale: int) -> Spot:
    rows, columns = spot
    return slice(rows.start * scale, rows.stop * scale), slice(columns.start * scale, columns.stop * scale)


def bump(size: tuple[int, ...]) -> Floats:
    """Weights of a piece, greatest in its middle."""
    rows, columns = (np.hanning(side + 2)[1:-1].astype(np.float32) for side in size)
    return np.outer(rows, columns)


def pieces(picture: Floats, gap: Holes) -> Iterator[tuple[Spot, Spot]]:
    """Where to lay which piece until the gap is filled: most certain and most structured places first.

    picture: (H, W, 3) in 0–255. Yields pairs of equally large areas, the second wholly outside of the gap.
    """
    given = np.where(gap[..., None], np.float32(0), picture)
    whole = (~gap).astype(np.uint8)
    canvas, gap, trust = given.copy(), gap.copy(), whole.astype(np.float32)
    while gap.any():
        known = (~gap).astype(np.uint8)
        front = gap & (cv2.dilate(known, np.ones((3, 3), np.uint8)) > 0)
        certain = cv2.blur(trust, _PIECE.shape, borderType=cv2.BORDER_CONSTANT)
        worth = np.where(front, certain * (1 + cv2.dilate(edges(canvas, known), _PIECE)), -1)
        row, column = (int(at) for at in np.unravel_index(worth.argmax(), worth.shape))
        top, left = max(0, row - REACH), max(0, column - REACH)
        spot = np.s_[top : row + REACH + 1, left : column + REACH + 1]
        source = best_fit(given, whole, canvas[spot], known[spot], (top, left))
        fresh = gap[spot]
        canvas[spot][fresh] = given[source][fresh]
        trust[spot][fresh] = certain[row, column]
        gap[spot] = False
        yield (slice(top, top + fresh.shape[0]), slice(left, left + fresh.shape[1])), source


def best_fit(
    given: Floats, whole: NDArray[np.uint8], piece: Floats, known: NDArray[np.uint8], place: tuple[int, int]
) -> Spot:
    """The area of `given`, `whole` all over, that is most like the known part of `piece` and not far away."""
    height, width = known.shape
    weights = np.repeat(known[..., None], 3, axis=2).astype(np.float32)
    misfit: NDArray[Any] = cv2.matchTemplate(given, piece, cv2.TM_SQDIFF, mask=weights)
    rows, columns = np.ogrid[: misfit.shape[0], : misfit.shape[1]]
    away = (np.square(rows - place[0]) + np.square(columns - place[1])) / (
        whole.shape[0] ** 2 + whole.shape[1] ** 2
    )
    usable = cv2.erode(whole, np.ones(known.shape, np.uint8), anchor=(0, 0))[
        : misfit.shape[0], : misfit.shape[1]
    ]
    cost = np.where(usable > 0, misfit + weights.sum() * NEARNESS**2 * away, np.inf)
    row, column = (int(at) for at in np.unravel_index(cost.argmin(), cost.shape))
    return slice(row, row + height), slice(column, column + width)


def edges(canvas: Floats, known: NDArray[np.uint8]) -> Floats:
    """Strength of edges, levels per pixel, where they are measured on known pixels alone."""
    grey = canvas.mean(axis=-1)
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8)
    return np.asarray(cv2.magnitude(across, down) * cv2.erode(known, np.ones((3, 3), np.uint8)))

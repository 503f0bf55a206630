"""Following hidden pixels through time to where they can be seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from moviola.inpaint.background import Floats, Holes, Motion, Pixels, read
from moviola.inpaint.paint import softly_painted

Paint = Callable[[Pixels, Holes], Pixels]

ROUNDS = 4
"""Frames at most that are painted and followed to the others; the rest is painted frame by frame."""


def recovered(pictures: Pixels, holes: Holes, motion: Motion, paint: Paint) -> Pixels:
    """(T, H, W, 3) pictures with filled holes: by what other pictures show, else by `paint`."""
    answer = pictures.copy()
    edges = np.ones((3, 3), np.uint8)  # reading a pixel takes in its neighbours too
    closed = np.stack([cv2.dilate(hole.astype(np.uint8) * 255, edges) for hole in holes]).astype(np.uint8)
    left = carried_over(answer, pictures, holes, closed, motion)
    for _ in range(ROUNDS):
        key = int(left.sum((1, 2)).argmax())
        if not left[key].any():
            return answer
        answer[key] = paint(answer[key], left[key])
        only_key = np.full_like(closed, 255)
        only_key[key] = 0
        left[key] = False
        left = carried_over(answer, answer, left, only_key, motion)
    for index in np.flatnonzero(left.any((1, 2))):
        answer[index] = softly_painted(answer[index], left[index])
    return answer


def carried_over(
    answer: Pixels, pictures: Pixels, wanted: Holes, closed: NDArray[np.uint8], motion: Motion
) -> Holes:
    """Write into `answer` those `wanted` pixels that `pictures` show where they are not `closed` (255).

    Returns which of the wanted pixels were found nowhere.
    """
    missing = wanted.copy()
    for index in np.flatnonzero(wanted.any((1, 2))):
        rows, columns = np.nonzero(wanted[index])
        colours = np.zeros((len(rows), 3), np.float32)
        weights = np.zeros((len(rows), 1), np.float32)
        for direction in (1, -1):
            for source, found, x, y in followed(int(index), rows, columns, closed, motion, direction):
                weight = 1 / abs(source - index)  # errors grow with every frame a pixel is followed through
                colours[found] += weight * read(pictures[source], x, y, cv2.INTER_CUBIC)
                weights[found] += weight
        seen = weights[:, 0] > 0
        spot = index, rows[seen], columns[seen]
        answer[spot] = np.rint(colours[seen] / weights[seen])
        missing[spot] = False
    return missing


def followed(
    frame: int,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    closed: NDArray[np.uint8],
    motion: Motion,
    direction: int,
) -> Iterator[tuple[int, NDArray[np.intp], Floats, Floats]]:
    """Where pixels of `frame` first come into the open: (source frame, which pixels, their x and y there).

    A pixel that leaves the picture is lost.
    """
    height, width = closed.shape[1:]
    x, y = columns.astype(np.float32), rows.astype(np.float32)
    which = np.arange(len(rows))
    while len(which) and 0 <= frame + direction < len(closed):
        patch = motion.step(frame, direction)
        if patch is None:
            return
        shift = patch.at(x, y)
        x, y = x + shift[:, 0], y + shift[:, 1]
        frame += direction
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        open_here = inside & (read(closed[frame], x, y, cv2.INTER_LINEAR) == 0)
        if open_here.any():
            yield frame, which[open_here], x[open_here], y[open_here]
        hidden = inside & ~open_here
        which, x, y = which[hidden], x[hidden], y[hidden]

"""Temporal flicker without a reference: 1 − mean absolute difference of neighbouring frames / peak.

This is "temporal flickering" of VBench (Huang et al., CVPR 2024), there (255 − MAE) / 255 averaged over the
pairs of a clip; 1 where nothing changes. It knows no motion: a moving picture scores lower than a still one,
so compare videos of the same scene, and mind that a frozen one is perfect (VBench leaves static clips out).
Transparency is not looked at.
"""

from __future__ import annotations

from itertools import pairwise
from math import fsum

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from moviola.errors import InputError
from moviola.frames import Frames
from moviola.metrics._pair import peak

NAME = "flicker"
UNIT = ""
HIGHER_IS_BETTER = True
REFERENCE = "none"
MODELS = ()
NEEDS_MODEL = False
SUMMARY = "Freedom from flicker (VBench): 1 where neighbouring frames are equal, less the more they differ."


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Flicker:
    def __init__(self) -> None:
        self._values: list[float] = []
        self._first: Frames | None = None
        self._last: Frames | None = None

    def update(self, candidate: Frames) -> NDArray[np.float64]:
        """One value for each frame and the one before it; the very first frame has none."""
        if not len(candidate):
            return np.empty(0)
        frames = [candidate[i : i + 1] for i in range(len(candidate))]
        before = [] if self._last is None else [self._last]
        values = [_steadiness(a, b) for a, b in pairwise(before + frames)]
        self._values += values
        self._first = self._first or _copy(frames[0])
        self._last = _copy(frames[-1])
        return np.array(values, np.float64)

    def merge(self, other: Flicker) -> None:
        """Take in what comes right after, the pair where both meet included."""
        if other._first is not None:
            if self._last is not None:
                self._values.append(_steadiness(self._last, other._first))
            self._first = self._first or other._first
            self._last = other._last
        self._values += other._values

    def compute(self) -> float:
        """The mean over all pairs.  Raises InputError for fewer than two frames."""
        if not self._values:
            raise InputError("flicker compares neighbouring frames; give a video with at least two")
        return fsum(self._values) / len(self._values)


def _steadiness(a: Frames, b: Frames) -> float:
    if a.data.shape[1:3] != b.data.shape[1:3] or a.depth != b.depth:
        sizes = [f"{video.width}x{video.height} with {video.depth} bits" for video in (a, b)]
        raise InputError(f"flicker needs frames of one kind; {sizes[0]} is followed by {sizes[1]}")
    one, two = a.data[..., :3], b.data[..., :3]
    difference = np.maximum(one, two) - np.minimum(one, two)
    return 1 - int(difference.sum(dtype=np.int64)) / int(difference.size) / peak(a)


def _copy(frame: Frames) -> Frames:
    """So that one remembered frame does not keep its whole run in memory."""
    return Frames(frame.data.copy(), frame.pts_seconds, frame.duration_seconds)


def start(options: Options) -> Flicker:
    return Flicker()

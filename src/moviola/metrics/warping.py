"""Warping error: what changes from frame to frame that motion does not explain.

Lai et al., "Learning blind video temporal consistency" (ECCV 2018): with the flow F from frame t to t + 1,

    E(t) = Σ M · |V(t) − warp(V(t + 1), F)|² / Σ M,    E = mean of E(t) over all pairs of neighbours,

over the pixels of frame t that are also seen in t + 1 (M = 1). As in the authors' code, colours are 0 to 1
and |…|² is the mean over the three channels. With a reference, flow and M are its own: so filtered, edited or
generated videos are compared by one motion. Without, they are measured in the video itself.

A pixel is not seen again, after Ruder, Dosovitskiy, Brox, "Artistic style transfer for videos" (GCPR 2016),
where both flows disagree, or at the border of a motion:

    |w̃ + ŵ|² > 0.01 (|w̃|² + |ŵ|²) + 0.5    or    |∇û|² + |∇v̂|² > 0.01 |ŵ|² + 0.002

with ŵ = (û, v̂) the flow forward and w̃ the flow back where ŵ leads; nor where ŵ leads out of the picture,
which the authors leave to the first test. A pair in which nothing is seen again, as at a cut, has no error,
reported as NaN, and is left out of the mean. Steadiness is not quality: a blurred or frozen video has little
error too, so compare versions of one scene, and look at another measure beside it. Transparency is not
looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import fsum, isfinite, nan

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from moviola.errors import InputError
from moviola.frames import Frames, Pixels
from moviola.metrics._pair import check_fit
from moviola.motion import Flow, dense_flow, warp

NAME = "warping"
UNIT = ""
HIGHER_IS_BETTER = False
REFERENCE = "taken"
MODELS = ("raft-small", "raft-large")
NEEDS_MODEL = False
SUMMARY = "Warping error: squared difference to the next frame, brought back along the flow; 0 where steady."

_REFINEMENTS = 5

Motion = Callable[[Pixels, Pixels], tuple[Flow, Flow]]
"""Flow from one picture to another, and back."""

_Moment = tuple[Pixels, Pixels]
"""A frame of the video that motion is measured in, and of the one that is scored."""


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Warping:
    def __init__(self, motion: Motion) -> None:
        self._motion = motion
        self._values: list[float] = []
        self._first: _Moment | None = None
        self._last: _Moment | None = None

    def update(self, *videos: Frames) -> NDArray[np.float64]:
        """`update(candidate)` or `update(reference, candidate)`: one value for each frame and the one before
        it; the very first frame has none."""
        guide, candidate = videos[0], videos[-1]
        check_fit(guide, candidate)
        moments = list(zip(guide.data, candidate.data, strict=True))
        if not moments:
            return np.empty(0)
        before = [] if self._last is None else [self._last]
        values = [self._error(a, b) for a, b in pairwise(before + moments)]
        self._values += values
        self._first = self._first or _copied(moments[0])
        self._last = _copied(moments[-1])
        return np.array(values, np.float64)

    def merge(self, other: Warping) -> None:
        """Take in what comes right after, the pair where both meet included."""
        if other._first is not None:
            if self._last is not None:
                self._values.append(self._error(self._last, other._first))
            self._first = self._first or other._first
            self._last = other._last
        self._values += other._values

    def compute(self) -> float:
        """The mean over all pairs in which anything is seen twice.  Raises InputError where there is none."""
        if not self._values:
            raise InputError("warping compares neighbouring frames; give a video with at least two")
        known = [value for value in self._values if isfinite(value)]
        if not known:
            raise InputError("warping found nothing that is seen in two frames; is every frame a new scene?")
        return fsum(known) / len(known)

    def _error(self, a: _Moment, b: _Moment) -> float:
        if a[0].shape[:2] != b[0].shape[:2] or a[0].dtype != b[0].dtype:
            sizes = [f"{one.shape[1]}x{one.shape[0]} of {one.dtype}" for one, _ in (a, b)]
            raise InputError(f"warping needs frames of one kind; {sizes[0]} are followed by {sizes[1]}")
        forward, backward = self._motion(a[0], b[0])
        seen = ~hidden(forward, backward)
        if not seen.any():
            return nan
        here, there = (_opened(picture) for _, picture in (a, b))
        return float(np.square(warp(there, forward) - here)[seen].mean(dtype=np.float64))


def hidden(forward: Flow, backward: Flow) -> NDArray[np.bool_]:
    """Which pixels of one picture are not seen in the next, (H, W). forward, backward: flow from each to the
    other."""
    height, width = forward.shape[:2]
    back = warp(backward, forward)
    lengths = _squared(forward)
    apart = _squared(forward + back) > 0.01 * (lengths + _squared(back)) + 0.5
    border = _steepness(forward) > 0.01 * lengths + 0.002
    x, y = np.arange(width) + forward[..., 0], np.arange(height)[:, None] + forward[..., 1]
    outside = (x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)
    return np.asarray(apart | border | outside, np.bool_)


def _squared(flow: Flow) -> NDArray[np.float32]:
    """Squared length of (H, W, 2) everywhere."""
    return np.asarray(np.square(flow).sum(-1), np.float32)


def _steepness(flow: Flow) -> NDArray[np.float32]:
    """|∇u|² + |∇v|² by differences to the next pixel; at the last one, none."""
    right = np.diff(flow, axis=1, append=flow[:, -1:])
    down = np.diff(flow, axis=0, append=flow[-1:])
    return _squared(right) + _squared(down)


def _opened(picture: Pixels) -> NDArray[np.float32]:
    """Colours alone, in 0 to 1."""
    return np.ascontiguousarray(picture[..., :3]).astype(np.float32) / np.float32(np.iinfo(picture.dtype).max)


def _copied(moment: _Moment) -> _Moment:
    """So that one remembered frame does not keep its whole run in memory."""
    guide, candidate = moment
    kept = candidate.copy()
    return (kept if np.shares_memory(guide, candidate) else guide.copy()), kept


def classical(a: Pixels, b: Pixels) -> tuple[Flow, Flow]:
    """Motion without a network, smooth: the edges of patches that are not refined would be taken for borders
    of motions. On four real clips 5 to 19 % of all pixels are not seen again by it, 4 to 16 % by RAFT, 17 to
    45 % without refinement."""
    forward, backward = (
        dense_flow(*pair, preset="balanced", refinements=_REFINEMENTS) for pair in ((a, b), (b, a))
    )
    return forward, backward


def start(options: Options, motion: Motion = classical) -> Warping:
    return Warping(motion)

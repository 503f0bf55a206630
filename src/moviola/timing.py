"""When the pictures of a re-timed clip are shown: exact grids that never blend across a scene cut.

Outputs are numbered 0, 1, 2, … over the whole clip, and every window knows from its own frames which numbers
are its own, so that windows tile the result whatever their size.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil
from typing import Literal, Protocol

from moviola.model import Window

AtCut = Literal["hold", "repeat"]
"""hold: the last picture of a scene is shown until the next scene; repeat: it is given again on the grid."""

_ROUNDING = Fraction(1, 10**6)
"""Share of an output interval by which times in floating point may miss the grid."""

SNAP = 0.02
"""Share of a source interval within which a source picture is shown rather than an invented one. Containers
round times: Matroska to 1 ms, which is 1.5 % to either side at 30 frames per second."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One picture of the result.

    frame: position in the window's frames of the picture to show, or to start from.
    t: how far on the way to the next frame, in [0, 1); 0 is the source picture itself.
    """

    frame: int
    t: float
    pts_seconds: float
    duration_seconds: float


class Grid(Protocol):
    """Where the outputs lie on the source's clock. `index` counts the clip's frames, `pts` is one's time."""

    def number(self, index: int, pts: float) -> int:
        """The first output that is not before this frame."""
        ...

    def share(self, number: int, index: int, pts: float, end: float) -> float:
        """How far output `number` lies on the way from this frame, shown from `pts` to `end`."""
        ...


@dataclass(frozen=True, slots=True)
class Multiplied:
    """`factor` outputs for every source interval, whatever its length: output k lies at index k / factor."""

    factor: Fraction

    def number(self, index: int, pts: float) -> int:
        return ceil(index * self.factor)

    def share(self, number: int, index: int, pts: float, end: float) -> float:
        return float(number / self.factor - index)


@dataclass(frozen=True, slots=True)
class Constant:
    """`fps` outputs per second: output k is shown at start_seconds + k / fps."""

    fps: Fraction
    start_seconds: float

    def number(self, index: int, pts: float) -> int:
        return ceil(Fraction(pts - self.start_seconds) * self.fps - _ROUNDING)

    def share(self, number: int, index: int, pts: float, end: float) -> float:
        return (self.start_seconds + float(number / self.fps) - pts) / (end - pts)


def grid(*, factor: Fraction | None, fps: Fraction | None, start_seconds: float) -> Grid:
    """The grid a request asks for, by exactly one of `factor` and `fps`; `start_seconds` is the clip's."""
    if factor is not None:
        return Multiplied(factor)
    assert fps is not None, "one of factor and fps is given"
    return Constant(fps, start_seconds)


def moments(window: Window, grid: Grid, *, at_cut: AtCut) -> list[Moment]:
    """The outputs a window with one frame of context after its core answers for, in order.

    Pictures are invented only between two frames of one scene. From the last frame of a scene on that frame
    is shown: once, until the next output ("hold"), or on every point of the grid ("repeat"). After the last
    frame of the clip nothing is repeated; its picture stays until the clip ends. A duration is the time to
    the next output; where that lies behind a cut on a grid of varying intervals, the frame behind the cut is
    taken to last as long as the one before it.
    """
    frames, last = window.frames, len(window.frames) - 1
    starts = [*frames.pts_seconds.tolist(), frames.end_seconds]

    def number(frame: int) -> int:
        return grid.number(window.first + frame, starts[frame])

    def share(output: int, frame: int) -> float:
        return grid.share(output, window.first + frame, starts[frame], starts[frame + 1])

    shown: list[tuple[int, float, float]] = []
    for frame in range(window.core.start, window.core.stop):
        outputs = range(number(frame), number(frame + 1))
        alone = frame == last
        if alone and (at_cut == "hold" or window.ends_clip):
            outputs = outputs[:1]
        for output in outputs:
            t = max(0.0, share(output, frame))
            near = min(SNAP, (share(output + 1, frame) - t) / 4)
            pts = starts[frame] + t * (starts[frame + 1] - starts[frame])
            if alone or t < near:
                shown.append((frame, 0.0, pts))
            elif t > 1 - near:
                shown.append((frame + 1, 0.0, pts))
            else:
                shown.append((frame, t, pts))

    if window.ends_clip:
        end = starts[-1]
    else:
        stop = window.core.stop
        length = float(frames.duration_seconds[min(stop, last)])
        t = grid.share(number(stop), window.first + stop, starts[stop], starts[stop] + length)
        end = starts[stop] + t * length
    edges = [*(pts for _, _, pts in shown), end]
    return [
        Moment(frame, t, pts, after - pts)
        for (frame, t, _), (pts, after) in zip(shown, pairwise(edges), strict=True)
    ]

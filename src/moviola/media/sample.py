"""Which frames to take from a video: pure choice, from its times alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from moviola.errors import RequestError
from moviola.frames import Seconds
from moviola.media.source import Timeline

Span = tuple[float | None, float | None]
"""From and to, in seconds on the source's clock; None is the beginning or the end."""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """indices: presentation indices, ascending unless times were given in another order.

    asked_seconds: the moment each was taken for. pts_seconds: when that frame begins to be shown.
    """

    indices: NDArray[np.int64]
    asked_seconds: Seconds
    pts_seconds: Seconds

    def __len__(self) -> int:
        return len(self.indices)


def choose(
    timeline: Timeline,
    *,
    n: int | None = None,
    fps: float | Fraction | None = None,
    times: Sequence[float] | None = None,
    span: Span | None = None,
) -> Choice:
    """Choose by exactly one of three rules; the frame taken is the one on screen at the moment asked for.

    n: so many moments, at the centres of n equal parts of the span. More than there are frames repeats some.
    fps: moments 1/fps seconds apart, the first at the beginning of the span.
    times: these moments, in seconds on the source's clock.
    span: (from, to) in seconds, to exclusive; cut to what the video covers. With `times`, a moment outside of
        it is an error.

    Raises RequestError where the rule cannot be meant, InputError for a moment at which nothing is shown.
    """
    if sum(rule is not None for rule in (n, fps, times)) != 1:
        raise RequestError("ask for frames by exactly one of n, fps or times")
    start, stop = _resolve(timeline, span)
    asked: Seconds
    if n is not None:
        asked = _spread(n, start, stop)
    elif fps is not None:
        asked = _paced(fps, start, stop)
    else:
        asked = np.ravel(np.asarray(times, np.float64))
        outside = asked[~((start - 1e-9 <= asked) & (asked < stop))]
        if len(outside):
            raise RequestError(f"{outside[0]:g}s is outside of the span, {start:.3f}s to {stop:.3f}s")
    indices = np.array([timeline.index_at(moment) for moment in asked], np.int64)
    return Choice(indices, asked, timeline.pts_seconds[indices])


def _spread(n: int, start: float, stop: float) -> Seconds:
    if n < 1:
        raise RequestError(f"cannot take {n} frames; n must be at least 1")
    return np.asarray(start + (np.arange(n) + 0.5) * ((stop - start) / n), np.float64)


def _paced(fps: float | Fraction, start: float, stop: float) -> Seconds:
    rate = float(fps)
    if not (math.isfinite(rate) and rate > 0):
        raise RequestError(f"cannot take frames at {rate:g} per second; fps must be above 0")
    # The tolerance keeps a moment that rounding moved onto the end from asking for one frame too many.
    count = max(1, math.ceil((stop - start) * rate - 1e-6))
    return np.asarray(start + np.arange(count) / rate, np.float64)


def _resolve(timeline: Timeline, span: Span | None) -> tuple[float, float]:
    if not len(timeline):
        raise RequestError("the video has no frames to choose from")
    first, end = float(timeline.pts_seconds[0]), timeline.end_seconds
    start, stop = span or (None, None)
    start, stop = first if start is None else start, end if stop is None else stop
    if not (math.isfinite(start) and math.isfinite(stop)) or start >= stop:
        raise RequestError(
            f"the span from {start:g}s to {stop:g}s is empty; its end must lie after its start"
        )
    if start >= end or stop <= first:
        raise RequestError(
            f"the span from {start:g}s to {stop:g}s holds no frame; "
            f"the video lasts from {first:.3f}s to {end:.3f}s"
        )
    return max(start, first), min(stop, end)

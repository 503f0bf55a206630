"""A stretch of a video as it was asked for, and the frames that are on screen in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moviola.errors import RequestError
from moviola.media.source import Timeline

_TINY = 1e-6
"""Seconds that are nothing, in sums of times."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a video: seconds on its clock, and the presentation indices [first, end) shown in it."""

    start: float
    stop: float
    first: int
    end: int


def span_of(timeline: Timeline, start: float | None, stop: float | None, name: str) -> Span:
    """The stretch that was asked for, cut to what there is. Raises RequestError where that is nothing."""
    begins, ends = float(timeline.pts_seconds[0]), timeline.end_seconds
    low = begins if start is None else max(start, begins)
    high = ends if stop is None else min(stop, ends)
    if low >= high - _TINY:
        raise RequestError(
            f"nothing is shown from {start or 0:g}s to {high if stop is None else stop:g}s of {name}, "
            f"which covers {begins:.3f}s to {ends:.3f}s"
        )
    first = int(np.searchsorted(timeline.pts_seconds, low + _TINY, side="right")) - 1
    end = int(np.searchsorted(timeline.pts_seconds, high - _TINY, side="left"))
    return Span(low, high, max(0, first), max(first + 1, end))

"""Which frames a recognizer looks at: the views of a whole video, or of each moment of its time."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from moviola.card import Recognition
from moviola.media.source import Timeline
from moviola.media.span import Span
from moviola.recognition.protocol import frame_indices

_TINY = 1e-6
"""Seconds that are nothing, in sums of times."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One temporal view. frames: presentation indices, (T,). moment: which moment it tells about."""

    frames: NDArray[np.int64]
    moment: int = 0


def rate_of(timeline: Timeline, span: Span) -> float:
    """Frames per second of a stretch, in the mean."""
    shown = float(timeline.duration_seconds[span.first : span.end].sum())
    return (span.end - span.first) / shown if shown > 0 else 25.0


def whole(facts: Recognition, timeline: Timeline, span: Span, clips: int) -> list[Look]:
    """The temporal views of the published test, over a stretch; a single one where the test joins them."""
    indices = frame_indices(facts, span.end - span.first, rate_of(timeline, span), clips)
    if facts.joined:
        indices = indices.reshape(1, -1)
    return [Look(row + span.first) for row in indices]


def moments(span: Span, every: float) -> list[tuple[float, float]]:
    """The stretch in parts of `every` seconds, the last one shorter where it does not divide."""
    count = max(1, ceil((span.stop - span.start) / every - _TINY))
    return [
        (span.start + number * every, min(span.start + (number + 1) * every, span.stop))
        for number in range(count)
    ]


def of_moment(
    facts: Recognition, timeline: Timeline, span: Span, moment: tuple[float, float]
) -> NDArray[np.int64]:
    """The view of a moment: frames at the model's own pace around its middle, moved inside of the stretch;
    or one from each of equal parts of it, for a model that looks at a whole.

    Where the stretch is shorter than the view its last frame is repeated.
    """
    low, high = moment
    if facts.stride is None:
        times = np.asarray(low + (np.arange(facts.frames) + 0.5) * (high - low) / facts.frames, np.float64)
    else:
        step = facts.stride / (facts.fps or rate_of(timeline, span))
        length = step * (facts.frames - 1)
        latest = float(timeline.pts_seconds[span.end - 1]) - length
        begin = max(span.start, min((low + high - length) / 2, latest))
        times = np.asarray(begin + np.arange(facts.frames) * step, np.float64)
    found = np.searchsorted(timeline.pts_seconds, times + _TINY, side="right") - 1
    return found.clip(span.first, span.end - 1).astype(np.int64)


def shortage(facts: Recognition, timeline: Timeline, span: Span) -> str | None:
    """A sentence on a stretch that is shorter than what the model looks at, None where it is long enough."""
    have = span.end - span.first
    if facts.stride is None:
        needs = facts.frames
    else:
        pace = rate_of(timeline, span) / facts.fps if facts.fps else 1.0
        needs = int((facts.frames - 1) * facts.stride * pace) + 1
    if have >= needs:
        return None
    frames = "frame is" if have == 1 else "frames are"
    return f"{have} {frames} fewer than the {needs} the model looks at: some are shown to it more than once"

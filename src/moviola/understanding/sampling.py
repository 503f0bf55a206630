"""Which frames of a video a model sees, and when they are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from heapq import heapify, heappop, heappush
from math import inf
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from moviola.card import Understanding
from moviola.clip import Clip
from moviola.media.sample import choose
from moviola.media.source import Timeline
from moviola.media.span import Span, span_of
from moviola.understanding.counting import count_frames
from moviola.understanding.speaker import Sight
from moviola.understanding.stretches import asked, cuts, scenes

Tokens = Callable[[int, int, int], int]
"""What so many frames of a width and a height take in a prompt; see `Speaker.tokens`."""


def sight(
    clip: Clip,
    facts: Understanding,
    tokens: Tokens,
    *,
    frames: int | None = None,
    fps: float | Fraction | None = None,
    budget: int | None = None,
    sampling: Literal["uniform", "scenes"] = "uniform",
    at: tuple[float | None, float | None] | None = None,
    room: int = 0,
) -> tuple[Sight, list[str]]:
    """The frames of a clip that a model will see, and a sentence on all that is not as asked.

    They are those on screen in the middle of each of as many equal parts of the stretch, or of each of its
    scenes; none is taken twice unless the model needs more than there are.

    frames, fps, budget, sampling, at: see `tasks.understanding.Understanding`. room: see `count_frames`.

    Raises RequestError where that cannot be meant, InputError for what has no frames or no end.
    """
    span, timeline = asked(clip, at), clip.timeline()
    count, notes = count_frames(
        facts,
        span.stop - span.start,
        span.end - span.first,
        lambda count: tokens(count, clip.width, clip.height),
        frames=frames,
        fps=fps,
        budget=budget,
        room=room,
    )
    spans = [span]
    if sampling == "scenes":
        found = scenes(span.start, cuts(clip, span), span.stop)
        spans = [span_of(timeline, start, stop, clip.source.name) for start, stop in found]
    indices = _shared_out(timeline, spans, count)
    return Sight(clip, span.start, span.stop, indices, timeline.pts_seconds[indices]), notes


def shares(seconds: Sequence[float], there: Sequence[int], count: int) -> list[int]:
    """How many of `count` frames each scene gets.

    One after the other, a frame goes to the scene whose parts are the longest; the parts of a scene that has
    none yet count as longer than all, those of a longer scene first. (This is Adams' apportionment: it keeps
    the longest part as short as can be.)

    seconds: how long the scenes are. there: how many frames they have, which is the most they get unless they
        have fewer than `count` together.
    """
    most = there if sum(there) >= count else [count] * len(there)
    given = [0] * len(seconds)
    waiting = [(-inf, -length, scene) for scene, length in enumerate(seconds)]
    heapify(waiting)
    for _ in range(count):
        _, _, scene = heappop(waiting)
        given[scene] += 1
        if given[scene] < most[scene]:
            heappush(waiting, (-seconds[scene] / given[scene], -seconds[scene], scene))
    return given


def _shared_out(timeline: Timeline, spans: Sequence[Span], count: int) -> NDArray[np.int64]:
    given = shares(
        [span.stop - span.start for span in spans], [span.end - span.first for span in spans], count
    )
    return np.concatenate(
        [spread(timeline, span, share) for span, share in zip(spans, given, strict=True) if share]
    )


def spread(timeline: Timeline, span: Span, count: int) -> NDArray[np.int64]:
    """The frames on screen in the middle of each of `count` equal parts of a stretch.

    A frame that is on screen in the middle of several is taken once, and those that follow it instead.
    """
    on_screen = choose(timeline, n=count, span=(span.start, span.stop)).indices
    if count > span.end - span.first:
        return on_screen
    order = np.arange(count)
    apart = np.maximum.accumulate(on_screen - order) + order
    return np.minimum(apart, span.end - count + order)

"""How a video is divided: at its cuts, into scenes for captions, or into longer parts, one after the other.

Pictures are read one at a time and let go once they are judged: an hour takes no more memory than a minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import ceil

from moviola.clip import Clip
from moviola.errors import InputError
from moviola.media.scenes import LOOKAHEAD, WARMUP, mark_cuts
from moviola.media.span import Span, span_of

Stretch = tuple[float, float]
"""From and to, in seconds on the clip's clock."""

_REACH = 1 / 8
"""How far from its place the end of a part may lie to be at a cut, as a share of the part. Shots last some
seconds, so there is nearly always one in an eighth of a minute on both sides; three quarters of the video
need not be looked at for it."""

_TINY = 1e-6
"""Seconds that are nothing, in sums of times."""


def asked(clip: Clip, at: tuple[float | None, float | None] | None = None) -> Span:
    """The stretch of a clip that a request is about. at: from and to, in seconds; None is beginning or end.

    Raises RequestError where nothing is shown then, InputError for what has no frames or no end.
    """
    source = clip.source
    if source.live:
        raise InputError(f"{source.name} is live; record it to a file first")
    timeline = clip.timeline()
    if not len(timeline):
        raise InputError(f"{source.name} has no frames")
    start, stop = at or (None, None)
    return span_of(timeline, start, stop, source.name)


def cuts(clip: Clip, span: Span) -> Iterator[float]:
    """When a new scene begins within a stretch, in seconds, ascending; found while the clip is decoded.

    The same cuts, whatever stretch they are looked for in.
    """
    pictures = clip.chunks(1, start=max(0, span.first - WARMUP), stop=span.end + LOOKAHEAD)
    for frames, begins in mark_cuts(pictures):
        for seconds in frames.pts_seconds[begins]:
            if seconds >= span.stop - _TINY:
                return
            if seconds > span.start + _TINY:
                yield float(seconds)


def stretches(clip: Clip, span: Span, shortest: float, longest: float) -> Iterator[Stretch]:
    """The scenes of a stretch, as soon as they are known, of `shortest` to `longest` seconds.

    See `joined` and `divided`. They follow each other without a gap from `span.start` to `span.stop`.
    """
    for scene in joined(scenes(span.start, cuts(clip, span), span.stop), shortest):
        yield from divided(scene, longest)


def parts(clip: Clip, span: Span, length: float) -> Iterator[Stretch]:
    """A stretch in the fewest equal parts of at most `length` seconds, whose ends are then moved to a cut.

    An end goes to the cut nearest to its place, if one is less than an eighth of a part away: so parts are
    3/4 to 5/4 of that length. Only the surroundings of those places are decoded.
    """
    timeline, start = clip.timeline(), span.start
    (*equal, _) = divided((span.start, span.stop), length)
    for _, place in equal:
        reach = _REACH * (span.stop - span.start) / (len(equal) + 1)
        near = span_of(timeline, place - reach, place + reach, clip.source.name)
        end = min(cuts(clip, near), key=lambda cut: abs(cut - place), default=place)
        yield start, end
        start = end
    yield start, span.stop


def scenes(start: float, cuts: Iterable[float], stop: float) -> Iterator[Stretch]:
    """What lies between cuts."""
    for cut in cuts:
        yield start, cut
        start = cut
    yield start, stop


def joined(scenes: Iterable[Stretch], shortest: float) -> Iterator[Stretch]:
    """Join scenes that are shorter than `shortest` with the shorter one of their neighbours.

    They are gone through in order, and what was joined counts as one scene; of neighbours as long as each
    other the earlier is taken. A scene is given out when the one after it is over and long enough.
    """
    before: Stretch | None = None
    short: Stretch | None = None
    for scene in scenes:
        if short is not None and before is not None and _length(before) <= _length(scene):
            before = before[0], short[1]
        elif short is not None:
            scene = short[0], scene[1]
        short = scene if _length(scene) < shortest else None
        if short is None:
            if before is not None:
                yield before
            before = scene
    if short is not None:
        before = short if before is None else (before[0], short[1])
    if before is not None:
        yield before


def divided(scene: Stretch, longest: float) -> Iterator[Stretch]:
    """A scene in the fewest equal parts that are no longer than `longest`."""
    start, stop = scene
    count = max(1, ceil((stop - start) / longest - _TINY))
    ends = [start + (stop - start) * number / count for number in range(1, count)]
    yield from scenes(start, ends, stop)


def _length(scene: Stretch) -> float:
    return scene[1] - scene[0]

"""How much a request to a speaker comes to, before anything of it is done."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import ceil
from operator import add

from moviola.card import Understanding as Facts
from moviola.hosted.pricing import Usage
from moviola.media.span import Span
from moviola.plan.speaking import TALK
from moviola.tasks import Ask, Caption, Understanding
from moviola.understanding import long
from moviola.understanding.captioning import paced
from moviola.understanding.looking import in_parts
from moviola.understanding.seeing import QUESTION

_SHOT = 3.5
"""Seconds that a scene lasts in the mean, where scenes may be as short as they are; see `long.SPARSEST`."""


def talk_tokens(facts: Facts, request: Understanding, spans: Sequence[Span]) -> int:
    """About how many tokens the longest talk of a request comes to, and `TALK` at least."""
    lengths = [span.stop - span.start for span in spans]
    if isinstance(request, Caption) and request.dense:
        lengths = [min(seconds, request.longest) for seconds in lengths]
    shown = _shown(facts, request, lengths)
    return min(facts.context, max(TALK, shown + request.max_tokens + QUESTION))


def foretold(facts: Facts, request: Understanding, spans: Sequence[Span]) -> Usage:
    """About how many tokens are read and said in all, of every scene and every part of a long video."""
    if isinstance(request, Caption) and request.dense:
        each = [_scenes(facts, request, span) for span in spans]
    elif isinstance(request, Caption):
        each = [_looked(facts, request, [span]) for span in spans]
    else:
        each = [_looked(facts, request, spans)]
    return reduce(add, each, Usage(0, 0))


def _looked(facts: Facts, request: Understanding, spans: Sequence[Span]) -> Usage:
    part = request.part if isinstance(request, Ask) else None
    lengths = [span.stop - span.start for span in spans]
    if len(spans) != 1 or not in_parts(facts, request, spans[0], part):
        return Usage(_shown(facts, request, lengths) + QUESTION, request.max_tokens)
    count = ceil(lengths[0] / (part or long.reach(facts)))
    note = min(long.NOTE_TOKENS, request.max_tokens)
    used = Usage(count * (_shown(facts, request, [lengths[0] / count]) + QUESTION), count * note)
    while count > 1 and count * note + request.max_tokens > facts.context // 2:
        groups = ceil(count / long.JOINED)
        used += Usage(count * note + groups * QUESTION, groups * note)
        count = groups
    return used + Usage(count * note + QUESTION, request.max_tokens)


def _scenes(facts: Facts, request: Caption, span: Span) -> Usage:
    length = span.stop - span.start
    scene = min(max(request.shortest, _SHOT), request.longest)
    count = max(1, ceil(length / scene))
    shown = _shown(facts, paced(request, facts, length / count), [length / count])
    return Usage(count * (shown + QUESTION), count * request.max_tokens)


def _shown(facts: Facts, request: Understanding, lengths: Sequence[float]) -> int:
    """Tokens of videos of so many seconds."""
    shown = 0
    for seconds in lengths:
        pace = request.fps or (None if request.frames else facts.fps)
        frames = request.frames or (facts.frames if pace is None else ceil(float(pace) * seconds))
        each = min(frames, facts.max_frames) * (facts.frame_tokens or 0)
        shown += facts.video_tokens or each
    return min(shown if request.budget is None else min(shown, request.budget), facts.context)

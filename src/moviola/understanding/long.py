"""Videos longer than a model sees in one piece: parts are looked at one by one, notes put together."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

from moviola.card import Understanding as Facts
from moviola.clip import Clip
from moviola.media.span import Span
from moviola.model import Event, Progress
from moviola.tasks import CaptionedMoment, Understanding
from moviola.understanding import wording
from moviola.understanding.seeing import manner_of, see
from moviola.understanding.speaker import Manner, Speaker
from moviola.understanding.stretches import parts

SPARSEST = 8.0
"""Seconds between two frames that are looked at; where a model's frames would lie farther apart a video is
long. What lasts less is easily missed, and a shot of a film lasts about 3 to 4 s in the mean (Cutting et al.,
i-Perception 2(6), 2011)."""

NOTE_TOKENS = 192
"""Longest note on a part."""

JOINED = 16
"""Notes that are put together at once where there are too many."""


def reach(facts: Facts) -> float:
    """Seconds that a model sees in one piece."""
    return facts.max_frames * SPARSEST


def is_long(facts: Facts, span: Span) -> bool:
    return span.stop - span.start > reach(facts)


def noted(
    speaker: Speaker, request: Understanding, clip: Clip, span: Span, question: str, length: float
) -> Generator[Event, None, tuple[list[CaptionedMoment], int]]:
    """What each part of a video has to say to a question, and how many frames were looked at.

    One part is in memory at a time. length: of a part at most, in seconds.
    """
    notes: list[CaptionedMoment] = []
    frames = 0
    for start, stop in parts(clip, span, length):
        seen, _ = see(speaker, request, clip, (start, stop))
        frames += len(seen.seconds)
        note = wording.note_for(question, start, stop)
        (said,) = speaker.say([([seen], note)], _short(request), request.system)
        notes.append(CaptionedMoment(start_seconds=start, stop_seconds=stop, text=said.text))
        yield Progress(stop - span.start, span.stop - span.start, "seconds")
    return notes, frames


def fitting(
    speaker: Speaker, request: Understanding, notes: Sequence[CaptionedMoment], question: str
) -> list[CaptionedMoment]:
    """Notes that are few enough to be read at once: neighbours are put together until they are."""
    fit = list(notes)
    room = speaker.facts.context // 2
    while len(fit) > 1 and _tokens(fit) + request.max_tokens > room:
        groups = [fit[first : first + JOINED] for first in range(0, len(fit), JOINED)]
        questions = [wording.shorter(group, question) for group in groups]
        said = [
            answer
            for each in questions
            for answer in speaker.say([((), each)], _short(request), request.system)
        ]
        fit = [
            CaptionedMoment(
                start_seconds=group[0].start_seconds, stop_seconds=group[-1].stop_seconds, text=each.text
            )
            for group, each in zip(groups, said, strict=True)
        ]
    return fit


def _short(request: Understanding) -> Manner:
    manner = manner_of(request)
    return replace(manner, max_tokens=min(NOTE_TOKENS, manner.max_tokens))


def _tokens(notes: Sequence[CaptionedMoment]) -> int:
    """About how many tokens notes take: at most one for every three letters of most languages' text."""
    return len(wording.listed(notes)) // 3

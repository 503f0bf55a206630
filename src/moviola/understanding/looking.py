"""What a request wants looked at: videos are seen, and a long one part by part."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from moviola.card import Understanding as Facts
from moviola.clip import Clip
from moviola.generators import changed
from moviola.media.span import Span
from moviola.model import Event, Progress, Spoken
from moviola.tasks import CaptionedMoment, Shown, Understanding
from moviola.understanding import long, wording
from moviola.understanding.seeing import see
from moviola.understanding.speaker import Seen, Speaker
from moviola.understanding.stretches import asked

Outcome = TypeVar("Outcome")


@dataclass(slots=True)
class Looked:
    """What was seen, or where a video is long what was noted of its parts.

    few: these notes, so few that they can be read at once. frames: how many were looked at.
    notes: for the user, a sentence each.
    """

    seen: list[Seen] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    parts: list[CaptionedMoment] = field(default_factory=list)
    few: list[CaptionedMoment] = field(default_factory=list)
    frames: int = 0
    notes: list[str] = field(default_factory=list)

    def worded(self, question: str) -> str:
        """A question as it has to be put to who has seen, or only read, this."""
        return wording.answer_from(self.few, question) if self.few else question


def look(
    speaker: Speaker,
    request: Understanding,
    clips: Sequence[Clip],
    question: str,
    part: float | None = None,
) -> Generator[Event, None, Looked]:
    """See videos; a single one that is long, or longer than `part` seconds, part by part.

    question: what its parts are asked about.
    """
    spans = [asked(clip, request.at) for clip in clips]
    looked = Looked(shown=[_shown(clip, span) for clip, span in zip(clips, spans, strict=True)])
    if len(clips) == 1 and in_parts(speaker.facts, request, spans[0], part):
        length = part or long.reach(speaker.facts)
        noting = long.noted(speaker, request, clips[0], spans[0], question, length)
        looked.parts, looked.frames = yield from noting
        looked.few = long.fitting(speaker, request, looked.parts, question)
        looked.notes.append(f"looked at in {len(looked.parts)} parts, as the video is long")
        return looked
    for number, (clip, shown) in enumerate(zip(clips, looked.shown, strict=True)):
        if len(clips) > 1:
            yield Progress(number, len(clips), "videos")
        others = sum(each.tokens for each in looked.seen)
        stretch = shown.start_seconds, shown.stop_seconds
        seen, notes = see(speaker, request, clip, stretch, others=others)
        shown.frame_seconds = seen.seconds.tolist()
        looked.seen.append(seen)
        looked.frames += len(seen.seconds)
        looked.notes += notes
    return looked


def in_parts(facts: Facts, request: Understanding, span: Span, part: float | None) -> bool:
    """Whether a single video is looked at part by part."""
    if part is not None:
        return span.stop - span.start > part
    return request.frames is None and request.budget is None and long.is_long(facts, span)


def _shown(clip: Clip, span: Span) -> Shown:
    return Shown(video=clip.source.name, start_seconds=span.start, stop_seconds=span.stop, frame_seconds=[])


def spoken(words: Generator[str, None, Outcome]) -> Generator[Event, None, Outcome]:
    """Pieces of an answer as events. Closing it stops the answer within one piece."""
    return changed(words, Spoken)

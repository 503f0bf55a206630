"""Describes videos, as a whole or scene by scene."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from moviola.clip import Clip
from moviola.errors import InputError, RequestError
from moviola.media.span import Span
from moviola.model import Event, Events, Note, Progress, Result
from moviola.pipeline import prefetched
from moviola.tasks import Caption, CaptionedMoment, Captions, VideoCaptions
from moviola.understanding import wording
from moviola.understanding.looking import look, spoken
from moviola.understanding.seeing import manner_of, see
from moviola.understanding.speaker import Said, Speaker
from moviola.understanding.stretches import Stretch, asked, stretches

T = TypeVar("T")


@dataclass(slots=True)
class _Count:
    """Frames that were looked at, and tokens that were read and said."""

    frames: int = 0
    prompt: int = 0
    answer: int = 0

    def add(self, said: Iterable[Said]) -> None:
        for each in said:
            self.prompt += each.prompt_tokens
            self.answer += each.answer_tokens


def caption(speaker: Speaker, model: str, request: Caption, clips: Sequence[Clip]) -> Events:
    """Describe videos. The last event is a `Result` with a `Captions`.

    One video that cannot be read is an error (InputError); of several, it is told and the others go on.
    """
    began, count = time.monotonic(), _Count()
    videos = [VideoCaptions(video=clip.source.name) for clip in clips]
    alone = len(clips) == 1
    describe = _scenes if request.dense else _whole
    for number, (clip, video) in enumerate(zip(clips, videos, strict=True)):
        if not alone:
            yield Progress(number, len(clips), "videos")
        try:
            yield from describe(speaker, request, clip, asked(clip, request.at), video, count)
        except (InputError, RequestError) as error:
            if alone:
                raise
            video.error = str(error)
        for text in [*video.notes, *([video.error] if video.error else [])]:
            yield Note(text if alone else f"{video.video}: {text}")
    yield Result(
        Captions(
            model=model,
            videos=videos,
            frames=count.frames,
            prompt_tokens=count.prompt,
            answer_tokens=count.answer,
            elapsed_seconds=time.monotonic() - began,
        )
    )


def _whole(
    speaker: Speaker, request: Caption, clip: Clip, span: Span, video: VideoCaptions, count: _Count
) -> Generator[Event, None, None]:
    """One caption for a stretch of a video, into `video`."""
    question = request.prompt or wording.DESCRIBE
    looked = yield from look(speaker, request, [clip], question)
    talk = speaker.talk(looked.seen, request.system)
    said = yield from spoken(talk.ask(looked.worded(question), manner_of(request)))
    count.frames += looked.frames
    count.add([said])
    video.notes += looked.notes
    video.text = said.text
    video.moments = [_moment((span.start, span.stop), said)]


def _scenes(
    speaker: Speaker, request: Caption, clip: Clip, span: Span, video: VideoCaptions, count: _Count
) -> Generator[Event, None, None]:
    """A caption for each scene of a stretch, into `video`; a batch of scenes is in memory at a time."""
    question = request.prompt or wording.DESCRIBE_SCENE
    # Scenes are found in a thread, while those before are described.
    found = prefetched(stretches(clip, span, request.shortest, request.longest), ahead=4)
    with closing(found):
        for scenes in batched(found, request.batch or speaker.batch):
            seen = []
            for scene in scenes:
                looked_at, notes = see(speaker, request, clip, scene)
                video.notes += [note for note in notes if note not in video.notes]
                seen.append(looked_at)
            said = speaker.say([([each], question) for each in seen], manner_of(request), request.system)
            count.frames += sum(len(each.seconds) for each in seen)
            count.add(said)
            video.moments += map(_moment, scenes, said)
            yield Progress(scenes[-1][1] - span.start, span.stop - span.start, "seconds")


def _moment(stretch: Stretch, said: Said) -> CaptionedMoment:
    return CaptionedMoment(start_seconds=stretch[0], stop_seconds=stretch[1], text=said.text)


def batched(items: Iterator[T], size: int) -> Iterator[Sequence[T]]:
    """Items in groups of `size`, the last one smaller."""
    group: list[T] = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group

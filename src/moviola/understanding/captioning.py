"""Describes videos, as a whole or scene by scene."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from math import ceil
from typing import TypeVar

from moviola.card import Understanding
from moviola.clip import Clip
from moviola.errors import InputError, RequestError
from moviola.media.span import Span
from moviola.model import Event, Events, Note, Progress, Result
from moviola.pipeline import prefetched
from moviola.tasks import Caption, CaptionedMoment, Captions, VideoCaptions
from moviola.understanding import wording
from moviola.understanding.looking import Looked, look, spoken
from moviola.understanding.seeing import manner_of, see
from moviola.understanding.speaker import Said, Speaker
from moviola.understanding.stretches import Stretch, asked, stretches

T = TypeVar("T")

_PACE, _FEWEST = 2.0, 4
"""Frames per second of a scene, and how many at least: the pace that Qwen's models are made for."""


@dataclass(slots=True)
class _Count:
    """Frames that were looked at, and tokens that were read and said."""

    frames: int = 0
    prompt: int = 0
    answer: int = 0

    def add(self, said: Iterable[Said], frames: int) -> None:
        self.frames += frames
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
    pairs = list(zip(clips, videos, strict=True))
    if alone or request.dense:
        describe = _scenes if request.dense else _whole
        for number, (clip, video) in enumerate(pairs):
            if not alone:
                yield Progress(number, len(clips), "videos")
            with _told(video, alone):
                yield from describe(speaker, request, clip, asked(clip, request.at), video, count)
            yield from _notes(video, alone)
    else:
        for some in batched(iter(pairs), request.batch or speaker.batch):
            yield from _wholes(speaker, request, some, count)
            yield Progress(pairs.index(some[-1]) + 1, len(clips), "videos")
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


@contextmanager
def _told(video: VideoCaptions, alone: bool) -> Iterator[None]:
    """What is wrong with one of several videos is kept, and the others go on."""
    try:
        yield
    except (InputError, RequestError) as error:
        if alone:
            raise
        video.error = str(error)


def _notes(video: VideoCaptions, alone: bool) -> Iterator[Note]:
    for text in [*video.notes, *([video.error] if video.error else [])]:
        yield Note(text if alone else f"{video.video}: {text}")


def _whole(
    speaker: Speaker, request: Caption, clip: Clip, span: Span, video: VideoCaptions, count: _Count
) -> Generator[Event, None, None]:
    """One caption for a stretch of a video, into `video`."""
    question = request.prompt or wording.DESCRIBE
    looked = yield from look(speaker, request, [clip], question)
    talk = speaker.talk(looked.seen, request.system)
    said = yield from spoken(talk.ask(looked.worded(question), manner_of(request)))
    count.add([said], looked.frames)
    _keep(video, looked, said)


def _wholes(
    speaker: Speaker, request: Caption, some: Sequence[tuple[Clip, VideoCaptions]], count: _Count
) -> Generator[Event, None, None]:
    """One caption for each of some videos, all said at once."""
    question = request.prompt or wording.DESCRIBE
    ready: list[tuple[VideoCaptions, Looked]] = []
    for clip, video in some:
        with _told(video, alone=False):
            ready.append((video, (yield from look(speaker, request, [clip], question))))
    questions = [(looked.seen, looked.worded(question)) for _, looked in ready]
    said = speaker.say(questions, manner_of(request), request.system)
    for (video, looked), answer in zip(ready, said, strict=True):
        count.add([answer], looked.frames)
        _keep(video, looked, answer)
    for _, video in some:
        yield from _notes(video, alone=False)


def _keep(video: VideoCaptions, looked: Looked, said: Said) -> None:
    (shown,) = looked.shown
    video.notes += looked.notes
    video.text = said.text
    video.moments = [_moment((shown.start_seconds, shown.stop_seconds), said)]


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
                looked_at, notes = see(
                    speaker, paced(request, speaker.facts, scene[1] - scene[0]), clip, scene
                )
                video.notes += [note for note in notes if note not in video.notes]
                seen.append(looked_at)
            said = speaker.say([([each], question) for each in seen], manner_of(request), request.system)
            count.add(said, sum(len(each.seconds) for each in seen))
            video.moments += map(_moment, scenes, said)
            yield Progress(scenes[-1][1] - span.start, span.stop - span.start, "seconds")


def paced(request: Caption, facts: Understanding, seconds: float) -> Caption:
    """The request for a scene so long: a model made for some number of frames a video is not shown all of
    them in a scene of a few seconds."""
    if request.frames is not None or request.fps is not None or facts.fps is not None or facts.fixed:
        return request
    most = max(_FEWEST, ceil(_PACE * seconds))
    return request.model_copy(update={"frames": max(facts.min_frames, min(facts.frames, most))})


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

"""Recognizes files: every frame that is needed is decoded and prepared once, views are judged in batches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from moviola.clip import Clip
from moviola.errors import InputError, MediaError, ModelError, RequestError
from moviola.media.span import span_of
from moviola.model import Events, Note, Progress, Result
from moviola.pipeline import prefetched
from moviola.recognition import looks
from moviola.recognition.labelling import chosen_classes, ranked
from moviola.recognition.looks import Look
from moviola.recognition.prepare import Preparer
from moviola.recognition.recognizer import Recognizer
from moviola.tasks import Moment, Recognize, Recognized, VideoLabels

_SECTION = 512
"""Prepared frames held at once, about: 77 MB of 224 × 224 pixels."""

_BATCH = {"cpu": 2, "mps": 8, "cuda": 16}
"""Views in one pass where nothing is said: enough to keep all of a device busy."""


@dataclass(slots=True)
class _Work:
    """One video under way.

    number: which of all it is. sums, counts: of the probabilities of each moment's views so far.
    """

    number: int
    clip: Clip
    result: VideoLabels
    moments: list[tuple[float, float]] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    preparer: Preparer | None = None
    sums: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    counts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """Prepared pictures (T, h, w, 3) of one crop of one look."""

    work: _Work
    moment: int
    pictures: NDArray[np.uint8]


def recognize(recognizer: Recognizer, request: Recognize, clips: Sequence[Clip]) -> Events:
    """Say what happens in videos. The last event is a `Result` with a `Recognized`.

    One video that cannot be read is an error (InputError); of several, it is told and the others go on.
    """
    began = time.monotonic()
    chosen = chosen_classes(recognizer.names, request.labels)
    works = [_Work(number, clip, VideoLabels(video=clip.source.name)) for number, clip in enumerate(clips)]
    alone = len(works) == 1
    batch = request.batch or _BATCH[recognizer.device.type]
    decoded = 0
    yield Progress(0, len(works), "videos")
    views = prefetched(_views(recognizer, request, works, alone), ahead=2 * batch)
    with closing(views):
        for group in _batched(views, batch):
            _judge(recognizer, group)
            # Views come in the order of the videos: all before the last one's are done.
            last = group[-1].work
            yield Progress(last.number + _share(last, _crops(request)), len(works), "videos")
    for work in works:
        if work.result.error is None:
            decoded += len(np.unique(np.concatenate([look.frames for look in work.looks])))
            _conclude(work, recognizer, chosen, request)
        for text in [*work.result.notes, *([work.result.error] if work.result.error else [])]:
            yield Note(text if alone else f"{work.result.video}: {text}")
    yield Result(
        Recognized(
            model=recognizer.card.id,
            videos=[work.result for work in works],
            frames=decoded,
            elapsed_seconds=time.monotonic() - began,
        )
    )


def _share(work: _Work, crops: int) -> float:
    """How much of a video is done, 0 to 1."""
    return int(work.counts.sum()) / (len(work.looks) * crops)


def _crops(request: Recognize) -> int:
    return request.views[1] if request.views is not None else 1


def _views(
    recognizer: Recognizer, request: Recognize, works: Sequence[_Work], alone: bool
) -> Iterator[_View]:
    """All views of all videos, in order; runs in the thread that decodes."""
    for work in works:
        try:
            _plan(recognizer, request, work)
            yield from _views_of(work, _crops(request))
        except (InputError, RequestError) as error:
            if alone:
                raise
            work.result.error = str(error)


def _plan(recognizer: Recognizer, request: Recognize, work: _Work) -> None:
    """Decide what is looked at."""
    facts, source = recognizer.facts, work.clip.source
    if source.live:
        raise InputError(f"{source.name} is live; use `moviola watch`, or record it to a file first")
    timeline = source.timeline()
    if not len(timeline):
        raise InputError(f"{source.name} has no frames")
    span = span_of(timeline, request.start, request.stop, source.name)
    if request.every is None:
        clips = request.views[0] if request.views is not None else facts.views[0]
        work.looks = looks.whole(facts, timeline, span, clips)
        work.moments = [(span.start, span.stop)]
    else:
        work.moments = looks.moments(span, request.every)
        work.looks = [
            Look(looks.of_moment(facts, timeline, span, moment), number)
            for number, moment in enumerate(work.moments)
        ]
    if short := looks.shortage(facts, timeline, span):
        work.result.notes.append(short)
    work.preparer = Preparer(facts, work.clip.width, work.clip.height, crops=_crops(request))
    work.sums = np.zeros((len(work.moments), len(recognizer.names)))
    work.counts = np.zeros(len(work.moments), np.int64)


def _views_of(work: _Work, crops: int) -> Iterator[_View]:
    """The views of one video, in order of time. Frames that two looks share are decoded once."""
    held: dict[int, NDArray[np.uint8]] = {}
    order = sorted(work.looks, key=lambda look: int(look.frames[0]))
    place = 0
    while place < len(order):
        section, wanted = _section(order, place)
        first = int(order[place].frames.min())
        held = {number: picture for number, picture in held.items() if number >= first}
        missing = sorted(wanted - held.keys())
        assert work.preparer is not None
        held |= work.clip.source.reduced_at(missing, work.preparer.one)
        lost = wanted - held.keys()
        if lost:
            _stand_in(held, lost, work)
        for look in section:
            pictures = np.stack([held[int(number)] for number in look.frames], axis=1)
            for crop in range(crops):
                yield _View(work, look.moment, pictures[crop])
        place += len(section)


def _section(order: Sequence[Look], place: int) -> tuple[list[Look], set[int]]:
    """So many looks from `place` on that their frames can be held, at least one; and these frames."""
    section, wanted = [order[place]], set(order[place].frames.tolist())
    for look in order[place + 1 :]:
        grown = wanted | set(look.frames.tolist())
        if len(grown) > _SECTION:
            break
        section.append(look)
        wanted = grown
    return section, wanted


def _stand_in(held: dict[int, NDArray[np.uint8]], lost: set[int], work: _Work) -> None:
    """Show the nearest good frame in place of each that damage has taken."""
    good = np.array(sorted(held.keys() - lost))
    if not len(good):
        raise MediaError(f"{work.clip.source.name}: none of frames {min(lost)} to {max(lost)} can be decoded")
    for number in lost:
        held[number] = held[int(good[np.abs(good - number).argmin()])]
    damage = f"{len(lost)} damaged frames could not be decoded; their neighbours stand in for them"
    if damage not in work.result.notes:
        work.result.notes.append(damage)


def _batched(views: Iterator[_View], size: int) -> Iterator[list[_View]]:
    """Views of any videos together."""
    group: list[_View] = []
    for view in views:
        group.append(view)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _judge(recognizer: Recognizer, group: list[_View]) -> None:
    """Add the probabilities of a batch to those of their moments. Where memory runs out, in two halves."""
    try:
        found = recognizer.probabilities(np.stack([view.pictures for view in group]))
    except torch.OutOfMemoryError:
        if len(group) == 1:
            raise ModelError(
                f"{recognizer.device} has too little memory for one view of {recognizer.card.id}; "
                "try --device cpu"
            ) from None
        half = len(group) // 2
        _judge(recognizer, group[:half])
        _judge(recognizer, group[half:])
        return
    for view, row in zip(group, found, strict=True):
        view.work.sums[view.moment] += row
        view.work.counts[view.moment] += 1


def _conclude(work: _Work, recognizer: Recognizer, chosen: NDArray[np.int64], request: Recognize) -> None:
    means = work.sums / work.counts[:, None]
    work.result.labels = ranked(means.mean(axis=0), recognizer.names, chosen, request.top)
    work.result.views = int(work.counts.sum())
    work.result.notes += work.clip.source.losses
    if request.every is not None:
        work.result.moments = [
            Moment(
                start_seconds=low,
                stop_seconds=high,
                labels=ranked(row, recognizer.names, chosen, request.top),
            )
            for (low, high), row in zip(work.moments, means, strict=True)
        ]

"""From a request for a video to a file: card → load → windows → segments → file."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from moviola import registry
from moviola.card import ModelCard
from moviola.clip import Clip
from moviola.errors import InputError, OutputError, RequestError
from moviola.journal import Journal
from moviola.media.encoding import Encoding, choose_encoding, is_sequence
from moviola.media.scenes import WARMUP, mark_cuts
from moviola.media.sink import check_output, open_sink
from moviola.media.stills import folder_and_name
from moviola.model import Committed, Events, Note, Partial, Result, Step
from moviola.pipeline import prefetched
from moviola.recipe import fingerprint, recipe
from moviola.roads.recorder import recording
from moviola.tasks import Interpolate, VideoResult, VideoTask, origin_name
from moviola.windows import Place, Shape, cut_into_windows, feed

_CHUNK = 8
"""Frames read at once: enough to keep the decoder's threads busy, little enough to hold three of."""


def make_video(request: VideoTask, *, random: bool = False) -> Events:
    """Do a task whose result is a video. The last event is a `Result` with a `VideoResult`.

    random: load the model from a small configuration with random weights, for tests.
    Closing the generator, an error or a crash keep the finished windows in a folder beside the output; the
    same request goes on from there. Raises MoviolaError.
    """
    began = time.monotonic()
    family, card = registry.find(request.model, task=request.verb)
    options = _validated(family.Options, request.options, card)
    clip = Clip(request.video, rate=request.rate)
    request = _settled(request, clip.source.name)
    output = request.output
    assert output is not None
    check_output(output, overwrite=request.overwrite)
    encoding, notes = _encoding(request, clip, card, output)
    _check_limits(card, clip)
    model = family.load(card, random=random)
    made_by = recipe(request, card)

    with Journal(_work_folder(output), _identity(request, made_by)) as journal:
        resumed = journal.windows
        if resumed:
            notes.append(f"going on after {resumed} finished windows of an interrupted run")
        sink = open_sink(output, journal.folder, encoding, overwrite=request.overwrite)
        yield from map(Note, notes)
        context = _Context(clip, encoding, journal.place())
        with recording(sink, journal) as recorder, closing(model.run(request, options, context)) as events:
            for event in events:
                match event:
                    case Partial(frames):
                        recorder.write(frames)
                    case Committed():
                        recorder.commit(event)
                    case _:
                        if isinstance(event, Note):
                            notes.append(event.text)
                        yield event
        ending = sink.finish(
            journal.windows,
            tracks=clip.source if request.audio else None,
            metadata=clip.info.metadata,
            recipe=made_by,
        )
        for text in [*clip.source.losses, *ending]:
            notes.append(text)
            yield Note(text)

    written = Clip(output, rate=encoding.average_rate).info
    yield Result(
        VideoResult(
            output=output,
            frames=journal.frames,
            width=written.video.width,
            height=written.video.height,
            duration_seconds=written.duration_seconds or 0,
            elapsed_seconds=time.monotonic() - began,
            windows=journal.windows,
            resumed_windows=resumed,
            notes=notes,
            recipe=made_by,
        )
    )


def _validated(options: type[BaseModel], given: Mapping[str, Any], card: ModelCard) -> BaseModel:
    try:
        return options.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        valid = ", ".join(options.model_fields) or "none"
        raise RequestError(f"option {name} of {card.id}: {first['msg']}; its options: {valid}") from None


def _settled(request: VideoTask, name: str) -> VideoTask:
    """The request with everything filled in that depends on its input, called `name`, and output."""
    output = request.output
    if output is None:
        stem = Path(origin_name(request.video).rstrip("/")).stem or "video"
        output = Path(f"{stem}-{request.verb}.mp4")
    settled: dict[str, Any] = {"output": output}
    if isinstance(request, Interpolate) and request.at_cut is None:
        # Numbered images carry no times: only repeating keeps their count in step with the clock.
        settled["at_cut"] = "repeat" if is_sequence(output) else "hold"
    if _same_place(Path(name), output):
        raise OutputError(f"{output} is the input too; choose another output")
    return request.model_copy(update=settled)


def _same_place(origin: Path, output: Path) -> bool:
    """Whether both name the same file, or the same folder of images, by whatever way."""
    first, second = (folder_and_name(path)[0] if is_sequence(path) else path for path in (origin, output))
    return os.path.exists(first) and os.path.exists(second) and first.samefile(second)


def _work_folder(output: Path) -> Path:
    """Where unfinished work lies: beside the output, on the same disk."""
    final = (folder_and_name(output)[0] if is_sequence(output) else output).absolute()
    return final.parent / f".{final.name}.moviola"


def _encoding(request: VideoTask, clip: Clip, card: ModelCard, output: Path) -> tuple[Encoding, list[str]]:
    """How the result is written, and what of the input that loses."""
    video = clip.info.video
    deep, clear = video.bit_depth > 8, video.alpha
    notes = []
    if deep and card.limits.max_depth == 8:
        notes.append(f"{card.id} works in 8 bits; the input's {video.bit_depth} are reduced")
        deep = False
    if clear and not card.limits.alpha:
        notes.append(f"{card.id} knows no transparency; the input's alpha is dropped")
        clear = False
    if len(clip.info.videos) > 1:
        notes.append(f"of {len(clip.info.videos)} video tracks only track {video.index} is kept")
    source_rate = video.average_rate or Fraction(25)
    if isinstance(request, Interpolate) and request.fps is not None and request.fps < source_rate:
        notes.append(
            f"{float(request.fps):g} frames/s are fewer than the input's {float(source_rate):g}: "
            "frames are left out"
        )
    if request.rate is not None and request.rate != source_rate:
        notes.append(f"rate {request.rate} is not used: {clip.source.name} has times of its own")
    encoding = choose_encoding(
        output,
        clip.info,
        codec=request.codec,
        quality=request.quality,
        rate=request.fps if isinstance(request, Interpolate) else None,
        depth=int(request.depth) if request.depth else None if deep else 8,
        alpha=None if clear else False,
    )
    if isinstance(request, Interpolate) and request.factor is not None:
        encoding = replace(
            encoding, average_rate=(encoding.average_rate * request.factor).limit_denominator(1001)
        )
    return encoding, notes


def _check_limits(card: ModelCard, clip: Clip) -> None:
    limits, video = card.limits, clip.info.video
    size = (video.width, video.height)
    if limits.min_size and any(have < need for have, need in zip(size, limits.min_size, strict=True)):
        raise InputError(f"{card.id} needs at least {limits.min_size}, the video is {size}")
    if limits.max_size and any(have > most for have, most in zip(size, limits.max_size, strict=True)):
        raise InputError(f"{card.id} takes at most {limits.max_size}, the video is {size}")


def _identity(request: VideoTask, made_by: dict[str, Any]) -> dict[str, Any]:
    """What two runs must share for the second to go on with the first one's work."""
    origins = {"video": request.video} | ({"mask": request.mask} if hasattr(request, "mask") else {})
    prints = {name: fingerprint(origin) for name, origin in origins.items()}
    # Frames in memory cannot be told from others: such work is never taken up again.
    once = {"run": uuid.uuid4().hex} if None in prints.values() else {}
    return {"recipe": made_by, "inputs": prints} | once


@dataclass(frozen=True, slots=True)
class _Context:
    """What a model is given beside its request; see `moviola.model.Context`."""

    clip: Clip
    encoding: Encoding
    place: Place

    def each_window(
        self, step: Step, *, size: int, before: int = 0, after: int = 0, fade: bool = False
    ) -> Events:
        shape = Shape(size, before, after)
        first = max(0, self.place.start - before - WARMUP)
        depth = self.encoding.depth_in_memory
        chunks = self.clip.chunks(_CHUNK, start=first, depth=depth, alpha=self.encoding.alpha)
        windows = prefetched(cut_into_windows(mark_cuts(chunks), shape, first=first, place=self.place))
        with closing(windows):
            yield from feed(step, windows, shape, fade=fade, tail=self.place.tail, total=self._frames())

    def _frames(self) -> int | None:
        """About how many frames there are, from the header alone."""
        video = self.clip.info.video
        if video.frame_count is not None:
            return video.frame_count
        seconds = video.duration_seconds or self.clip.info.duration_seconds
        return round(seconds * video.average_rate) if seconds and video.average_rate else None

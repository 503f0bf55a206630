"""From a model at work to a file: frames become segments, journalled, joined and signed with the recipe."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from moviola.card import ModelCard
from moviola.clip import Clip
from moviola.errors import OutputError, RequestError
from moviola.journal import Journal
from moviola.media.encoding import Encoding, is_sequence
from moviola.media.scenes import marked
from moviola.media.sink import open_sink
from moviola.media.stills import folder_and_name
from moviola.media.write import write
from moviola.model import (
    Audience,
    Committed,
    Events,
    Model,
    Note,
    Partial,
    Place,
    Preview,
    Recorded,
    Result,
    Sound,
    Step,
)
from moviola.pipeline import prefetched
from moviola.roads.recorder import recording
from moviola.roads.voice import Voice
from moviola.tasks import Making, VideoResult, VideoTask
from moviola.windows import Shape, cut_into_windows, feed

_CHUNK = 8
"""Frames read at once: enough to keep the decoder's threads busy, little enough to hold three of."""


@dataclass(frozen=True, slots=True)
class Take:
    """One video to be made, with nothing left open.

    request: settled. clip: its input, None where there is none. made_by: the recipe so far.
    inputs: fingerprints of what it is made from, None for one that cannot be told from others.
    notes: on what was chosen and what is lost. preview: where early looks go.
    """

    request: Making
    output: Path
    encoding: Encoding
    made_by: Mapping[str, Any]
    inputs: Mapping[str, Any]
    clip: Clip | None = None
    notes: list[str] = field(default_factory=list)
    preview: Path | None = None


def make(take: Take, model: Model, options: BaseModel) -> Events:
    """Have `model` make a video and write it. The last event is a `Result` with a `VideoResult`.

    Closing the generator, an error or a crash keep the finished windows in a folder beside the output; the
    same take goes on from there. Raises MoviolaError.
    """
    began = time.monotonic()
    notes, made_by = list(take.notes), dict(take.made_by)
    with Journal(work_folder(take.output), _identity(take)) as journal:
        resumed = journal.windows
        if resumed:
            notes.append(f"going on after {resumed} finished windows of an interrupted run")
        sink = open_sink(take.output, journal.folder, take.encoding, overwrite=take.request.overwrite)
        yield from map(Note, notes)
        context = _Context(take.clip, take.encoding, journal.place(), _reads_alpha(take))
        voice = Voice(journal.folder, first=resumed)
        with (
            recording(sink, journal) as recorder,
            closing(model.run(take.request, options, context)) as events,
        ):
            for event in events:
                match event:
                    case Partial(frames):
                        recorder.write(frames)
                    case Sound():
                        voice.add(event)
                    case Committed():
                        voice.commit()
                        recorder.commit(event)
                    case Recorded(facts):
                        made_by |= facts
                    case _:
                        if isinstance(event, Note):
                            notes.append(event.text)
                        if isinstance(event, Preview) and take.preview is not None:
                            write([event.frames], take.preview, overwrite=True)
                        yield event
        tracks = voice.joined() if take.clip is None else take.clip.source
        ending = sink.finish(
            journal.windows,
            tracks=tracks if take.request.audio else None,
            metadata=take.clip.info.metadata if take.clip is not None else None,
            recipe=made_by,
        )
        losses = take.clip.source.losses if take.clip is not None else []
        for text in [*losses, *ending]:
            notes.append(text)
            yield Note(text)

    written = Clip(take.output, rate=take.encoding.average_rate).info
    yield Result(
        VideoResult(
            output=take.output,
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


def validated(options: type[BaseModel], given: Mapping[str, Any], card: ModelCard) -> BaseModel:
    """A model's own options. Raises RequestError, one line, that lists the valid ones."""
    try:
        return options.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        valid = ", ".join(options.model_fields) or "none"
        wrong = "there is no such option" if first["type"] == "extra_forbidden" else first["msg"]
        raise RequestError(f"option {name} of {card.id}: {wrong}; its options: {valid}") from None


def work_folder(output: Path) -> Path:
    """Where unfinished work lies: beside the output, on the same disk."""
    final = (folder_and_name(output)[0] if is_sequence(output) else output).absolute()
    return final.parent / f".{final.name}.moviola"


def numbered(output: Path, count: int) -> list[Path]:
    """Where each of several takes goes: as asked where there is one, else numbered from 1.

    `lake.mp4` → `lake-2.mp4`, `lake/%05d.png` → `lake-2/%05d.png`.
    """
    if count == 1:
        return [output]
    numbers = range(1, count + 1)
    if not is_sequence(output):
        return [output.with_name(f"{output.stem}-{number}{output.suffix}") for number in numbers]
    folder, name = folder_and_name(output)
    return [folder.with_name(f"{folder.name}-{number}") / name for number in numbers]


def check_not_input(output: Path, *origins: Any) -> None:
    """Raises OutputError where an output would overwrite what it is made from."""
    for origin in origins:
        if isinstance(origin, str | Path) and _same_place(Path(origin), output):
            raise OutputError(f"{output} is the input too; choose another output")


def _reads_alpha(take: Take) -> bool:
    """Also where it is not written: what is transparent has to be laid over something then."""
    if not isinstance(take.request, VideoTask) or take.request.transparency is not False:
        return take.encoding.alpha
    return take.clip is not None and take.clip.info.video.alpha


def _same_place(origin: Path, output: Path) -> bool:
    """Whether both name the same file, or the same folder of images, by whatever way."""
    first, second = (folder_and_name(path)[0] if is_sequence(path) else path for path in (origin, output))
    return os.path.exists(first) and os.path.exists(second) and first.samefile(second)


def _identity(take: Take) -> dict[str, Any]:
    """What two runs must share for the second to go on with the first one's work."""
    # Frames in memory cannot be told from others: such work is never taken up again.
    once = {"run": uuid.uuid4().hex} if None in take.inputs.values() else {}
    # Where the model runs and how it is held may change in between.
    made_by = {name: value for name, value in take.made_by.items() if name != "plan"}
    return {"recipe": made_by, "inputs": dict(take.inputs)} | once


@dataclass(frozen=True, slots=True)
class _Context:
    """What a model is given beside its request; see `moviola.model.Context`."""

    source: Clip | None
    encoding: Encoding
    place: Place
    alpha: bool

    @property
    def clip(self) -> Clip:
        assert self.source is not None, "a request without a video has no clip"
        return self.source

    @property
    def clips(self) -> Sequence[Clip]:
        return [] if self.source is None else [self.source]

    @property
    def audience(self) -> Audience:
        return Audience()

    def each_window(
        self, step: Step, *, size: int, before: int = 0, after: int = 0, fade: bool = False
    ) -> Events:
        shape = Shape(size, before, after)
        first = max(0, self.place.start - before)
        depth, alpha = self.encoding.depth_in_memory, self.alpha
        frames = marked(self.clip.source, start=first, chunk=_CHUNK, depth=depth, alpha=alpha)
        windows = prefetched(cut_into_windows(frames, shape, first=first, place=self.place))
        with closing(windows):
            yield from feed(step, windows, shape, fade=fade, tail=self.place.tail, total=self._frames())

    def _frames(self) -> int | None:
        """About how many frames there are, from the header alone."""
        video = self.clip.info.video
        if video.frame_count is not None:
            return video.frame_count
        seconds = video.duration_seconds or self.clip.info.duration_seconds
        return round(seconds * video.average_rate) if seconds and video.average_rate else None

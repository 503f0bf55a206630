"""A video of what a watch sees, with the labels of each moment burnt in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from moviola.clip import Clip
from moviola.frames import Frames
from moviola.media.colour import graphics_white
from moviola.media.encoding import choose_encoding
from moviola.media.sink import SegmentWriter, check_output, open_sink
from moviola.overlay import Overlay
from moviola.pipeline import Behind
from moviola.roads.making import check_not_input
from moviola.tasks import Label, Seen

_SEGMENT = 60.0
"""Seconds that are encoded as one run: an encoder holds more and more, and a watch may go on for days."""


@contextmanager
def recording(
    output: Path, clip: Clip, made_by: Mapping[str, Any], *, top: int, overwrite: bool = False
) -> Iterator[LiveRecording]:
    """Record what a `LiveRecording` is shown until the block is left; its notes are complete then.

    made_by: what the file says it was made by. top: how many labels are shown at most.

    However the watch is stopped (at the end of the block, by closing the generator around it, by Ctrl-C, by a
    reader of its output that goes away), the file is whole. There is none where an error ends the watch, nor
    where no frame came.

    Raises OutputError, RequestError, before any work is done where the file cannot be written.
    """
    check_recording(output, clip, overwrite=overwrite)
    stopped: BaseException | None = None
    # Beside the output, so on its disk, but in no folder that would stay if the work fails.
    place = next(folder for folder in output.absolute().parents if folder.exists())
    with TemporaryDirectory(prefix=f".{output.name}.", dir=place) as work:
        with ExitStack() as segment, Behind() as behind:
            film = LiveRecording(output, Path(work), clip, segment, behind, top=top, overwrite=overwrite)
            try:
                yield film
            except (GeneratorExit, KeyboardInterrupt, BrokenPipeError) as reason:
                stopped = reason
        film.finish(made_by)
    if stopped is not None:
        raise stopped


def check_recording(output: Path, clip: Clip, *, overwrite: bool) -> None:
    """Raises OutputError, RequestError where `output` cannot hold what comes from `clip`."""
    check_not_input(output, clip.source.name)
    check_output(output, overwrite=overwrite)
    choose_encoding(output)


class LiveRecording:
    """Has frames encoded in a thread of its own. What comes while too much waits there is left out.

    notes: what was lost, once it is finished. frames: how many are in the file.
    """

    def __init__(
        self,
        output: Path,
        work: Path,
        clip: Clip,
        segment: ExitStack,
        behind: Behind,
        *,
        top: int,
        overwrite: bool,
    ) -> None:
        """work: a folder on the same disk. segment: what is being written; closing it commits that."""
        self._output, self._work, self._overwrite = output, work, overwrite
        self._clip, self._top = clip, top
        self._segment, self._behind = segment, behind
        # Counted by the one who shows frames, and by the one who writes them.
        self._left_out = self._at_once = 0
        self._last: int | None = None
        self.frames = 0
        self.notes: list[str] = []

    def show(self, frames: Frames, seen: Seen | None) -> None:
        """See `moviola.model.Spectator`. Raises what went wrong with earlier frames."""
        if not self._behind.offer(self._write, frames, seen, weight=frames.data.nbytes):
            self._left_out += len(frames)

    def finish(self, made_by: Mapping[str, Any]) -> None:
        """Make the file, once all frames are written. Raises OutputError."""
        if not self.frames:
            self.notes.append(f"{self._output} is not written: there were no frames")
            return
        if self._left_out:
            self.notes.append(
                f"{self._left_out} frames are missing in {self._output}: the encoder could not keep up"
            )
        if self._at_once:
            self.notes.append(
                f"{self._at_once} frames are missing in {self._output}: they had the times of others"
            )
        info = self._clip.info
        self.notes += self._sink.finish(
            self._segments,
            tracks=self._clip.source,
            span=self._span(),
            metadata=info.metadata,
            recipe=made_by,
        )

    def _write(self, frames: Frames, seen: Seen | None) -> None:
        if not self.frames:
            self._begin(frames)
        (tick,) = self._encoding.ticks(frames.pts_seconds)
        if self._last is not None and tick <= self._last:
            self._at_once += 1
            return
        self._last = tick
        frames = self._fitted(frames)
        self._writer_at(float(frames.pts_seconds[0])).write(self._overlay.draw(frames, labels_of(seen)))
        self._stop = frames.end_seconds
        self.frames += 1

    def _begin(self, frames: Frames) -> None:
        """With the first frame, as nobody but its reader may open a live source."""
        info = self._clip.info
        self._encoding = choose_encoding(self._output, info, depth=8, alpha=False)
        self._sink = open_sink(self._output, self._work, self._encoding, overwrite=self._overwrite)
        self._overlay = Overlay(top=self._top, white=graphics_white(info))
        self._size = frames.width, frames.height
        self._segments, self._segment_stop = 0, -inf

    def _writer_at(self, seconds: float) -> SegmentWriter:
        if seconds >= self._segment_stop:
            self._segment.close()
            self._writer = self._segment.enter_context(self._sink.segment(self._segments))
            self._segments += 1
            self._segment_stop = seconds + _SEGMENT
        return self._writer

    def _fitted(self, frames: Frames) -> Frames:
        """In the size of the first; a stream can come back in another."""
        if (frames.width, frames.height) == self._size:
            return frames
        pictures = [np.asarray(Image.fromarray(picture).resize(self._size)) for picture in frames.data]
        return replace(frames, data=np.stack(pictures))

    def _span(self) -> tuple[float, float] | None:
        """The seconds whose sound goes along; None for all that there is. A watch begins at the beginning."""
        source = self._clip.source
        whole = not source.live and self._stop >= source.timeline().end_seconds - 1e-6
        return None if whole else (-inf, self._stop)


def labels_of(seen: Seen | None) -> list[Label]:
    """What is shown of a look: the label that holds and then the others; none where none holds."""
    if seen is None or seen.shown is None:
        return []
    return [seen.shown, *(label for label in seen.labels if label.index != seen.shown.index)]

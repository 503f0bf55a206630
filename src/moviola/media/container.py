"""A video file or stream that PyAV can demux, as a source of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from moviola.errors import InputError, MediaError, RequestError
from moviola.frames import Depth, Frames, Pixels
from moviola.media import index as indexing
from moviola.media.colour import Painter
from moviola.media.decode import Decoder
from moviola.media.exact import Receiver, decode_numbers
from moviola.media.index import FrameIndex
from moviola.media.info import MediaInfo
from moviola.media.origin import find_origin
from moviola.media.probe import Look, look, with_content
from moviola.media.source import R, Timeline

_CHUNK_BYTES = 256 * 2**20
"""A chunk is made shorter rather than larger than this."""


class ContainerSource:
    """Frames from a container: a path, a `file:` or `http(s):` URL, the bytes of a file, an open binary file.

    stream: index of the video stream to read; FFmpeg's choice of the best one where not given.

    Raises InputError at once where there is nothing to read; what is no video shows itself on first use.
    """

    live = False

    def __init__(
        self, origin: str | Path | bytes | bytearray | memoryview | IO[bytes], *, stream: int | None = None
    ) -> None:
        self.origin = find_origin(origin)
        self._stream = stream
        self._looked: Look | None = None
        self.name = self.origin.name
        self.losses: list[str] = []

    def probe(self, *, count: bool = False) -> MediaInfo:
        looked = self._look(full=count)
        # Where it costs nothing more, the exact facts are given without being asked for.
        if count or (looked.tells and not looked.unsure):
            return with_content(looked.info, self._index)
        return looked.info

    def timeline(self) -> Timeline:
        return self._timeline

    @property
    def numbered(self) -> bool:
        """Whether its packets tell when each frame is shown, one packet for one frame."""
        return self._index.numbered

    def read(
        self,
        *,
        start: int = 0,
        stop: int | None = None,
        chunk: int = 16,
        depth: Depth = 8,
        alpha: bool = False,
    ) -> Iterator[Frames]:
        """See `Source.read`. What damage takes away is left out, and told in `losses`."""
        if start < 0 or chunk < 1:
            raise RequestError(f"cannot read from frame {start} in chunks of {chunk}; both must be positive")
        frames = len(self._timeline)
        stop = frames if stop is None else min(stop, frames)
        if start < stop:
            yield from self._read(range(start, stop), chunk, self._painter(depth, alpha))

    def frames_at(
        self, indices: Sequence[int] | NDArray[np.int64], *, depth: Depth = 8, alpha: bool = False
    ) -> Frames:
        """See `Source.frames_at`.

        Raises InputError for an index outside of the video, MediaError for a frame that damage has taken.
        """
        asked = self._checked(indices)
        numbers, places = np.unique(asked, return_inverse=True)
        pictures = self._painter(depth, alpha).canvas(len(numbers))
        slots = {int(number): slot for slot, number in enumerate(numbers)}
        done: set[int] = set()

        def new_receiver() -> Receiver:
            painter = self._painter(depth, alpha)

            def receive(number: int, frame: VideoFrame) -> None:
                painter.paint(frame, pictures[slots[number]])
                done.add(number)

            return receive

        if len(numbers):
            decode_numbers(list(slots), self._index, self._decoder, new_receiver)
        lost = sorted(slots.keys() - done)
        if lost:
            raise MediaError(
                f"frame {lost[0]} of {self.name} is damaged and cannot be decoded; reading in order skips it"
            )
        if not np.array_equal(places, np.arange(len(numbers))):
            pictures = pictures[places]
        return self._timed(pictures, asked)

    def reduced_at(
        self, indices: Sequence[int] | NDArray[np.int64], reduce: Callable[[Pixels], R]
    ) -> dict[int, R]:
        """See `Source.reduced_at`; `reduce` runs in the threads that decode."""
        numbers = [int(number) for number in np.unique(self._checked(indices))]
        made: dict[int, R] = {}

        def new_receiver() -> Receiver:
            painter = self._painter(8, False)
            (picture,) = painter.canvas(1)

            def receive(number: int, frame: VideoFrame) -> None:
                painter.paint(frame, picture)
                made[number] = reduce(picture)

            return receive

        if numbers:
            decode_numbers(numbers, self._index, self._decoder, new_receiver)
        return made

    def _checked(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        asked = np.asarray(indices, np.int64).reshape(-1)
        outside = asked[(asked < 0) | (asked >= len(self._index))]
        if len(outside):
            raise InputError(f"{self.name} has no frame {outside[0]}; it has {len(self._index)}, from 0 on")
        return asked

    @cached_property
    def _index(self) -> FrameIndex:
        looked = self._look(full=True)
        unit = looked.info.video.time_base
        if not looked.tells:
            with self._decoder() as decoder:
                times = [(frame.pts, frame.dts, frame.duration or 0) for frame in decoder.decode_all()]
            return indexing.index_frames(times, looked.step, unit, looked.damage)
        packets = looked.packets
        if looked.unsure:
            with self._decoder() as decoder:
                decoded = decoder.times_of_first(looked.unsure)
            opening = [p._replace(shown=p.shown and p.pts in decoded) for p in packets[: looked.unsure]]
            packets = [*opening, *packets[looked.unsure :]]
        self._looked = replace(looked, packets=())  # those of a long video weigh much
        return indexing.index_packets(packets, unit, looked.damage)

    @cached_property
    def _timeline(self) -> Timeline:
        for sentence in self._index.damage:
            self._lose(sentence)
        return self._index.timeline()

    def _look(self, *, full: bool) -> Look:
        if self._looked is None or (full and not self._looked.complete):
            self._looked = look(self.origin, self._stream, full=full)
        return self._looked

    def _decoder(self, threads: int = 0) -> Decoder:
        return Decoder(self.origin, self._look(full=False).stream_index, threads=threads)

    def _painter(self, depth: Depth, alpha: bool) -> Painter:
        looked = self._look(full=False)
        return Painter(*looked.stored_size, looked.orientation, depth, alpha)

    def _timed(self, pictures: Pixels, numbers: NDArray[np.int64]) -> Frames:
        timeline = self._timeline
        return Frames(pictures, timeline.pts_seconds[numbers], timeline.duration_seconds[numbers])

    def _read(self, wanted: range, chunk: int, painter: Painter) -> Iterator[Frames]:
        picture_bytes = painter.canvas(1).nbytes
        room = max(1, min(chunk, _CHUNK_BYTES // picture_bytes))
        with self._decoder() as decoder:
            numbers: list[int] = []
            for number, frame in self._in_order(decoder, wanted):
                if not numbers:
                    pictures = painter.canvas(min(room, wanted.stop - number))
                painter.paint(frame, pictures[len(numbers)])
                numbers.append(number)
                if len(numbers) == len(pictures):
                    yield self._timed(pictures, np.array(numbers))
                    numbers = []
            if numbers:
                yield self._timed(pictures[: len(numbers)], np.array(numbers))

    def _in_order(self, decoder: Decoder, wanted: range) -> Iterator[tuple[int, VideoFrame]]:
        """The wanted frames, ascending; notes those that are missing or damaged."""
        expected = wanted.start
        patched = False
        for number, frame in self._seek(decoder, wanted.start):
            if number >= wanted.stop:
                break
            if number < expected:
                continue
            self._note_gap(expected, number)
            if frame.is_corrupt and not patched:
                patched = True
                self._lose(
                    f"{self.name}: from frame {number} on, damaged pictures were patched by the decoder"
                )
            self._note_size(frame)
            yield number, frame
            expected = number + 1
            if expected == wanted.stop:
                break
        self._note_gap(expected, wanted.stop)

    def _seek(self, decoder: Decoder, start: int) -> Iterator[tuple[int, VideoFrame]]:
        """Frames from `start` on. Where its keyframe does not lead there, decodes from the beginning."""
        entry = int(self._index.entry[start])
        if entry:
            frames = (item for item in decoder.decode_from(self._index, entry) if item[0] >= start)
            first = next(frames, None)
            if first is not None and first[0] == start:
                yield first
                yield from frames
                return
        yield from decoder.decode_from(self._index, 0)

    def _note_gap(self, first: int, end: int) -> None:
        if first < end:
            span = self._timeline.pts_seconds[[first, end - 1]]
            which = f"frame {first}" if end - first == 1 else f"frames {first} to {end - 1}"
            self._lose(f"{self.name}: {which} ({span[0]:.3f}s to {span[1]:.3f}s) could not be decoded")

    def _note_size(self, frame: VideoFrame) -> None:
        stored = self._look(full=False).stored_size
        if (frame.width, frame.height) != stored:
            self._lose(
                f"{self.name}: pictures of {frame.width}×{frame.height} among those of "
                f"{stored[0]}×{stored[1]} were scaled to the latter"
            )

    def _lose(self, sentence: str) -> None:
        if sentence not in self.losses:
            self.losses.append(sentence)

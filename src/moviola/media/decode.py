"""From packets to decoded frames that know their number."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, dropwhile, islice
from types import TracebackType
from typing import Self, cast

import av
from av.codec.context import ThreadType
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from moviola.media import bitstream
from moviola.media.index import FrameIndex, Seen, read_packets
from moviola.media.origin import LIMITS, Origin

_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders that also decode the alpha channel WebM keeps beside the picture; FFmpeg's own do not."""


class Decoder:
    """An open container that decodes one of its video streams. Not for use by two threads at once.

    threads: codec threads; 0 is one for each core.
    errors: how many packets the codec refused so far.
    can_skip: whether pictures that no other refers to can be stepped over.
    """

    def __init__(self, origin: Origin, stream_index: int, *, threads: int = 0) -> None:
        self._origin, self._stream_index, self._threads = origin, stream_index, threads
        self.errors = 0
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._container.close()

    def decode_all(self) -> Iterator[VideoFrame]:
        """Every frame from the beginning, as the decoder gives it."""
        return self._decoded(self._packets_from_start())

    def times_of_first(self, count: int) -> set[int | None]:
        """pts of the frames that so many packets at the beginning decode to."""
        return {frame.pts for frame in self._decoded(islice(self._packets_from_start(), count))}

    def decode_from(self, index: FrameIndex, entry: int) -> Iterator[tuple[int, VideoFrame]]:
        """Number and frame, from an entry on, in presentation order; none that the index does not know."""
        for counted, frame in enumerate(self._decoded(self._packets_from(index.entries, entry))):
            number = index.number_of(frame.pts) if index.numbered else counted
            if number is not None:
                yield number, frame

    def decode_only(
        self, index: FrameIndex, entry: int, wanted: Mapping[int | None, int]
    ) -> Iterator[tuple[int, VideoFrame]]:
        """Number and frame of just the wanted ones (pts to number), from the one entry they all belong to.

        Ends with the last one wanted, and steps over pictures that no other refers to.
        """
        packets = self._until_fed(self._packets_from(index.entries, entry), wanted)
        for frame in self._decoded(packets):
            if frame.pts in wanted:
                yield wanted[frame.pts], frame

    def _open(self) -> None:
        self._container = self._origin.open()
        self._stream = cast(VideoStream, self._container.streams[self._stream_index])
        for other in self._container.streams:
            if other.index != self._stream_index:
                other.discard = Discard.all
        self._context = _codec(self._stream)
        self._context.options = LIMITS
        self._context.thread_type = ThreadType.AUTO
        self._context.thread_count = self._threads or cores()
        self._reorder = self._context.reorder_depth
        self.can_skip = bitstream.is_single_layer(self._context.name, self._context.extradata)
        self._at_start = True

    def _packets_from_start(self) -> Iterator[Packet[VideoStream]]:
        if not self._at_start:
            # Not every format can seek to its beginning; opening again always gets there.
            self.close()
            self._open()
        self._at_start = False
        yield from read_packets(self._container, self._stream)

    def _packets_from(self, entries: Sequence[Seen], entry: int) -> Iterator[Packet[VideoStream]]:
        """Packets beginning with exactly the entry's, wherever the container's seeking lands."""
        if entry == 0:
            yield from self._packets_from_start()
            return
        goal = entries[entry]
        for packets in (self._packets_near(goal), self._packets_from_start()):
            beginning = dropwhile(lambda packet: not goal.is_of(packet), packets)
            first = next(beginning, None)
            if first is not None:
                yield first
                yield from beginning
                return

    def _packets_near(self, goal: Seen) -> Iterator[Packet[VideoStream]]:
        """Seek, and read on; nothing where the seek failed or landed behind the goal."""
        try:
            self._container.seek(cast(int, goal.pts), stream=self._stream)
        except FFmpegError:
            return
        self._at_start = False
        self._context.flush_buffers()
        # Flushing resets what the decoder had learnt about reordering, without which it drops frames.
        self._context.reorder_depth = self._reorder
        reached = False
        for packet in read_packets(self._container, self._stream):
            reached = reached or goal.is_of(packet)
            if not reached and packet.dts is not None and goal.dts is not None and packet.dts > goal.dts:
                return
            yield packet

    def _until_fed(
        self, packets: Iterator[Packet[VideoStream]], wanted: Mapping[int | None, int]
    ) -> Iterator[Packet[VideoStream]]:
        missing = set(wanted)
        for packet in packets:
            is_wanted = packet.pts in wanted and not packet.is_discard
            if self.can_skip:
                self._context.skip_frame = "DEFAULT" if is_wanted else "NONREF"
            yield packet
            if is_wanted:
                missing.discard(packet.pts)
                if not missing:
                    break
        self._context.skip_frame = "DEFAULT"

    def _decoded(self, packets: Iterable[Packet[VideoStream]]) -> Iterator[VideoFrame]:
        for packet in chain(packets, (None,)):
            try:
                yield from self._context.decode(packet)
            except FFmpegError:
                self.errors += 1


def cores() -> int:
    """Processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def alpha_beside(stream: VideoStream) -> bool:
    """Whether transparency lies beside the picture, as WebM keeps it."""
    # A copy made by FFmpeg says so twice, the second time in capitals.
    return any(key.lower() == "alpha_mode" and value == "1" for key, value in stream.metadata.items())


def _codec(stream: VideoStream) -> VideoCodecContext:
    """The stream's own decoder, or the one that knows its alpha channel."""
    name = _WITH_ALPHA.get(stream.codec_context.name)
    if name is None or not alpha_beside(stream):
        return stream.codec_context
    context = cast(VideoCodecContext, av.CodecContext.create(name, "r"))
    context.extradata = stream.codec_context.extradata
    return context

"""Which frames a stream shows, when, and from where each can be decoded: found in its packets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, cast

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from moviola.media import bitstream
from moviola.media.source import Timeline

WITHOUT_PRESENTATION_TIMES = {"avi"}
"""Containers whose packet times are decode times under another name."""

_ERRORS_IN_A_ROW = 32
"""Failed reads after which the rest of a damaged file is given up."""


class Seen(NamedTuple):
    """What the index keeps of one packet, in decode order. `entry`: whether decoding can begin here."""

    pts: int | None
    dts: int | None
    size: int
    duration: int
    shown: bool
    entry: bool

    def is_of(self, packet: Packet[VideoStream]) -> bool:
        return (packet.pts, packet.dts, packet.size) == (self.pts, self.dts, self.size)


@dataclass(frozen=True, slots=True, eq=False)
class FrameIndex:
    """pts, duration: (N,) int64 in `time_base`, presentation order, strictly increasing.

    entries: the packets at which decoding can begin; the first stands for the beginning of the file.
    entry: (N,) for each frame, the last of `entries` from which it is decoded exactly.
    numbered: whether a decoded frame is known by its pts; otherwise by counting from the beginning, because
        the packets do not tell.
    damage: what is missing in the file, one sentence each.
    """

    pts: NDArray[np.int64]
    duration: NDArray[np.int64]
    time_base: Fraction
    entries: Sequence[Seen]
    entry: NDArray[np.int64]
    numbered: bool
    damage: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.pts)

    def timeline(self) -> Timeline:
        unit = self.time_base
        return Timeline(
            self.pts * unit.numerator / unit.denominator, self.duration * unit.numerator / unit.denominator
        )

    def number_of(self, pts: int | None) -> int | None:
        """Presentation index of the frame with this pts; None where there is none."""
        if pts is None:
            return None
        number = int(np.searchsorted(self.pts, pts))
        return number if number < len(self.pts) and self.pts[number] == pts else None


def read_packets(container: InputContainer, *streams: VideoStream) -> Iterator[Packet[VideoStream]]:
    """The streams' packets from the current position on, stepping over what cannot be read.

    A packet that the demuxer knows to be cut off ends the reading. Flushing packets are left out.
    """
    errors = 0
    while errors < _ERRORS_IN_A_ROW:
        try:
            for packet in container.demux(*streams):
                if not packet.size:
                    continue
                if packet.is_corrupt and container.format.name != "mpegts":
                    return
                errors = 0
                yield cast("Packet[VideoStream]", packet)
            return
        except FFmpegError:
            errors += 1


def scan(container: InputContainer, stream: VideoStream) -> Iterator[tuple[Seen, Packet[VideoStream]]]:
    """Each packet of a freshly opened stream with its description, in decode order."""
    codec = stream.codec_context.name.removeprefix("libvpx-")
    extradata = stream.codec_context.extradata
    length_size = bitstream.nal_length_size(codec, extradata)
    for packet in read_packets(container, stream):
        data = memoryview(packet)
        seen = Seen(
            packet.pts,
            packet.dts,
            packet.size,
            packet.duration or 0,
            not packet.is_discard and bitstream.is_shown(codec, data),
            packet.is_keyframe and bitstream.is_random_access(codec, data, length_size),
        )
        yield seen, packet


def packets_tell(stream: VideoStream, format_name: str, packets: Sequence[Seen]) -> bool:
    """Whether packet times are the frames' times, one packet for one frame."""
    context = stream.codec_context
    times = [packet.pts for packet in packets if packet.shown]
    if None in times or len(set(times)) < len(times):
        return False
    if format_name in WITHOUT_PRESENTATION_TIMES and context.has_b_frames:
        return False
    # Interlaced H.264 may keep the two fields of a frame in two packets. FFmpeg's AV_FIELD_PROGRESSIVE is 1.
    return not (context.name == "h264" and context.field_order > 1)


def first_segment(packets: Sequence[Seen]) -> int:
    """How many packets at the file's beginning may not decode, because it was cut out of a longer one.

    0 where the first packet is an entry and nothing that follows it is shown before it.
    """
    if not packets:
        return 0
    following = (number for number, packet in enumerate(packets) if packet.entry and number)
    length = next(following, len(packets))
    opening = packets[0].pts or 0
    if packets[0].entry and all((packet.pts or 0) >= opening for packet in packets[:length] if packet.shown):
        return 0
    return length


def index_packets(packets: Sequence[Seen], time_base: Fraction, damage: Sequence[str]) -> FrameIndex:
    """Build the index from packets that tell.

    A frame belongs to the last entry before it in decode order, unless it is shown before that entry's
    picture (a leading picture): then it may refer to what came before, and belongs to the entry before.
    """
    entries = [packets[0]] if packets else []
    opening = [-(2**63)]  # pts from which on frames of each entry are decoded exactly
    frames: list[tuple[int, int, int]] = []
    for packet in packets:
        if packet.entry and packet is not entries[0]:
            entries.append(packet)
            opening.append(packet.pts if packet.pts is not None else 2**63 - 1)
        if packet.shown and packet.pts is not None:
            entry = len(entries) - 1
            while packet.pts < opening[entry]:
                entry -= 1
            frames.append((packet.pts, packet.duration, entry))
    table = np.array(sorted(frames), np.int64).reshape(-1, 3)
    pts = table[:, 0]
    return FrameIndex(pts, shown_for(pts, table[:, 1]), time_base, entries, table[:, 2], True, damage)


def index_frames(
    times: Sequence[tuple[int | None, int | None, int]], step: int, time_base: Fraction, damage: Sequence[str]
) -> FrameIndex:
    """Build the index from (pts, dts, duration) of decoded frames, where packets do not tell.

    Times are the pts, or else the dts, if they increase; if neither does, frames follow each other by `step`.
    """
    durations = np.array([duration for _, _, duration in times], np.int64)
    for column in (0, 1):
        candidates = [time[column] for time in times]
        if None not in candidates:
            pts = np.array(candidates, np.int64)
            if bool((np.diff(pts) > 0).all()):
                break
    else:
        pts = np.arange(len(times), dtype=np.int64) * step
    nowhere = Seen(None, None, 0, 0, True, True)
    entry = np.zeros(len(times), np.int64)
    return FrameIndex(pts, shown_for(pts, durations), time_base, [nowhere], entry, False, damage)


def shown_for(pts: NDArray[np.int64], stated: NDArray[np.int64]) -> NDArray[np.int64]:
    """How long frames stay on screen: until the next; the last as long as its packet states, or as usual."""
    if not len(pts):
        return stated
    until_next = np.diff(pts)
    usual = int(np.median(until_next)) if len(until_next) else 1
    last = int(stated[-1]) if stated[-1] > 0 else usual
    return np.append(until_next, last)

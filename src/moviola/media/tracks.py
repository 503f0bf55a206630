"""Sound, subtitles and metadata of a source, copied bit for bit into a new file where it can hold them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Self, cast

from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

from moviola.errors import InputError, MediaError
from moviola.media import subtitles
from moviola.media.origin import Origin, find_origin
from moviola.media.recode import recode
from moviola.media.retimed import Retiming, retiming_of
from moviola.media.source import Source

if TYPE_CHECKING:
    from av.container.core import Chapter

FROM_ZERO = {"matroska", "webm"}
"""Containers without times below zero: their muxer would shift the picture too. Opus states its delay."""

_NOT_IN_MOV = {"opus", "libopus", "flac", "truehd"}
"""FFmpeg's muxer takes them for MOV and fails when it writes the header."""

_OF_THE_FILE = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "moviola"}
"""Metadata that speaks of the file it came from, not of what it shows."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A packet and when it is due, in seconds."""

    seconds: float
    packet: Packet[Stream]


@dataclass(slots=True)
class Soundtrack:
    """The tracks beside the picture of one source, kept on the source's own clock.

    span: only packets that play between these seconds go along; (0, None) and None mean all.
    retiming: only what it shows goes along, when it is shown; sound that lasts longer keeps its pitch.
    """

    origin: Origin | None
    span: tuple[float, float | None] | None = None
    retiming: Retiming | None = None
    notes: list[str] = field(default_factory=list)
    _input: InputContainer | None = None

    @classmethod
    def of(cls, source: Source | None, span: tuple[float, float | None] | None = None) -> Self:
        """None, or a source without tracks of its own (images, arrays, a camera), brings nothing along."""
        if source is None:
            return cls(None)
        whole, retiming = retiming_of(source)
        return cls(_origin_of(whole), (retiming.start, retiming.stop) if retiming else span, retiming)

    def __enter__(self) -> Self:
        if self.origin is not None:
            try:
                self._input = self.origin.open()
            except MediaError as error:
                self.notes.append(f"sound and subtitles are left out: {error}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._input is not None:
            self._input.close()
            self._input = None

    @property
    def metadata(self) -> Mapping[str, str]:
        """The source's title, artist and the like."""
        if self._input is None:
            return {}
        return {key: text for key, text in self._input.metadata.items() if key.lower() not in _OF_THE_FILE}

    @property
    def chapters(self) -> list[Chapter]:
        """The source's, except those of an excerpt on its old clock, which would point elsewhere."""
        if self._input is None or (self.span is not None and self.retiming is None):
            return []
        chapters = self._input.chapters()
        return chapters if self.retiming is None else _retimed_chapters(chapters, self.retiming)

    @property
    def sample_rates(self) -> list[int]:
        return [stream.rate for stream in self._input.streams.audio] if self._input else []

    def left_out(self, place: str) -> list[str]:
        """A note where there is sound or text that `place` cannot hold."""
        with self:
            streams = self._input.streams if self._input else ()
            kinds = sorted({stream.type for stream in streams} & {"audio", "subtitle"})
        return [f"{' and '.join(kinds)} left out: {place} holds none"] if kinds else []

    def attach(self, output: OutputContainer) -> tuple[Iterator[Timed], list[str]]:
        """Add a stream to `output` for each track; returns their packets in the source's order, and notes."""
        notes = list(self.notes)
        writes: dict[int, subtitles.Write] = {}
        for stream in self._input.streams if self._input else ():
            if stream.type not in ("audio", "subtitle"):
                # MP4 holds the titles of its chapters as a track of data.
                if stream.type != "video" and not (stream.type == "data" and self.chapters):
                    notes.append(f"{stream.type} track {stream.index} is left out")
                continue
            write, note = _attach(stream, output, self.retiming)
            if write is not None:
                writes[stream.index] = write
            if note:
                notes.append(note)
        return self._packets(writes), notes

    def _packets(self, writes: Mapping[int, subtitles.Write]) -> Iterator[Timed]:
        if self._input is None or not writes:
            return
        streams = [stream for stream in self._input.streams if stream.index in writes]
        for packet in self._input.demux(streams):
            ends = packet.pts is None and packet.dts is None
            if ends or not self._wanted(packet):
                continue
            if self.retiming is not None:
                _retime(packet, self.retiming)
            yield from map(timed, writes[packet.stream.index](packet))
        for write in writes.values():
            yield from map(timed, write(None))

    def _wanted(self, packet: Packet[Stream]) -> bool:
        if self.span is None:
            return True
        start, stop = self.span
        begins = float(cast(int, packet.pts if packet.pts is not None else packet.dts) * packet.time_base)
        ends = begins + float((packet.duration or 0) * packet.time_base)
        return (ends > start or begins >= start) and (stop is None or begins < stop)


def _retime(packet: Packet[Stream], retiming: Retiming) -> None:
    """Move a packet. A text is shown in the part alone, and longer; sound is made longer once decoded."""
    unit = packet.time_base
    start = round(Fraction(retiming.start) / unit)
    if packet.stream.type == "audio":
        packet.pts = None if packet.pts is None else packet.pts - start
        packet.dts = None if packet.dts is None else packet.dts - start
        return
    begins = cast(int, packet.pts if packet.pts is not None else packet.dts)
    ends = begins + (packet.duration or 0)
    if retiming.stop is not None:
        ends = min(ends, round(Fraction(retiming.stop) / unit))
    begins = max(begins, start)
    packet.pts = packet.dts = round((begins - start) * retiming.slow)
    packet.duration = round(max(0, ends - begins) * retiming.slow)


def _retimed_chapters(chapters: Sequence[Chapter], retiming: Retiming) -> list[Chapter]:
    moved: list[Chapter] = []
    for chapter in chapters:
        unit = cast(Fraction, chapter["time_base"])
        start = Fraction(retiming.start) / unit
        stop = chapter["end"] if retiming.stop is None else Fraction(retiming.stop) / unit
        begins, ends = max(Fraction(chapter["start"]), start), min(Fraction(chapter["end"]), Fraction(stop))
        if begins < ends:
            times = {
                "start": round((begins - start) * retiming.slow),
                "end": round((ends - start) * retiming.slow),
            }
            moved.append(cast("Chapter", {**chapter, **times}))
    return moved


def _origin_of(source: Source) -> Origin | None:
    if source.live:
        return None
    origin = getattr(source, "origin", None)
    if isinstance(origin, Origin):
        return origin
    try:
        return find_origin(source.name)
    except (InputError, ValueError):
        return None


def _attach(
    stream: Stream, output: OutputContainer, retiming: Retiming | None
) -> tuple[subtitles.Write | None, str | None]:
    if stream.type == "subtitle":
        return subtitles.attach(stream, output)
    if stream.codec_context is None:
        return None, f"audio track {stream.index} is left out: its codec is unknown"
    if retiming is not None and retiming.slow != 1:
        return recode(cast(AudioStream, stream), output, retiming)
    if output.format.name == "mp4" and stream.codec_context.name.startswith("pcm_"):
        # ISO/IEC 23003-5 allows it since 2020, but browsers and most players stay silent.
        return recode(cast(AudioStream, stream), output, retiming)
    if output.format.name == "mov" and stream.codec_context.name in _NOT_IN_MOV:
        return recode(cast(AudioStream, stream), output, retiming)
    try:
        added = output.add_stream_from_template(stream, opaque=True)
    except ValueError:
        return recode(cast(AudioStream, stream), output, retiming)
    subtitles.describe(added, stream)
    if output.format.name in FROM_ZERO and retiming is not None:
        return lambda packet: subtitles.moved(_not_before_zero(packet), added), None
    has_delay = stream.codec_context.name in ("opus", "libopus")
    if output.format.name in FROM_ZERO and not has_delay:
        return lambda packet: subtitles.moved(_from_zero(packet), added), None
    return lambda packet: subtitles.moved(packet, added), None


def _not_before_zero(packet: Packet[Stream] | None) -> Packet[Stream] | None:
    """None for what begins before a part: moved to its beginning, it would push what follows out of step."""
    return packet if packet is None or packet.pts is None or packet.pts >= 0 else None


def _from_zero(packet: Packet[Stream] | None) -> Packet[Stream] | None:
    """None for what ends before time zero (warm-up that is never heard); what overlaps it begins there."""
    if packet is None or packet.pts is None or packet.pts >= 0:
        return packet
    if packet.pts + (packet.duration or 0) <= 0:
        return None
    packet.pts = packet.dts = 0
    return packet


def timed(packet: Packet[Stream]) -> Timed:
    """A packet and when it is to be decoded, or else shown."""
    ticks = packet.dts if packet.dts is not None else cast(int, packet.pts)
    return Timed(float(ticks * (packet.time_base or Fraction(0))), packet)

"""A sound track, decoded and encoded anew for a container that does not hold it as it is, or to be longer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, cast

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from moviola.media import subtitles
from moviola.media.retimed import Retiming
from moviola.media.retimed_sound import RetimedSound

_FALLBACK = {
    "webm": ("libopus", "Opus"),
    "mp4": ("aac", "AAC"),
    "mov": ("aac", "AAC"),
    "matroska": ("flac", "FLAC"),
}
_OPUS_RATE = 48_000
_USUAL_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}


def recode(
    stream: AudioStream, output: OutputContainer, retiming: Retiming | None = None
) -> tuple[subtitles.Write, str]:
    """Decode and encode anew. Every frame keeps its time; with a `retiming`, whose start packets count from,
    sound is cut to the sample, and lasts longer.
    """
    encoder, name = _FALLBACK[output.format.name.split(",")[0]]
    rate = _OPUS_RATE if encoder == "libopus" else stream.rate
    added = cast(AudioStream, output.add_stream(encoder, rate=rate, layout=_layout(stream)))
    if encoder != "flac":
        added.bit_rate = 96_000 * max(1, min(stream.channels, 6))
    subtitles.describe(added, stream)
    resampler: AudioResampler | None = None
    retimed = None if retiming is None else _retimed(stream, retiming)

    after: Fraction | None = None

    def encode(frame: AudioFrame | None) -> Iterator[Packet[Any]]:
        nonlocal resampler
        if resampler is None:
            # What the encoder takes is known only once the file is open.
            context = added.codec_context
            resampler = AudioResampler(context.format, context.layout, rate, context.frame_size or None)
        for part in resampler.resample(frame):
            yield from added.encode(part)

    def write(packet: Packet[Stream] | None) -> Sequence[Packet[Stream]]:
        nonlocal after
        encoded: list[Packet[Any]] = []
        for frame in stream.decode(packet):
            if frame.pts is None and after is not None:
                # Some decoders lose the time of their last frames.
                frame.pts, frame.time_base = round(after * frame.sample_rate), Fraction(1, frame.sample_rate)
            if frame.pts is not None and frame.time_base is not None:
                after = frame.pts * frame.time_base + Fraction(frame.samples, frame.sample_rate)
            for part in (frame,) if retimed is None else retimed.retimed(frame):
                encoded += encode(part)
        if packet is None:
            for part in () if retimed is None else retimed.retimed(None):
                encoded += encode(part)
            encoded += encode(None)
            encoded += added.encode(None)
        return encoded

    made = f"re-encoded from {stream.codec_context.name} to {name}"
    if retiming is not None and retiming.slow > 1:
        made = f"made {float(retiming.slow):g} times as long at its pitch, and {made}"
    return write, f"audio track {stream.index} was {made}"


def _retimed(stream: AudioStream, retiming: Retiming) -> RetimedSound:
    stop = None if retiming.stop is None else retiming.stop - retiming.start
    return RetimedSound(retiming.slow, stream.rate, _layout(stream), stream.channels, stop)


def _layout(stream: AudioStream) -> str:
    """The name of the track's layout; the usual one where the track only counts its channels."""
    name = stream.layout.name
    return _USUAL_LAYOUTS.get(stream.channels, name) if name.endswith("channels") else name

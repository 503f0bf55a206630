"""Text tracks between containers: copied, or their plain text put into the target's own form."""

from __future__ import annotations

import html
import re
import struct
from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.codeccontext import SubtitleCodecContext

from moviola.cues import escaped

_TARGETS = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
_TEXT_CODECS = {"subrip", "srt", "mov_text", "webvtt", "ass", "ssa", "text"}
_TAGS = re.compile(r"<[^>]*>|\{\\[^}]*\}")

# The header of a text track's encoder: one unadorned style.
_ASS_HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, \
Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, \
MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""

Write: TypeAlias = "Callable[[Packet[Stream] | None], Sequence[Packet[Stream]]]"
"""Takes a packet of the source, or None at the end, and gives those of the result."""


def attach(stream: Stream, output: OutputContainer) -> tuple[Write | None, str | None]:
    """Add a track for `stream`. Returns what turns its packets into the new ones, and a note."""
    codec = stream.codec_context.name if stream.codec_context else "unknown"
    target = _TARGETS[output.format.name.split(",")[0]]
    same = {codec, target} in ({"subrip", "srt"}, {target})
    if same or (codec not in _TEXT_CODECS and _holds(stream, output)):
        added: Stream = output.add_stream_from_template(stream, opaque=True)
        describe(added, stream)
        return lambda packet: moved(packet, added), None
    if codec not in _TEXT_CODECS:
        return (
            None,
            f"subtitle track {stream.index} is left out: {codec} does not go into {output.format.name}",
        )
    added = new_track(output)
    describe(added, stream)
    note = f"subtitle track {stream.index} became {target} without its styling (it was {codec})"
    return lambda packet: _converted(packet, codec, added), note


def new_track(output: OutputContainer) -> Stream:
    """An empty track of plain text, in the form that is the container's own."""
    added = output.add_stream(_TARGETS[output.format.name.split(",")[0]])
    cast(SubtitleCodecContext, added.codec_context).subtitle_header = _ASS_HEADER
    return added


def text_packet(text: str, track: Stream) -> Packet[Stream]:
    """A packet of a `new_track`, without times. text: plain, at most 65535 bytes of UTF-8 in MP4 and MOV."""
    codec = track.codec_context.name if track.codec_context else ""
    data = (escaped(text) if codec == "webvtt" else text).encode("utf-8", "replace")
    packet: Packet[Stream] = Packet(struct.pack(">H", len(data)) + data if codec == "mov_text" else data)
    packet.is_keyframe = True
    packet.stream = track
    return packet


def describe(added: Stream, stream: Stream) -> None:
    """Language, title and purpose go along with a track."""
    added.metadata.update(
        {key: stream.metadata[key] for key in ("language", "title") if key in stream.metadata}
    )
    added.disposition = stream.disposition


def plain_text(payload: bytes, codec: str) -> str:
    """What is read on the screen."""
    if codec == "mov_text":
        # A 16-bit length, the text, then boxes of styling (3GPP TS 26.245).
        size = struct.unpack(">H", payload[:2])[0] if len(payload) > 1 else 0
        return payload[2 : 2 + size].decode("utf-8", "replace")
    text = payload.decode("utf-8", "replace")
    if codec in ("ass", "ssa"):
        # Matroska keeps eight fields before the text.
        text = text.split(",", 8)[-1].replace("\\N", "\n").replace("\\n", "\n")
    text = _TAGS.sub("", text)
    return html.unescape(text) if codec == "webvtt" else text


def moved(packet: Packet[Stream] | None, stream: Stream) -> Sequence[Packet[Stream]]:
    if packet is None:
        return ()
    packet.stream = stream
    return (packet,)


def _converted(packet: Packet[Stream] | None, codec: str, track: Stream) -> Sequence[Packet[Stream]]:
    if packet is None:
        return ()
    text = plain_text(bytes(packet), codec).strip()
    if not text:
        return ()
    new = text_packet(text, track)
    new.pts, new.dts, new.duration, new.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
    return (new,)


def _holds(stream: Stream, output: OutputContainer) -> bool:
    return stream.codec_context is not None and stream.codec_context.name in output.supported_codecs

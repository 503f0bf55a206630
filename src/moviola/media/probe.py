"""A look into a container: the header's facts, checked against the packets and the first picture."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from moviola.errors import MediaError
from moviola.media import colour, info
from moviola.media.decode import alpha_beside
from moviola.media.index import FrameIndex, Seen, first_segment, packets_tell, scan
from moviola.media.info import AudioTrack, Colour, MediaInfo, SubtitleTrack, VideoTrack
from moviola.media.origin import LIMITS, MAX_PIXELS, Origin
from moviola.media.rates import constant_rate

RECIPE_KEY = "moviola"
"""Metadata key under which Moviola embeds, as JSON, what made a file."""

_LOOK_PACKETS = 2000
_LOOK_BYTES = 32 * 2**20
"""How far a quick look goes; a file shorter than this is known exactly at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What one pass over a container found.

    info: facts of the header, corrected by the first picture.
    stream_index: of the video stream that is read.
    stored_size: width, height of the first picture before it is turned upright.
    packets: of that stream, in decode order; all of them if `complete`.
    tells: whether the packets are enough to index the frames.
    unsure: how many packets at the beginning may not decode, because the file was cut out of a longer one.
    step: usual distance between frames in the stream's time base.
    damage: what is missing in the file, one sentence each.
    """

    info: MediaInfo
    stream_index: int
    stored_size: tuple[int, int]
    orientation: colour.Orientation
    packets: Sequence[Seen]
    complete: bool
    tells: bool
    unsure: int
    step: int
    damage: Sequence[str]


def look(origin: Origin, stream_index: int | None = None, *, full: bool = False) -> Look:
    """Read the header, decode the first picture, and go through the packets.

    full: through all of them, however long that takes; otherwise as far as is quick.

    Raises MediaError where there is no video that can be decoded.
    """
    with origin.open() as container:
        videos = [stream for stream in container.streams.video if not is_cover(stream)]
        stream = _choose(container, videos, stream_index, origin.name)
        picture, packets, complete = _walk(container, stream, full)
        if picture is None:
            raise MediaError(_why_no_picture(origin.name, stream, len(packets)))
        orientation = colour.Orientation.of(picture)
        unit = cast(Fraction, stream.time_base)
        rate = stream.guessed_rate or stream.average_rate
        step = max(1, round(1 / (rate * unit))) if rate else 1
        damage = _missing_packets(container, stream, origin, packets) if complete else []
        tracks = [_video_track(video) for video in videos]
        best = videos.index(stream)
        tracks[best] = _corrected(tracks[best], picture, orientation)
        return Look(
            replace(
                _media_info(container, origin, tuple(tracks)), best=best, warnings=_warnings(stream, picture)
            ),
            stream.index,
            (picture.width, picture.height),
            orientation,
            packets,
            complete,
            complete and packets_tell(stream, container.format.name, packets),
            first_segment(packets),
            step,
            damage,
        )


def with_content(known: MediaInfo, index: FrameIndex) -> MediaInfo:
    """The facts that only the index of all frames gives: count, times and rates."""
    track = known.video
    timeline = index.timeline()
    if not len(index):
        return replace(known, warnings=(*known.warnings, *index.damage))
    hints = [rate for rate in (track.real_rate, track.average_rate) if rate]
    steady = constant_rate(index.pts, index.time_base, hints)
    ticks = int(index.pts[-1] + index.duration[-1] - index.pts[0])
    average = steady or (len(index) / (ticks * index.time_base) if ticks else None)
    start = float(timeline.pts_seconds[0])
    found: Mapping[str, info.Origin] = dict.fromkeys(
        ("frame_count", "duration_seconds", "start_seconds", "average_rate", "real_rate", "variable_rate"),
        "content",
    )
    exact = replace(
        track,
        frame_count=len(index),
        start_seconds=start,
        duration_seconds=timeline.end_seconds - start,
        average_rate=average,
        real_rate=steady or track.real_rate,
        variable_rate=steady is None,
        origin={**track.origin, **found, **({} if steady else {"real_rate": "header"})},
    )
    videos = (*known.videos[: known.best], exact, *known.videos[known.best + 1 :])
    return replace(known, videos=videos, warnings=(*known.warnings, *index.damage))


def _walk(
    container: InputContainer, stream: VideoStream, full: bool
) -> tuple[VideoFrame | None, list[Seen], bool]:
    """The first picture, the packets, and whether these are all."""
    context = stream.codec_context
    context.options = LIMITS
    context.thread_count = 1  # the first picture without delay
    picture: VideoFrame | None = None
    packets: list[Seen] = []
    size = 0
    for seen, packet in scan(container, stream):
        packets.append(seen)
        size += seen.size
        if picture is None:
            with suppress(FFmpegError):
                picture = next(iter(context.decode(packet)), None)
        if not full and (len(packets) >= _LOOK_PACKETS or size >= _LOOK_BYTES):
            return picture, packets, False
    if picture is None:
        with suppress(FFmpegError):
            picture = next(iter(context.decode(None)), None)
    return picture, packets, True


def _choose(
    container: InputContainer, videos: Sequence[VideoStream], wanted: int | None, name: str
) -> VideoStream:
    if not videos:
        kinds = sorted({stream.type for stream in container.streams})
        raise MediaError(f"{name} has no video stream; it holds {', '.join(kinds) or 'nothing'}")
    decodable = [video for video in videos if video.codec_context is not None]
    if not decodable:
        raise MediaError(f"{name} holds video in a codec that no decoder here knows; convert it first")
    if wanted is not None:
        chosen = next((video for video in decodable if video.index == wanted), None)
        if chosen is None:
            raise MediaError(
                f"{name} has no video stream {wanted}; it has {[video.index for video in decodable]}"
            )
        return chosen
    best = container.streams.best("video")
    return best if isinstance(best, VideoStream) and best in decodable else decodable[0]


def is_cover(stream: Stream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _why_no_picture(name: str, stream: VideoStream, packets: int) -> str:
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > MAX_PIXELS:
        return f"{name} claims pictures of {width}×{height}; more than {MAX_PIXELS} pixels are not decoded"
    if not packets:
        return f"{name} has a video stream without any picture; it is damaged or was cut short"
    return f"no picture of {name} can be decoded; it is damaged or was cut short"


def _video_track(stream: VideoStream) -> VideoTrack:
    """By the header alone."""
    context = stream.codec_context
    unit = stream.time_base or Fraction(1, 1000)
    known = context is not None
    pixel_format = (context.pix_fmt if known else None) or "none"
    width, height = (context.width, context.height) if known else (0, 0)
    readable = pixel_format != "none"
    return VideoTrack(
        index=stream.index,
        codec=context.codec.canonical_name if known else "unknown",
        width=width,
        height=height,
        coded_width=width,
        coded_height=height,
        pixel_format=pixel_format,
        bit_depth=colour.bit_depth(pixel_format) if readable else 8,
        alpha=(readable and colour.has_alpha(pixel_format)) or alpha_beside(stream),
        time_base=unit,
        start_seconds=float((stream.start_time or 0) * unit),
        duration_seconds=_stated_duration(stream),
        average_rate=stream.average_rate or None,
        real_rate=stream.base_rate or None,
        sample_aspect=stream.sample_aspect_ratio or Fraction(1),
        profile=(context.profile if known else None) or None,
        bit_rate=(context.bit_rate if known else None) or None,
        colour=_stated_colour(stream) if known else Colour(),
        origin=dict.fromkeys(
            (
                "width", "height", "pixel_format", "bit_depth", "alpha", "rotation", "colour",
                "sample_aspect", "start_seconds", "duration_seconds", "average_rate", "real_rate",
            ),
            "header",
        ),
    )  # fmt: skip


def _corrected(track: VideoTrack, picture: VideoFrame, orientation: colour.Orientation) -> VideoTrack:
    """By what the first picture says."""
    width, height = orientation.size(picture.width, picture.height)
    pixel_format = picture.format.name
    found: Mapping[str, info.Origin] = dict.fromkeys(
        ("width", "height", "pixel_format", "bit_depth", "alpha", "rotation", "colour"), "content"
    )
    return replace(
        track,
        width=width,
        height=height,
        coded_width=picture.width,
        coded_height=picture.height,
        pixel_format=pixel_format,
        bit_depth=colour.bit_depth(pixel_format),
        alpha=track.alpha or colour.has_alpha(pixel_format),
        sample_aspect=1 / track.sample_aspect if orientation.transpose else track.sample_aspect,
        rotation=orientation.rotation,
        mirrored=orientation.mirrored,
        colour=colour.colour_of(picture),
        origin={**track.origin, **found},
    )


def _stated_colour(stream: VideoStream) -> Colour:
    context = stream.codec_context
    return Colour(
        primaries=colour.PRIMARIES.get(int(context.color_primaries)),
        transfer=colour.TRANSFERS.get(int(context.color_trc)),
        matrix=colour.MATRICES.get(int(context.colorspace)) if int(context.colorspace) else None,
        range={1: "limited", 2: "full"}.get(int(context.color_range)),  # type: ignore[arg-type]
    )


def _stated_duration(stream: Stream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    clock = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))  # Matroska
    if clock:
        hours, minutes, seconds = clock.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    whole = cast(InputContainer, stream.container).duration
    return whole / av.time_base if whole else None


def _media_info(container: InputContainer, origin: Origin, videos: tuple[VideoTrack, ...]) -> MediaInfo:
    metadata = dict(container.metadata)
    recipe = next((metadata.pop(key) for key in list(metadata) if key.lower() == RECIPE_KEY), None)
    size = origin.size_bytes if origin.size_bytes is not None else container.size
    return MediaInfo(
        name=origin.name,
        container=container.format.name,
        duration_seconds=container.duration / av.time_base if container.duration else None,
        start_seconds=(container.start_time or 0) / av.time_base,
        videos=videos,
        audio=tuple(_audio_track(stream) for stream in container.streams.audio),
        subtitles=tuple(_subtitle_track(stream) for stream in container.streams.subtitles),
        size_bytes=size if size > 0 else None,
        bit_rate=container.bit_rate or None,
        metadata=metadata,
        recipe=_parse_recipe(recipe),
    )


def _audio_track(stream: AudioStream) -> AudioTrack:
    context = stream.codec_context
    unit = stream.time_base or Fraction(1, 1000)
    return AudioTrack(
        index=stream.index,
        codec=context.codec.canonical_name if context else "unknown",
        sample_rate=context.sample_rate if context else 0,
        channels=context.channels if context else 0,
        layout=context.layout.name if context else "unknown",
        start_seconds=float((stream.start_time or 0) * unit),
        duration_seconds=_stated_duration(stream),
        language=stream.language,
        bit_rate=(context.bit_rate if context else None) or None,
    )


def _subtitle_track(stream: SubtitleStream) -> SubtitleTrack:
    context = stream.codec_context
    return SubtitleTrack(
        stream.index, context.codec.canonical_name if context else "unknown", stream.language
    )


def _parse_recipe(text: str | None) -> Mapping[str, Any] | None:
    with suppress(ValueError):
        recipe = json.loads(text or "")
        return recipe if isinstance(recipe, dict) else None
    return None


def _warnings(stream: VideoStream, picture: VideoFrame) -> tuple[str, ...]:
    context = stream.codec_context
    found = []
    stated = f"{context.width}×{context.height}"
    actual = f"{picture.width}×{picture.height}"
    if stated != actual:
        found.append(f"the header says {stated}, the pictures are {actual}")
    matrix = colour.colour_of(picture).matrix
    read_as = colour.stand_in(picture.colorspace)
    if matrix is not None and read_as != picture.colorspace:
        found.append(f"the colour matrix {matrix} is read as {colour.MATRICES.get(read_as, 'bt601')}")
    return tuple(found)


def _missing_packets(
    container: InputContainer, stream: VideoStream, origin: Origin, packets: Sequence[Seen]
) -> list[str]:
    """What a header that lists its pictures promised, but the file does not hold."""
    unit = cast(Fraction, stream.time_base)
    times = [packet.pts + packet.duration for packet in packets if packet.pts is not None]
    end = float(max(times) * unit) if times else 0.0
    family = container.format.name.split(",")[0]
    if family in ("mov", "avi"):
        listed = sum(1 for entry in stream.index_entries if entry.size) if family == "mov" else stream.frames
        if listed > len(packets):
            missing = listed - len(packets)
            return [f"{origin.name} is cut short at {end:.3f}s: {missing} of {listed} pictures are missing"]
    elif family == "matroska" and "DURATION" in stream.metadata:
        stated = _stated_duration(stream) or 0.0
        if stated - end > 0.1:
            return [f"{origin.name} is cut short: its header states {stated:.3f}s, it ends at {end:.3f}s"]
    return []

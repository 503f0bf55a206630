"""A video copied packet by packet, nothing encoded again, with captions as one more track."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Any, cast

import av
import av.error
import numpy as np
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from moviola.cues import Cue
from moviola.errors import OutputError, RequestError
from moviola.media import subtitles
from moviola.media.container import ContainerSource
from moviola.media.index import WITHOUT_PRESENTATION_TIMES, read_packets
from moviola.media.mux import RECIPE_KEY, container_options
from moviola.media.probe import is_cover
from moviola.media.sink import check_output, replacing
from moviola.media.source import Source, Timeline
from moviola.media.tracks import FROM_ZERO, Soundtrack, Timed, timed

_MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""Those that hold a track of text."""

_TICK = Fraction(1, 1000)
"""Of captions, in seconds."""

_OPENING = 50
"""Packets that show whether there are times, and whether the first pictures are hidden."""

_OF_THE_FILE = {"duration", "encoder", "vendor_id"}
"""Metadata of a track that its new file states anew."""


def check_remux(source: Source, path: Path) -> None:
    """Raises RequestError, before any work is done, where `path` cannot hold the source as it is and text."""
    muxer = _MUXERS.get(path.suffix.lower())
    if muxer is None:
        raise RequestError(
            f"{path.suffix or path} holds no track of captions; use one of {' '.join(_MUXERS)}, "
            "or draw them into the pictures with --burn"
        )
    if not isinstance(source, ContainerSource):
        raise RequestError(f"{source.name} is no file whose video could be copied; use --burn, .srt or .vtt")
    with source.origin.open() as given:
        videos = _videos(given)
        if not _takes(videos, muxer):
            others = [suffix for suffix, other in _MUXERS.items() if _takes(videos, other)]
            codecs = " and ".join(sorted({stream.codec_context.codec.canonical_name for stream in videos}))
            raise RequestError(
                f"{path.suffix} does not hold {codecs} as it is; use {' '.join([*others, '--burn'])}"
            )
        opening = list(islice(read_packets(given, *videos), _OPENING))
        by_decoding = given.format.name in WITHOUT_PRESENTATION_TIMES and not source.numbered
        if by_decoding or any(packet.pts is None for packet in opening):
            raise RequestError(
                f"{source.name} cannot be copied: it does not tell when each picture is shown; use --burn"
            )
        if muxer in FROM_ZERO and any(packet.is_discard or (packet.pts or 0) < 0 for packet in opening):
            raise RequestError(
                f"{source.name} hides its first pictures, and {path.suffix} cannot; use .mp4, .mov or --burn"
            )


def add_captions(
    source: Source,
    path: Path,
    cues: Iterable[Cue],
    *,
    language: str = "und",
    title: str = "captions",
    recipe: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> list[str]:
    """Write the source to `path` with `cues` as a track of text; returns notes on what could not be kept.

    Every packet of video is the source's own, and shown at its time on the source's clock, to the tick of the
    container's (a millisecond in Matroska and WebM): the result is read back and compared. Sound and text are
    copied where the container holds them. Of several videos all go along.

    cues: by their start. language: three letters (ISO 639-2), `und` where it is not known.
    recipe: what made the file, as JSON values.

    Raises RequestError as `check_remux` does, OutputError where the file exists already, cannot be written,
    or would not show the same pictures at the same times. It is written whole or not at all.
    """
    check_remux(source, path)
    check_output(path, overwrite=overwrite)
    assert isinstance(source, ContainerSource), "checked"
    with replacing(path) as partial:
        notes, track = _copy(source, partial, list(cues), {"language": language, "title": title}, recipe)
        written = ContainerSource(partial, stream=track)
        if not _same_times(source.timeline(), written.timeline()):
            raise OutputError(
                f"{path} is not written: a copy of {source.name} would not show the same pictures at the "
                "same times; use --burn, or another container"
            )
        if source.probe().video.alpha and not written.probe().video.alpha:
            notes.append(f"transparency is lost: {path.suffix} has no place for it")
    return notes


def can_copy(source: Source, path: Path) -> bool:
    """Whether `path` can hold the source as it is."""
    try:
        check_remux(source, path)
    except RequestError:
        return False
    return True


def copy(source: Source, path: Path, *, recipe: Mapping[str, Any], overwrite: bool = False) -> list[str]:
    """Write the source to `path` packet by packet, with what made it; returns notes on what is lost.

    Raises as `add_captions` does.
    """
    check_remux(source, path)
    check_output(path, overwrite=overwrite)
    assert isinstance(source, ContainerSource), "checked"
    with replacing(path) as partial:
        return _copy(source, partial, [], None, recipe)[0]


def _copy(
    source: ContainerSource,
    path: Path,
    cues: Sequence[Cue],
    words: Mapping[str, str] | None,
    recipe: Mapping[str, Any] | None,
) -> tuple[list[str], int]:
    """Returns notes, and the index of the stream that is read of the source. words: None for no new track."""
    muxer = _MUXERS[path.suffix.lower()]
    sound = Soundtrack.of(source)
    with sound, source.origin.open() as given:
        videos = _videos(given)
        clocks = [stream.time_base.denominator for stream in videos if stream.time_base]
        options = container_options(muxer, [*clocks, *sound.sample_rates, _TICK.denominator])
        with av.open(f"file:{path}", "w", format=muxer, container_options=options) as output:
            output.metadata.update(sound.metadata)
            if recipe is not None:
                output.metadata[RECIPE_KEY] = json.dumps(recipe, separators=(",", ":"), ensure_ascii=False)
            output.set_chapters(sound.chapters)
            copies = {stream.index: _added(stream, output) for stream in videos}
            others, notes = sound.attach(output)
            texts = [] if words is None else _texts(cues, _text_track(output, words))
            output.start_encoding()
            pictures = _pictures(given, videos, copies)
            for due in merge(pictures, others, texts, key=lambda due: due.seconds):
                output.mux(due.packet)
            if len(videos) < len(given.streams.video):
                notes.append("the cover picture is left out")
            return notes, copies[source.probe().video.index].index


def _videos(given: InputContainer) -> list[VideoStream]:
    return [stream for stream in given.streams.video if not is_cover(stream)]


def _takes(videos: Sequence[VideoStream], muxer: str) -> bool:
    """Whether a muxer writes a header for these streams."""
    try:
        with av.open(io.BytesIO(), "w", format=muxer) as output:
            for stream in videos:
                _added(stream, output)
            output.start_encoding()
    except (ValueError, av.error.FFmpegError):
        return False
    return True


def _added(stream: VideoStream, output: OutputContainer) -> VideoStream:
    """A stream for the packets of another."""
    added = output.add_stream_from_template(stream, opaque=True)
    added.metadata.update(
        {key: text for key, text in stream.metadata.items() if key.lower() not in _OF_THE_FILE}
    )
    added.disposition = stream.disposition
    context = stream.codec_context
    if context.name == "hevc" and output.format.name in ("mp4", "mov"):
        # Apple's players know no other name for H.265 whose parameter sets lie in the header.
        added.codec_context.codec_tag = "hev1" if context.codec_tag == "hev1" else "hvc1"
    return added


def _text_track(output: OutputContainer, words: Mapping[str, str]) -> Stream:
    """Shown by itself where no other text is."""
    others = [stream for stream in output.streams if stream.type == "subtitle"]
    track = subtitles.new_track(output)
    track.metadata.update(words)
    track.time_base = _TICK
    if not any(stream.disposition & Disposition.default for stream in others):
        track.disposition = Disposition.default
    return track


def _pictures(
    given: InputContainer, videos: Sequence[VideoStream], copies: Mapping[int, VideoStream]
) -> Iterator[Timed]:
    for packet in read_packets(given, *videos):
        packet.stream = copies[packet.stream.index]
        yield timed(cast("Packet[Stream]", packet))


def _texts(cues: Sequence[Cue], track: Stream) -> Iterator[Timed]:
    for cue in cues:
        packet = subtitles.text_packet(cue.text, track)
        packet.pts = packet.dts = cue.start
        packet.duration, packet.time_base = cue.stop - cue.start, _TICK
        yield timed(packet)


def _same_times(before: Timeline, after: Timeline) -> bool:
    """To the tick of the coarsest clock."""
    return len(before) == len(after) and bool(
        np.allclose(before.pts_seconds, after.pts_seconds, rtol=0, atol=float(_TICK))
    )

"""Encoded pictures, copied sound and metadata into one container."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from itertools import chain
from math import lcm
from pathlib import Path
from typing import Any, cast

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from moviola.errors import OutputError
from moviola.media.encoder import configure
from moviola.media.encoding import CODECS, Encoding
from moviola.media.packets import RunHeader, read_header, read_pictures
from moviola.media.tracks import Soundtrack, Timed

RECIPE_KEY = "moviola"
"""The metadata key that holds what made the file, as JSON. Matroska gives it back in capitals."""

_LARGEST_TIMESCALE = 2**31 - 1


def mux(
    path: Path,
    runs: Sequence[Path],
    encoding: Encoding,
    sound: Soundtrack,
    metadata: Mapping[str, str],
    recipe: Mapping[str, Any] | None,
) -> list[str]:
    """Join `runs` into one stream of `path`, beside the tracks of `sound`; returns notes."""
    header = read_header(runs[0])
    with (
        sound,
        av.open(
            f"file:{path}",
            "w",
            format=encoding.container,
            container_options=_options(encoding, sound),
        ) as output,
    ):
        output.metadata.update(sound.metadata)
        output.metadata.update(metadata)
        if recipe is not None:
            output.metadata[RECIPE_KEY] = json.dumps(recipe, separators=(",", ":"), ensure_ascii=False)
        output.set_chapters(sound.chapters)
        stream = _video_stream(output, encoding, header)
        packets, notes = sound.attach(output)
        output.start_encoding()
        if (stream.codec_context.extradata or b"").hex() != header.extradata:
            raise OutputError(
                f"segments in {runs[0].parent} were made by other settings; delete it and run again"
            )
        for timed in merge(_video_packets(runs, encoding, stream), packets, key=lambda timed: timed.seconds):
            output.mux(timed.packet)
    return notes


def _video_packets(runs: Sequence[Path], encoding: Encoding, stream: VideoStream) -> Iterator[Timed]:
    """All pictures in order. No encoder here reorders, so each is decoded when it is shown."""
    before = None
    for picture in chain.from_iterable(map(read_pictures, runs)):
        if before is not None and picture.pts <= before:
            seconds = float(picture.pts * encoding.time_base)
            raise OutputError(
                f"the frame at {seconds:.4f}s does not come after the one before; check the times"
            )
        before = picture.pts
        packet: Packet[Stream] = picture.packet(encoding.time_base)
        packet.stream = stream
        yield Timed(float(picture.pts * encoding.time_base), packet)


def _video_stream(output: OutputContainer, encoding: Encoding, header: RunHeader) -> VideoStream:
    """The stream's header comes from opening the same encoder once more, with the same settings."""
    stream = cast(VideoStream, output.add_stream(CODECS[encoding.codec].encoder, rate=encoding.average_rate))
    configure(stream.codec_context, encoding, header.width, header.height)
    stream.time_base = encoding.time_base
    if encoding.sample_aspect != 1:
        stream.sample_aspect_ratio = encoding.sample_aspect
    return stream


def _options(encoding: Encoding, sound: Soundtrack) -> dict[str, str]:
    ticks = (1 / encoding.time_base).numerator
    options = container_options(encoding.container, (ticks, *sound.sample_rates))
    return options | {"video_track_timescale": str(ticks)} if options else {}


def container_options(container: str, ticks: Sequence[int]) -> dict[str, str]:
    """What a muxer is told. ticks: of every track's clock in a second, the most important first."""
    if container not in ("mp4", "mov"):
        return {}
    # The movie's clock places late starts: at its usual 1 ms they would be rounded, picture and sound apart.
    common = lcm(*ticks)
    return {
        "movflags": "+faststart+use_metadata_tags",
        "movie_timescale": str(common if common <= _LARGEST_TIMESCALE else ticks[0]),
    }

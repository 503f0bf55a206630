"""Encoded pictures, copied sound and metadata into one container."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from heapq import merge
from itertools import chain
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
from moviola.media.packets import RunHeader, read_header, read_pictures, read_times
from moviola.media.tracks import Soundtrack, Timed

RECIPE_KEY = "moviola"
"""The metadata key that holds what made the file, as JSON. Matroska gives it back in capitals."""


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
            f"file:{path}", "w", format=encoding.container, container_options=_container_options(encoding)
        ) as output,
    ):
        output.metadata.update(sound.metadata)
        output.metadata.update(metadata)
        if recipe is not None:
            output.metadata[RECIPE_KEY] = json.dumps(recipe, separators=(",", ":"), ensure_ascii=False)
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


def decoding_times(times: Sequence[tuple[int, int]]) -> Iterator[int]:
    """A decoding time for every picture, from (pts, duration) in decoding order.

    Times rise strictly and no picture is decoded after it is shown: the i-th picture is decoded when the one
    `delay` places before it in presentation order is shown, with the least delay that allows it. This holds
    over any number of joined runs. The first pictures are decoded so early that decoding takes as long as
    showing, which is the length that MP4 states for a track.
    """
    order = sorted(pts for pts, _ in times)
    place = {pts: index for index, pts in enumerate(order)}
    if len(place) < len(order):
        raise OutputError("two frames are shown at the same time; check the times of the frames")
    delay = max(index - place[pts] for index, (pts, _) in enumerate(times))
    end = max(pts + duration for pts, duration in times)
    lead = max(delay, end - (order[len(order) - 1 - delay] + times[-1][1]))
    early = (order[0] - lead + index * lead // delay for index in range(delay))
    return chain(early, order[: len(order) - delay])


def _video_packets(runs: Sequence[Path], encoding: Encoding, stream: VideoStream) -> Iterator[Timed]:
    clock = decoding_times([time for run in runs for time in read_times(run)])
    for picture, dts in zip(chain.from_iterable(map(read_pictures, runs)), clock, strict=True):
        packet: Packet[Stream] = picture.packet(dts, encoding.time_base)
        packet.stream = stream
        yield Timed(float(dts * encoding.time_base), packet)


def _video_stream(output: OutputContainer, encoding: Encoding, header: RunHeader) -> VideoStream:
    """The stream's header comes from opening the same encoder once more, with the same settings."""
    stream = cast(VideoStream, output.add_stream(CODECS[encoding.codec].encoder, rate=encoding.average_rate))
    configure(stream.codec_context, encoding, header.width, header.height)
    stream.time_base = encoding.time_base
    if encoding.sample_aspect != 1:
        stream.sample_aspect_ratio = encoding.sample_aspect
    return stream


def _container_options(encoding: Encoding) -> dict[str, str]:
    if encoding.container not in ("mp4", "mov"):
        return {}
    ticks = Fraction(1) / encoding.time_base
    # The movie's clock places a late start: at its usual 1 ms a start between two milliseconds would be lost.
    return {
        "movflags": "+faststart+use_metadata_tags",
        "movie_timescale": str(ticks.numerator),
        "video_track_timescale": str(ticks.numerator),
    }

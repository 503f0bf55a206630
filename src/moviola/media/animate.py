"""Animated GIF, WebP and PNG: lossless runs, decoded once more and given to the animation's own encoder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import av
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from moviola.errors import OutputError
from moviola.media.embed import add_recipe, mend_webp
from moviola.media.encoder import configure
from moviola.media.encoding import CODECS, Encoding
from moviola.media.packets import read_header, read_pictures, read_times

_GIF_SHORTEST = 2
"""Hundredths of a second: browsers show a GIF frame of 0 or 1 for a tenth of a second instead."""


def run_encoding(encoding: Encoding) -> Encoding:
    """How the runs of an animation are kept until it is assembled: lossless and quick."""
    return replace(encoding, codec="ffv1", quality=None)


def assemble_animation(
    path: Path, runs: Sequence[Path], encoding: Encoding, recipe: Mapping[str, Any] | None
) -> None:
    """Write the animation, which begins at zero and loops for ever; one frame in memory at a time."""
    header = read_header(runs[0])
    times = [time for run in runs for time in read_times(run)]
    if encoding.codec == "gif":
        _check_gif(times)
    with av.open(
        f"file:{path}", "w", format=encoding.container, container_options=_options(encoding, times)
    ) as output:
        stream = cast(
            VideoStream, output.add_stream(CODECS[encoding.codec].encoder, rate=encoding.average_rate)
        )
        configure(stream.codec_context, encoding, header.width, header.height)
        if encoding.codec == "gif":
            stream.pix_fmt = "pal8"
        stream.time_base = encoding.time_base
        frames = _decode(runs)
        if encoding.codec == "gif":
            frames = _with_palettes(frames, header.width, header.height, encoding.time_base)
        start = times[0][0]
        for frame, (pts, duration) in zip(frames, times, strict=True):
            frame = frame if encoding.codec == "gif" else frame.reformat(format=stream.pix_fmt)
            frame.pts, frame.duration, frame.time_base = pts - start, duration, encoding.time_base
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    if encoding.codec == "webp":
        mend_webp(path, times[-1][1])
    if recipe is not None:
        add_recipe(path, recipe)


def _decode(runs: Sequence[Path]) -> Iterator[VideoFrame]:
    for run in runs:
        header = read_header(run)
        decoder = cast(VideoCodecContext, VideoCodecContext.create(header.codec, "r"))
        decoder.width, decoder.height = header.width, header.height
        decoder.extradata = bytes.fromhex(header.extradata)
        for picture in read_pictures(run):
            yield from decoder.decode(picture.packet(Fraction(header.time_base)))
        yield from decoder.decode(None)


def _with_palettes(
    frames: Iterator[VideoFrame], width: int, height: int, time_base: Fraction
) -> Iterator[VideoFrame]:
    """A palette of its own for every frame, so that long films need no second pass and cuts cost nothing."""
    graph = Graph()
    source = graph.add_buffer(width=width, height=height, format=VideoFormat("bgra"), time_base=time_base)
    split = graph.add("split")
    palette = graph.add("palettegen", "stats_mode=single")
    use = graph.add("paletteuse", "new=1:dither=sierra2_4a:alpha_threshold=128")
    sink = graph.add("buffersink")
    source.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(palette, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    for number, frame in enumerate(frames):
        frame = frame.reformat(format="bgra")
        frame.pts, frame.time_base = number, time_base
        graph.push(frame)
        yield from _pulled(graph)
    graph.push(None)
    yield from _pulled(graph)


def _pulled(graph: Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        assert isinstance(frame, VideoFrame)
        yield frame


def _options(encoding: Encoding, times: Sequence[tuple[int, int]]) -> dict[str, str]:
    last = times[-1][1]
    if encoding.codec == "gif":
        return {"loop": "0", "final_delay": str(last)}
    if encoding.codec == "apng":
        return {"plays": "0", "final_delay": str(last * encoding.time_base)}
    return {"loop": "0"}


def _check_gif(times: Sequence[tuple[int, int]]) -> None:
    for (first, _), (second, _) in pairwise(times):
        if second - first < _GIF_SHORTEST:
            raise OutputError(
                f"frames {second - first}/100 s apart are too fast for a GIF, which shows 50 frames/s; "
                "choose a lower rate, or write .webp"
            )

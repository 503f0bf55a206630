"""From a video and what was made of it to both at once: a video of both, or a page with a divider."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from moviola.clip import Clip
from moviola.comparison.clock import Clock, clock_of, due
from moviola.comparison.page import EMBEDDED, WIDEST, page
from moviola.comparison.sides import Layout, side_by_side
from moviola.errors import OutputError, RequestError
from moviola.frames import Pixels, Seconds
from moviola.media.colour import graphics_white
from moviola.media.encoding import ANIMATIONS, Encoding, choose_encoding, is_sequence
from moviola.media.sink import check_output, replacing
from moviola.model import Events, Note, Result
from moviola.roads.burning import encode
from moviola.roads.making import check_not_input, numbered
from moviola.roads.video import clip_of, files_of, output_beside
from moviola.tasks import VideoResult, VideoTask

_CHUNK = 4
"""Frames read at once, of either video."""

_PAGE = "comparison.mp4"
"""What a page shows, while it is made."""

_WIDEST = 8192
"""Pixels of both sides together in a video: what H.264 and H.265 define levels for."""


def with_comparison(request: VideoTask, made: Events) -> Events:
    """The events of making a video, and then those of writing a comparison with its input to `compare`.

    Of several takes each is compared, in files numbered as theirs. What cannot be written is refused before
    anything is made; where writing fails after all, the result itself stays. Raises MoviolaError.
    """
    assert request.compare is not None
    takes = getattr(request, "count", 1)
    places = numbered(request.compare, takes)
    written = [getattr(request, name, None) for name in ("save_mask", "preview")]
    others = [*files_of(request).values(), *written, *numbered(output_beside(request), takes)]
    for place in places:
        _check(place, others, overwrite=request.overwrite)
    with closing(made) as events:
        for event in events:
            if isinstance(event, Result):
                result: VideoResult = event.value
                break
            yield event
        else:
            raise RuntimeError(f"{request.verb} ended without a result")
    compared = []
    for take, place in zip([result, *result.takes], places, strict=True):
        yield from _write(
            clip_of(request),
            Clip(take.output, rate=_rate(take)),
            place,
            names=("input", request.model),
            overwrite=request.overwrite,
        )
        compared.append(take.model_copy(update={"comparison": place, "takes": []}))
    yield Result(compared[0].model_copy(update={"takes": compared[1:]}))


def compare(
    before: Any,
    after: Any,
    output: Path,
    *,
    names: tuple[str, str] = ("before", "after"),
    overwrite: bool = False,
) -> Events:
    """Two videos that are there already, from the beginning of both. The last event is a `Result`: `output`.

    Raises MoviolaError.
    """
    _check(output, [before, after], overwrite=overwrite)
    yield from _write(Clip(before), Clip(after), output, names=names, overwrite=overwrite)
    yield Result(output)


def _check(output: Path, others: Sequence[Any], *, overwrite: bool) -> None:
    """Refuse, before any work is done, what could not be written after it."""
    if not _is_page(output) and not _is_video(output):
        raise RequestError(f"compare: {output}: name a video, as both.mp4, or a page, as both.html")
    for path in (output, *([_beside(output)] if _is_page(output) else [])):
        check_not_input(path, *others)
        if any(isinstance(other, str | Path) and _same(Path(other), path) for other in others):
            raise OutputError(f"compare: {path} is written or read by the same work; choose another name")
        check_output(path, overwrite=overwrite)


def _write(
    before: Clip,
    after: Clip,
    output: Path,
    *,
    names: tuple[str, str],
    overwrite: bool,
) -> Events:
    tracks = before.info.video, after.info.video
    clock = clock_of(before.timeline(), after.timeline())
    on_page = _is_page(output)
    layout = Layout.of(*tracks, widest=WIDEST if on_page else _WIDEST)
    if layout.height < max(track.height for track in tracks):
        yield Note(f"{output} shows {layout.width}×{layout.height} of each: few players show wider videos")
    deepest = max(track.bit_depth for track in tracks)
    encoding = _encoding(_PAGE if on_page else output, after, 8 if on_page else deepest, clock)
    if encoding.depth < deepest:
        yield Note(f"{output} shows {encoding.depth} of {deepest} bits per channel")
    pictures = side_by_side(
        _due(before, clock.before_seconds, layout, encoding),
        _due(after, clock.after_seconds, layout, encoding),
        clock,
        layout,
        names=None if on_page else names,
        white=graphics_white(after.info),
    )
    if not on_page:
        yield from encode(pictures, output, encoding, len(clock), tracks=after, overwrite=overwrite)
        return
    folder = next(folder for folder in output.absolute().parents if folder.exists())
    with TemporaryDirectory(prefix=f".{output.name}.", dir=folder) as work:
        video = Path(work) / _PAGE
        yield from encode(pictures, video, encoding, len(clock), tracks=after)
        beside = _beside(output) if video.stat().st_size > EMBEDDED else None
        with replacing(output) as partial:
            name = beside.name if beside else None
            text = page(video, name, clock, layout, names, sound=bool(after.info.audio))
            partial.write_text(text, encoding="utf-8")
            if beside:
                os.replace(video, beside)
    if beside:
        yield Note(f"{output} shows {beside}, which is too large to be in the page: keep them together")


def _encoding(path: str | Path, after: Clip, depth: int, clock: Clock) -> Encoding:
    """As the result, but for what a comparison does not have: alpha, pixels that are not square, a grid."""
    chosen = choose_encoding(path, after.info, depth=depth, alpha=False)
    seconds = float(clock.duration_seconds.sum())
    rate = Fraction(len(clock) / seconds).limit_denominator(1001) if seconds else chosen.average_rate
    return replace(chosen, average_rate=rate, sample_aspect=Fraction(1), notes=())


def _due(clip: Clip, times: Seconds, layout: Layout, encoding: Encoding) -> Iterator[Pixels]:
    """The clip's picture at each of these times of its clock, as it lies in the layout."""
    track = clip.info.video
    first = max(0, int(np.searchsorted(clip.timeline().pts_seconds, times[0], side="right")) - 1)
    chunks = clip.chunks(_CHUNK, start=first, depth=encoding.depth_in_memory, alpha=track.alpha)
    return due(
        (
            replace(chunk, data=np.stack([layout.fitted(picture, track) for picture in chunk.data]))
            for chunk in chunks
        ),
        times.tolist(),
    )


def _rate(result: VideoResult) -> Fraction | None:
    """Frames per second of a result that is numbered images; other files know their times."""
    if not is_sequence(result.output) or not result.duration_seconds:
        return None
    return Fraction(result.frames / result.duration_seconds).limit_denominator(1001)


def _is_video(output: Path) -> bool:
    """Whether its name is that of a video with a clock fine enough for any rate: no animation, no images."""
    try:
        return not is_sequence(output) and choose_encoding(output).container not in ANIMATIONS
    except RequestError:
        return False


def _is_page(output: Path) -> bool:
    return output.suffix.lower() in (".html", ".htm")


def _beside(output: Path) -> Path:
    """Where a page's video lies when it is too large to be in it."""
    return output.with_name(f"{output.stem}-comparison.mp4")


def _same(first: Path, second: Path) -> bool:
    return first.resolve() == second.resolve()

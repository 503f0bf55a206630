"""From what points at an object to a mask that follows it through the video."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moviola import registry
from moviola.card import ModelCard
from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.frames import Mask
from moviola.media.sink import check_output
from moviola.media.span import Span, span_of
from moviola.model import Event, Events, Family, Note, Result, Setup
from moviola.roads.making import check_not_input, validated
from moviola.roads.recognizing import set_up
from moviola.tasks import Masked, Masking, OnDevice, origin_name
from moviola.tasks.prompts import Box, Point

if TYPE_CHECKING:
    from moviola.masking.follower import Follower


def mask(request: Masking) -> Events:
    """Do a `Masking`. The last event is a `Result` with a `Masked`. Raises MoviolaError."""
    began = time.monotonic()
    family, card = registry.find(request.model, task=request.verb)
    _check_follows(card)
    validated(family.Options, {}, card)
    clip = Clip(request.video, rate=request.rate)
    stem = Path(origin_name(request.video).rstrip("/")).stem or "video"
    output = request.output or Path(f"{stem}-mask.mkv")
    check_not_input(output, clip.source.name)
    check_output(output, overwrite=request.overwrite)
    start, stop = request.at or (None, None)
    span = span_of(clip.timeline(), start, stop, clip.source.name)
    spots = yield from _spots(request, clip, span)
    follower: Any = yield from _loaded(request, family, card)
    counts = _Counts()
    _save(request, follower, clip, spots, span, output, counts)
    yield Result(
        Masked(
            model=card.id,
            output=output,
            frames=counts.frames,
            seen=counts.seen,
            elapsed_seconds=time.monotonic() - began,
        )
    )


class _Counts:
    frames = seen = 0


def _save(
    request: Masking,
    follower: Follower,
    clip: Clip,
    spots: Sequence[Box | Point],
    span: Span,
    output: Path,
    counts: _Counts,
) -> None:
    from moviola.masking.saving import save
    from moviola.masking.shapes import grown

    def masks() -> Iterator[Mask]:
        for chunk in follower.follow(clip, spots, span):
            counts.frames += len(chunk)
            counts.seen += int(chunk.data.any(axis=(1, 2)).sum())
            yield grown(chunk, request.grow)

    save(masks(), output, like=clip.info, overwrite=request.overwrite)


def _spots(request: Masking, clip: Clip, span: Span) -> Generator[Event, None, list[Box] | list[Box | Point]]:
    """Where the object is; by a detector where words say what it is."""
    if request.text is None:
        return [spot for spot in (request.box, request.point) if spot is not None]
    family, card = registry.find(request.detector, task=request.verb)
    if "text" not in card.needs:
        raise RequestError(f"{card.id} follows, and finds nothing by its name; choose another detector")
    asked = request.model_copy(update={"weights": request.detector_weights})
    detector: Any = yield from _loaded(asked, family, card)
    from moviola.masking.text import boxes

    found = boxes(detector, request.text, clip, span, least=request.least)
    yield Note(f"{request.text.words!r} was found at {', '.join(map(str, found))}")
    return found


def _loaded(request: OnDevice, family: Family, card: ModelCard) -> Generator[Event, None, Any]:
    if not card.weights:
        if request.weights is not None:
            raise RequestError(f"{card.id} has no network, and so no weights; choose another model")
        return family.load(card, Setup())
    card, setup = yield from set_up(request, card, subject=card.id)
    return family.load(card, setup)


def _check_follows(card: ModelCard) -> None:
    if "text" in card.needs:
        raise RequestError(f"{card.id} finds what words say and follows nothing; name it as --detector")

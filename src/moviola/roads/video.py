"""From a request that turns one video into another to a file: card → load → windows → segments → file."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from moviola import registry
from moviola.card import ModelCard
from moviola.clip import Clip
from moviola.errors import InputError, RequestError
from moviola.media.encoding import Encoding, choose_encoding, is_sequence
from moviola.media.sink import check_output
from moviola.model import Event, Events, Setup
from moviola.recipe import fingerprint, recipe
from moviola.roads.making import Take, check_not_input, make, validated
from moviola.roads.recognizing import set_up
from moviola.tasks import Interpolate, OnDevice, VideoTask, origin_name

Ready = Callable[[VideoTask, Clip, list[str]], Generator[Event, None, VideoTask]]
"""Gives the request as the model is to see it, adds to the notes, and yields events on the way there."""


def make_video(request: VideoTask, *, ready: Ready | None = None) -> Events:
    """Do a task whose result is a video. The last event is a `Result` with a `VideoResult`.

    ready: what is to be made first, once all is checked that can be; the recipe is that of `request` itself.

    Closing the generator, an error or a crash keep the finished windows in a folder beside the output; the
    same request goes on from there. Raises MoviolaError.
    """
    family, card = registry.find(request.model, task=request.verb)
    options = validated(family.Options, request.options, card)
    clip = clip_of(request)
    request = _settled(request)
    output = request.output
    assert output is not None
    check_not_input(output, clip.source.name)
    check_output(output, overwrite=request.overwrite)
    encoding, notes = encoding_like(request, clip, card, output)
    _check_limits(card, clip)
    inputs = inputs_of(request)
    card, setup = yield from _setup(request, card)
    made_by = recipe(request, card, inputs)
    if ready is not None:
        request = yield from ready(request, clip, notes)
    take = Take(request, output, encoding, made_by, inputs, clip, notes)
    yield from make(take, family.load(card, setup), options)


def _setup(request: VideoTask, card: ModelCard) -> Generator[Event, None, tuple[ModelCard, Setup]]:
    """What the model is loaded from and how, and its card as its weights say."""
    assert isinstance(request, OnDevice)
    if not card.weights:
        for name in OnDevice.model_fields:
            if getattr(request, name) is not None:
                raise RequestError(f"{card.id} has no network, and so no {name}; choose another model")
        return card, Setup()
    return (yield from set_up(request, card))


def clip_of(request: VideoTask) -> Clip:
    """The input as it is worked on: the part that is asked for, and as slow."""
    slow = request.slow_motion if isinstance(request, Interpolate) else None
    return Clip(request.video, rate=request.rate, span=request.range, slow=slow or 1)


FILES = ("video", "mask", "image", "last_image", "reference", "references")
"""Fields of requests that name what a video is made from."""


def files_of(request: Any) -> dict[str, Any]:
    """What a request is made from, by field; of a list, each by its number: `references.0`."""
    files: dict[str, Any] = {}
    for name in FILES:
        given = getattr(request, name, None)
        if isinstance(given, list) and name == "references":
            files |= {f"{name}.{number}": origin for number, origin in enumerate(given)}
        elif given is not None:
            files[name] = given
    return files


def inputs_of(request: Any) -> dict[str, Any]:
    """Fingerprints of the files a request names, by field."""
    return {name: fingerprint(origin) for name, origin in files_of(request).items()}


def output_beside(request: VideoTask) -> Path:
    """Where the result goes: as asked, else NAME-VERB.mp4 here, or .webm where it is to be transparent."""
    stem = Path(origin_name(request.video).rstrip("/")).stem or "video"
    return request.output or Path(f"{stem}-{request.verb}{'.webm' if request.transparency else '.mp4'}")


def _settled(request: VideoTask) -> VideoTask:
    """The request with everything filled in that depends on its input and output."""
    output = output_beside(request)
    settled: dict[str, Any] = {"output": output}
    if isinstance(request, Interpolate) and request.at_cut is None:
        # Numbered images carry no times: only repeating keeps their count in step with the clock.
        settled["at_cut"] = "repeat" if is_sequence(output) else "hold"
    return request.model_copy(update=settled)


def encoding_like(
    request: VideoTask, clip: Clip, card: ModelCard, output: Path
) -> tuple[Encoding, list[str]]:
    """How the result is written, and what of the input that loses."""
    video = clip.info.video
    deep = video.bit_depth > 8
    clear = video.alpha if request.transparency is None else request.transparency
    notes = []
    if deep and card.limits.max_depth == 8:
        notes.append(f"{card.id} works in 8 bits; the input's {video.bit_depth} are reduced")
        deep = False
    if clear and not card.limits.alpha:
        notes.append(f"{card.id} knows no transparency; the input's alpha is dropped")
        clear = False
    if len(clip.info.videos) > 1:
        notes.append(f"of {len(clip.info.videos)} video tracks only track {video.index} is kept")
    source_rate = video.average_rate or Fraction(25)
    if isinstance(request, Interpolate) and request.fps is not None and request.fps < source_rate:
        notes.append(
            f"{float(request.fps):g} frames/s are fewer than the "
            f"{'slowed ' if request.slow_motion else ''}input's {float(source_rate):g}: frames are left out"
        )
    if request.rate is not None and request.rate != source_rate:
        notes.append(f"rate {request.rate} is not used: {clip.source.name} has times of its own")
    encoding = choose_encoding(
        output,
        clip.info,
        codec=request.codec,
        quality=request.quality,
        rate=request.fps if isinstance(request, Interpolate) else None,
        depth=int(request.depth) if request.depth else None if deep else 8,
        alpha=request.transparency or (None if clear else False),
    )
    if isinstance(request, Interpolate) and request.pictures is not None:
        average = (source_rate * request.pictures).limit_denominator(1001)
        encoding = replace(encoding, average_rate=average)
    return encoding, notes


def _check_limits(card: ModelCard, clip: Clip) -> None:
    limits, video = card.limits, clip.info.video
    size = (video.width, video.height)
    if limits.min_size and any(have < need for have, need in zip(size, limits.min_size, strict=True)):
        raise InputError(f"{card.id} needs at least {limits.min_size}, the video is {size}")
    if limits.max_size and any(have > most for have, most in zip(size, limits.max_size, strict=True)):
        raise InputError(f"{card.id} takes at most {limits.max_size}, the video is {size}")

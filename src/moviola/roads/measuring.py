"""From a `Measure` to a score: both videos are read in step, a few frames at a time."""

from __future__ import annotations

from collections.abc import Generator
from itertools import zip_longest
from typing import Any

from moviola import metrics, registry
from moviola.card import ModelCard
from moviola.clip import Clip
from moviola.errors import InputError, RequestError
from moviola.frames import Depth
from moviola.metrics import Metric
from moviola.model import Event, Events, Note, Progress, Result
from moviola.roads.recognizing import loaded
from moviola.tasks import Measure, OnDevice, Scores

_CHUNK = 8


def measure(request: Measure) -> Events:
    """Score `video`, against `reference` where the metric takes one. Videos are matched frame by frame.

    Raises RequestError for a metric, an option, a reference or a model that does not fit, InputError where
    the two videos differ in size or in the number of frames, and what loading a model does.
    """
    if request.metric == "accuracy":
        from moviola.roads.accuracy import accuracy

        yield from accuracy(request)
        return
    metric = metrics.find(request.metric)
    _check_fields(request, metric)
    options = metrics.validated(metric, request.options)
    clips = [Clip(origin) for origin in (request.reference, request.video) if origin is not None]
    model, card = yield from _model(request, metric)
    score = metric.start(options) if card is None else metric.start(options, model)
    depth: Depth = 16 if any(clip.info.video.bit_depth > 8 for clip in clips) else 8
    total = clips[-1].info.video.frame_count
    values: list[float] = []
    done = 0
    for chunks in zip_longest(*(clip.chunks(_CHUNK, depth=depth) for clip in clips)):
        if len({0 if chunk is None else len(chunk) for chunk in chunks}) > 1:
            _refuse_lengths(clips)
        values += score.update(*chunks).tolist()
        done += len(chunks[-1])
        yield Progress(done, total)
    for text in (loss for clip in clips for loss in clip.source.losses):
        yield Note(text)
    yield Result(
        Scores(
            metric=request.metric,
            value=score.compute(),
            unit=metric.UNIT,
            higher_is_better=metric.HIGHER_IS_BETTER,
            frames=done,
            per_frame=values,
            model=None if card is None else card.id,
        )
    )


def _check_fields(request: Measure, metric: Metric) -> None:
    """Refuse what this metric has no use for."""
    if request.reference is None and metric.REFERENCE == "needed":
        raise RequestError(f"measure: reference: {metric.NAME} needs a reference")
    if request.reference is not None and metric.REFERENCE == "none":
        raise RequestError(f"measure: reference: {metric.NAME} takes no reference")
    only = {"views", "output", "overwrite"} | (set() if metric.MODELS else {"model", *OnDevice.model_fields})
    for name in sorted(only):
        if getattr(request, name) != Measure.model_fields[name].default:
            raise RequestError(f"measure: {name}: {metric.NAME} takes none; it is for accuracy")
    if request.model is None and not metric.NEEDS_MODEL:
        for name in OnDevice.model_fields:
            if getattr(request, name) is not None:
                choice = " or ".join(metric.MODELS)
                raise RequestError(f"measure: {name}: {metric.NAME} runs no network; choose --model {choice}")


def _model(request: Measure, metric: Metric) -> Generator[Event, None, tuple[Any, ModelCard | None]]:
    """What the metric looks with, its weights pulled where they are not here; nothing where it needs none."""
    named = request.model or (metric.MODELS[0] if metric.NEEDS_MODEL else None)
    if named is None:
        return None, None
    family, card = registry.find(named, task=request.verb)
    if card.id not in metric.MODELS:
        raise RequestError(f"{metric.NAME} looks with {' or '.join(metric.MODELS)}, not with {card.id}")
    return (yield from loaded(request, family, card))


def _refuse_lengths(clips: list[Clip]) -> None:
    lengths = [sum(len(chunk) for chunk in clip.chunks()) for clip in clips]
    raise InputError(
        f"{clips[0].source.name} has {lengths[0]} frames, {clips[1].source.name} {lengths[1]}; "
        "cut one to match the other"
    )

"""From a `Measure` to a score: both videos are read in step, a few frames at a time."""

from __future__ import annotations

from itertools import zip_longest

from moviola import metrics
from moviola.clip import Clip
from moviola.errors import InputError, RequestError
from moviola.frames import Depth
from moviola.model import Events, Note, Progress, Result
from moviola.tasks import Measure, Scores

_CHUNK = 8


def measure(request: Measure) -> Events:
    """Score `video`, against `reference` where the metric needs one. Videos are matched frame by frame.

    Raises RequestError for a metric, an option or a reference that does not fit, InputError where the two
    videos differ in size or in the number of frames.
    """
    if request.metric == "accuracy":
        from moviola.roads.accuracy import accuracy

        yield from accuracy(request)
        return
    _refuse_fields_of_accuracy(request)
    metric = metrics.find(request.metric)
    if (request.reference is not None) != metric.NEEDS_REFERENCE:
        need = "needs a reference" if metric.NEEDS_REFERENCE else "takes no reference"
        raise RequestError(f"measure: reference: {request.metric} {need}")
    score = metrics.start(request.metric, request.options)
    video = Clip(request.video)
    clips = [video] if request.reference is None else [Clip(request.reference), video]
    depth: Depth = 16 if any(clip.info.video.bit_depth > 8 for clip in clips) else 8
    total = video.info.video.frame_count
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
        )
    )


def _refuse_fields_of_accuracy(request: Measure) -> None:
    only = Measure.model_fields.keys() - {"metric", "video", "reference", "options"}
    for name in sorted(only):
        if getattr(request, name) != Measure.model_fields[name].default:
            raise RequestError(f"measure: {name}: {request.metric} takes none; it is for accuracy")


def _refuse_lengths(clips: list[Clip]) -> None:
    lengths = [sum(len(chunk) for chunk in clip.chunks()) for clip in clips]
    raise InputError(
        f"{clips[0].source.name} has {lengths[0]} frames, {clips[1].source.name} {lengths[1]}; "
        "cut one to match the other"
    )

"""From a request to a recognizer to labels: card → weights → load → looks → labels, and files of them."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moviola import registry, timeline, weights
from moviola.card import ModelCard
from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.media.sink import check_output
from moviola.media.span import span_of
from moviola.model import Audience, Event, Events, Family, Model, Note, Place, Result, Setup
from moviola.recipe import fingerprint, recipe
from moviola.recognition.labelled import VIDEOS
from moviola.recognition.placing import place
from moviola.roads.annotating import annotate
from moviola.roads.making import check_not_input, validated
from moviola.tasks import OnDevice, Recognize, Recognized


@dataclass(frozen=True, slots=True)
class Given:
    """What a recognizer is given beside its request; see `moviola.model.Context`."""

    clips: Sequence[Clip]
    audience: Audience = field(default_factory=Audience)

    @property
    def place(self) -> Place:
        return Place()

    @property
    def clip(self) -> Clip:
        return self.clips[0]

    def each_window(self, step: Any, **sizes: Any) -> Events:
        raise TypeError("a recognizer makes no video, and so has no windows")


def recognize(request: Recognize) -> Events:
    """Do a `Recognize`. The last event is a `Result` with a `Recognized`. Raises MoviolaError."""
    family, card = registry.find(request.model, task=request.verb)
    options = validated(family.Options, request.options, card)
    clips = [Clip(origin) for origin in found(request.videos)]
    if request.output is not None:
        _check(request.output, request, clips)
    model, card = yield from loaded(request, family, card)
    with closing(model.run(request, options, Given(clips))) as events:
        for event in events:
            if isinstance(event, Result) and request.output is not None:
                event = Result((yield from _written(event.value, request, card, clips)))
            yield event


def loaded(
    request: OnDevice, family: Family, card: ModelCard
) -> Generator[Event, None, tuple[Model, ModelCard]]:
    """A request's model, its weights pulled where they are not here, and its card as they say."""
    card, setup = yield from set_up(request, card)
    return family.load(card, setup), card


def set_up(
    request: OnDevice, card: ModelCard, *, subject: str = ""
) -> Generator[Event, None, tuple[ModelCard, Setup]]:
    """What a request's model is loaded from and where it runs, told in a note; its card as its weights say.

    subject: of the note, where several models are at work.
    """
    folders, card = yield from at_hand(request, card)
    plan = place(card, request.device, request.dtype)
    yield Note(f"{subject} runs on {plan.reasons[0]}".lstrip())
    return card, Setup(folders, plan, own=request.weights is not None)


def at_hand(request: OnDevice, card: ModelCard) -> Generator[Event, None, tuple[tuple[Path, ...], ModelCard]]:
    """Where a request's weights lie, pulled where they are not here; and its card as they say."""
    folders = weights.folders(card, request.weights)
    if folders is None:
        yield Note(f"pulling the weights of {card.id}")
        folders = yield from weights.pull(card)
    card = weights.own_card(card, folders[0])
    if not card.commercial:
        yield Note(f"{card.id} is not for commercial use: {card.licence}")
    return folders, card


def found(origins: Iterable[Any]) -> Iterator[Any]:
    """Each origin, and in place of a folder the videos in it and below, by name.

    A folder of images stays what it is: one video. A folder with neither is left as it is.
    """
    for origin in origins:
        folder = Path(origin) if isinstance(origin, str | Path) else None
        if folder is None or not folder.is_dir():
            yield origin
            continue
        videos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEOS)
        yield from videos or [origin]


def _check(output: Path, request: Recognize, clips: Sequence[Clip]) -> None:
    """Refuse before the work what could not be written after it."""
    if timeline.is_report(output):
        timeline.check_report(output, len(clips))
    elif len(clips) > 1:
        raise RequestError(f"recognize: output: {output} shows one video; {len(clips)} were given")
    check_not_input(output, *(clip.source.name for clip in clips))
    check_output(output, overwrite=request.overwrite)


def _written(
    result: Recognized, request: Recognize, card: ModelCard, clips: Sequence[Clip]
) -> Generator[Event, None, Recognized]:
    output = request.output
    assert output is not None
    span: timeline.Span | None = None
    if len(clips) == 1:
        looked_at = span_of(clips[0].timeline(), request.start, request.stop, clips[0].source.name)
        span = looked_at.start, looked_at.stop
    if timeline.is_report(output):
        timeline.write_report(result, output, span, overwrite=request.overwrite)
    else:
        made_by = recipe(request, card, {"videos": [fingerprint(clip.source.name) for clip in clips]})
        yield from annotate(
            clips[0], result.videos[0], output, overwrite=request.overwrite, recipe=made_by, span=span
        )
    return result.model_copy(update={"output": output})

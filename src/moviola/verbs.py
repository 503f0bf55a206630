"""The verbs as Python functions: each takes the fields of its request and returns its result."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from moviola import registry
from moviola.card import ModelCard
from moviola.clip import Clip
from moviola.jobs.doing import do
from moviola.media.info import MediaInfo
from moviola.model import Events, Note, Result
from moviola.plan.plan import Plan
from moviola.roads import comparing, speaking
from moviola.run import plan_of as _plan_of
from moviola.run import run
from moviola.tasks import (
    Again,
    Answer,
    Ask,
    Caption,
    Captions,
    Edit,
    Generate,
    Interpolate,
    Masked,
    Masking,
    Measure,
    Pull,
    Pulled,
    Recognize,
    Recognized,
    Remove,
    Sample,
    Sampled,
    Scores,
    Search,
    SearchResult,
    Seen,
    Synthesis,
    Task,
    Train,
    Trained,
    VideoResult,
    Watch,
    Watched,
    is_positional,
    request,
)

if TYPE_CHECKING:
    from moviola.understanding.chat import Chat

Verb = TypeVar("Verb", bound=Callable[..., Any])

_log = logging.getLogger("moviola")


def stream(request: Task) -> Events:
    """Do a request, yielding events as it goes: progress, notes, and last its result.

    Closing the generator stops the work within one step. Raises MoviolaError.
    """
    return do(request)


def probe(video: Any, *, count: bool = False) -> MediaInfo:
    """What is in a video: tracks, size, rate, colour, … and whether each fact is from header or content.

    count: go through the whole file for the exact number of frames, rate and duration.
    """
    return Clip(video).source.probe(count=count)


def cards() -> list[ModelCard]:
    """The card of every model there is, ours and those of installed packages."""
    return list(registry.cards())


def compare(before: Any, after: Any, output: str | Path, *, overwrite: bool = False) -> Path:
    """Show two videos together, from the beginning of both; returns where.

    output: a video, as both.mp4, has them side by side; a page, as both.html, has a divider between them.

    Raises MoviolaError.
    """
    return cast(Path, _finish(comparing.compare(before, after, Path(output), overwrite=overwrite)))


def plan_of(request: Synthesis) -> Plan:
    """How a request to a generative model would be run on this machine, and why; nothing is loaded.

    Raises MoviolaError.
    """
    return _plan_of(request)


def _of(task: type[Task]) -> Callable[[Verb], Verb]:
    """Give a verb its request's fields as signature and documentation."""

    def dressed(verb: Verb) -> Verb:
        parameters = [
            inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD
                if is_positional(field)
                else inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty
                if field.is_required()
                else field.get_default(call_default_factory=True),
            )
            for name, field in task.model_fields.items()
        ]
        # inspect wants those given by place first; their order among themselves is the schema's.
        parameters.sort(key=lambda parameter: parameter.kind)
        verb.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        fields = (f"{name}: {field.description or ''}" for name, field in task.model_fields.items())
        verb.__doc__ = "\n".join([task.__doc__ or "", "", *fields])
        return verb

    return dressed


@_of(Generate)
def generate(prompt: str | None = None, **fields: Any) -> VideoResult:
    return cast(VideoResult, _finish(request(Generate, {"prompt": prompt} | fields)))


@_of(Edit)
def edit(video: Any, prompt: str | None = None, **fields: Any) -> VideoResult:
    return cast(VideoResult, _finish(request(Edit, {"video": video, "prompt": prompt} | fields)))


@_of(Ask)
def ask(videos: Any, question: str, **fields: Any) -> Answer:
    return cast(Answer, _finish(request(Ask, {"videos": videos, "question": question} | fields)))


def chat(videos: Any, **fields: Any) -> Chat:
    """A talk about videos: they are seen once, and every question knows the ones before.

        with moviola.chat("clip.mp4") as talk:
            print(talk.ask("Who comes in?").text)
            for word in talk.stream("And then?"):
                print(word, end="", flush=True)

    Takes the fields of `ask` but the question. Raises MoviolaError.
    """
    asked = cast(Ask, request(Ask, {"videos": videos} | fields))
    return cast("Chat", _finish(speaking.chat(asked)))


@_of(Caption)
def caption(videos: Any, **fields: Any) -> Captions:
    return cast(Captions, _finish(request(Caption, {"videos": videos} | fields)))


@_of(Search)
def search(folder: Any, text: str, **fields: Any) -> SearchResult:
    return cast(SearchResult, _finish(request(Search, {"folder": folder, "text": text} | fields)))


@_of(Recognize)
def recognize(videos: Any, **fields: Any) -> Recognized:
    return cast(Recognized, _finish(request(Recognize, {"videos": videos} | fields)))


@_of(Watch)
def watch(source: Any, **fields: Any) -> Generator[Seen, None, Watched]:
    with closing(run(request(Watch, {"source": source} | fields))) as events:
        for event in events:
            if isinstance(event, Note):
                _log.info(event.text)
            elif isinstance(event, Seen):
                yield event
            elif isinstance(event, Result):
                return cast(Watched, event.value)
    raise RuntimeError("the work ended without a result")


@_of(Train)
def train(kind: str, data: Any, **fields: Any) -> Trained:
    return cast(Trained, _finish(request(Train, {"kind": kind, "data": data} | fields)))


@_of(Interpolate)
def interpolate(video: Any, **fields: Any) -> VideoResult:
    return cast(VideoResult, _finish(request(Interpolate, {"video": video} | fields)))


@_of(Remove)
def remove(video: Any, **fields: Any) -> VideoResult:
    return cast(VideoResult, _finish(request(Remove, {"video": video} | fields)))


@_of(Masking)
def mask(video: Any, **fields: Any) -> Masked:
    return cast(Masked, _finish(request(Masking, {"video": video} | fields)))


@_of(Measure)
def measure(metric: str, video: Any, reference: Any = None, **fields: Any) -> Scores:
    given = {"metric": metric, "video": video, "reference": reference}
    return cast(Scores, _finish(request(Measure, given | fields)))


@_of(Sample)
def sample(video: Any, **fields: Any) -> Sampled:
    return cast(Sampled, _finish(request(Sample, {"video": video} | fields)))


@_of(Again)
def again(video: Any, **fields: Any) -> VideoResult:
    return cast(VideoResult, _finish(request(Again, {"video": video} | fields)))


@_of(Pull)
def pull(model: str, **fields: Any) -> Pulled:
    return cast(Pulled, _finish(request(Pull, {"model": model} | fields)))


def _finish(work: Task | Events) -> Any:
    """Run to the end; notes go to the `moviola` logger."""
    with closing(do(work) if isinstance(work, Task) else work) as events:
        for event in events:
            if isinstance(event, Note):
                _log.info(event.text)
            elif isinstance(event, Result):
                return event.value
    raise RuntimeError("the work ended without a result")

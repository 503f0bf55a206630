"""From a question or the wish for captions to a speaker, and from what it says to files."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import ceil
from typing import Any

from moviola import registry
from moviola.card import ModelCard
from moviola.card import Understanding as Facts
from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.media.sink import check_output
from moviola.media.span import Span
from moviola.media.text import write_text
from moviola.model import Event, Events, Note, Result, Setup
from moviola.plan.machine import this_machine
from moviola.plan.plan import Wishes
from moviola.plan.speaking import TALK, choose_speaker, told
from moviola.recipe import fingerprint, recipe
from moviola.roads import captioned
from moviola.roads.making import check_not_input, validated
from moviola.roads.recognizing import at_hand, found
from moviola.tasks import Answer, Ask, Caption, Understanding
from moviola.understanding.asking import form_of
from moviola.understanding.chat import open_chat
from moviola.understanding.seeing import QUESTION
from moviola.understanding.served import CARD, open_server
from moviola.understanding.speaker import Speaker
from moviola.understanding.stretches import asked
from moviola.understanding.work import work

_ANSWERS = (".txt", ".json")


@dataclass(frozen=True, slots=True)
class Opened:
    """A speaker, what it is called, and its card."""

    speaker: Speaker
    name: str
    card: ModelCard


def ask(request: Ask) -> Events:
    """Do an `Ask`. The last event is a `Result` with an `Answer`. Raises MoviolaError."""
    clips, spans = _looked_at(request)
    if request.output is not None:
        if request.output.suffix.lower() not in _ANSWERS:
            raise RequestError(
                f"ask: output: cannot write {request.output.name}; an answer is written as .txt or .json"
            )
        check_not_input(request.output, *(clip.source.name for clip in clips))
        check_output(request.output, overwrite=request.overwrite)
    made = yield from opened(request, spans)
    with closing(work(made.speaker, made.name, request, clips)) as events:
        for event in events:
            if isinstance(event, Result) and request.output is not None:
                event = Result(_written(event.value, request))
            yield event


def chat(request: Ask) -> Events:
    """Begin a talk about the videos of a request. The last event is a `Result` with a `Chat`.

    Raises MoviolaError.
    """
    clips, spans = _looked_at(request)
    made = yield from opened(request, spans)
    yield Result((yield from open_chat(made.speaker, made.name, request, clips)))


def caption(request: Caption) -> Events:
    """Do a `Caption`. The last event is a `Result` with a `Captions`. Raises MoviolaError."""
    clips = [Clip(origin) for origin in found(request.videos)]
    captioned.check(request, clips)
    # One of several may be broken; that is told when it is its turn.
    spans = [asked(clips[0], request.at)] if len(clips) == 1 else []
    made = yield from opened(request, spans)
    with closing(work(made.speaker, made.name, request, clips)) as events:
        for event in events:
            if isinstance(event, Result) and request.output is not None:
                inputs = {"videos": [fingerprint(clip.source.name) for clip in clips]}
                signed = recipe(request, made.card, inputs)
                event = Result(
                    (yield from captioned.write_captions(event.value, request, clips, recipe=signed))
                )
            yield event


def _looked_at(request: Ask) -> tuple[list[Clip], list[Span]]:
    """What is asked about. Raises MoviolaError, before anything is loaded, where it or the schema is none."""
    form_of(request)
    clips = [Clip(origin) for origin in request.videos]
    return clips, [asked(clip, request.at) for clip in clips]


def opened(request: Understanding, spans: Sequence[Span]) -> Generator[Event, None, Opened]:
    """The speaker that a request names. spans: what it will look at, as far as that is known.

    Raises MoviolaError.
    """
    if request.server is not None or request.model == CARD:
        family, card = registry.find(CARD, task=request.verb)
        options: Any = validated(family.Options, request.options, card)
        served = open_server(request, options)
        return Opened(served, served.model, card)
    family, card = registry.find(request.model, task=request.verb)
    options = validated(family.Options, request.options, card)
    folders, card = yield from at_hand(request, card)
    assert card.understanding is not None
    tokens = talk_tokens(card.understanding, request, spans)
    wishes = Wishes(request.device, request.dtype)
    plan = choose_speaker(card, tokens, this_machine(request.device), wishes)
    yield from map(Note, told(plan))
    model: Any = family.load(card, Setup(folders, plan, own=request.weights is not None))
    return Opened(model.ready(options, cache=request.cache), card.id, card)


def talk_tokens(facts: Facts, request: Understanding, spans: Sequence[Span]) -> int:
    """About how many tokens a request comes to, and `TALK` at least."""
    shown = 0
    for span in spans:
        seconds = span.stop - span.start
        if isinstance(request, Caption) and request.dense:
            seconds = min(seconds, request.longest)
        pace = request.fps or (None if request.frames else facts.fps)
        frames = request.frames or (facts.frames if pace is None else ceil(float(pace) * seconds))
        each = min(frames, facts.max_frames) * (facts.frame_tokens or 0)
        shown += facts.video_tokens or each
    shown = shown if request.budget is None else min(shown, request.budget)
    return min(facts.context, max(TALK, shown + request.max_tokens + QUESTION))


def _written(answer: Answer, request: Ask) -> Answer:
    assert request.output is not None
    answer = answer.model_copy(update={"output": request.output})
    text = answer.model_dump_json(indent=2) if request.output.suffix.lower() == ".json" else answer.text
    write_text(request.output, f"{text}\n", overwrite=request.overwrite)
    return answer

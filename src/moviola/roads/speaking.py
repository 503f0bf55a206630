"""From a question or the wish for captions to a speaker, and from what it says to files."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import Any

from moviola import registry, weights
from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.media.sink import check_output
from moviola.media.text import write_text
from moviola.model import Event, Events, Note, Result, Setup
from moviola.plan.machine import this_machine
from moviola.plan.plan import Wishes
from moviola.plan.speaking import choose_speaker
from moviola.roads import captioned
from moviola.roads.making import check_not_input, validated
from moviola.roads.recognizing import found
from moviola.tasks import Answer, Ask, Caption, Understanding
from moviola.understanding.chat import open_chat
from moviola.understanding.served import CARD, open_server
from moviola.understanding.speaker import Speaker
from moviola.understanding.work import work

_ANSWERS = (".txt", ".json")
_TALK = 8192
"""Tokens that a plan leaves room for where the model's context holds more: some 60 frames and an answer."""


def ask(request: Ask) -> Events:
    """Do an `Ask`. The last event is a `Result` with an `Answer`. Raises MoviolaError."""
    clips = [Clip(origin) for origin in request.videos]
    if request.output is not None:
        if request.output.suffix.lower() not in _ANSWERS:
            raise RequestError(
                f"ask: output: cannot write {request.output.name}; an answer is written as .txt or .json"
            )
        check_not_input(request.output, *(clip.source.name for clip in clips))
        check_output(request.output, overwrite=request.overwrite)
    speaker, model = yield from opened(request)
    with closing(work(speaker, model, request, clips)) as events:
        for event in events:
            if isinstance(event, Result) and request.output is not None:
                event = Result(_written(event.value, request))
            yield event


def chat(request: Ask) -> Events:
    """Begin a talk about the videos of a request. The last event is a `Result` with a `Chat`.

    Raises MoviolaError.
    """
    clips = [Clip(origin) for origin in request.videos]
    speaker, model = yield from opened(request)
    yield Result((yield from open_chat(speaker, model, request, clips)))


def caption(request: Caption) -> Events:
    """Do a `Caption`. The last event is a `Result` with a `Captions`. Raises MoviolaError."""
    clips = [Clip(origin) for origin in found(request.videos)]
    captioned.check(request, clips)
    speaker, model = yield from opened(request)
    with closing(work(speaker, model, request, clips)) as events:
        for event in events:
            if isinstance(event, Result) and request.output is not None:
                event = Result((yield from captioned.write_captions(event.value, request, clips)))
            yield event


def opened(request: Understanding) -> Generator[Event, None, tuple[Speaker, str]]:
    """The speaker that a request names, and what it is called. Raises MoviolaError."""
    if request.server is not None or request.model == CARD:
        family, card = registry.find(CARD, task=request.verb)
        options: Any = validated(family.Options, request.options, card)
        served = open_server(request, options)
        return served, served.model
    family, card = registry.find(request.model, task=request.verb)
    options = validated(family.Options, request.options, card)
    folders = weights.folders(card, request.weights)
    if folders is None:
        yield Note(f"pulling the weights of {card.id}")
        folders = yield from weights.pull(card)
    card = weights.own_card(card, folders[0])
    if not card.commercial:
        yield Note(f"{card.id} is not for commercial use: {card.licence}")
    assert card.understanding is not None
    machine = this_machine(request.device)
    tokens = min(card.understanding.context, _TALK)
    plan = choose_speaker(card, tokens, machine, Wishes(request.device, request.dtype))
    yield Note(f"runs on {plan.reasons[0]}")
    model: Any = family.load(card, Setup(folders, plan, own=request.weights is not None))
    speaker: Speaker = model.ready(options, cache=request.cache)
    return speaker, card.id


def _written(answer: Answer, request: Ask) -> Answer:
    assert request.output is not None
    answer = answer.model_copy(update={"output": request.output})
    text = answer.model_dump_json(indent=2) if request.output.suffix.lower() == ".json" else answer.text
    write_text(request.output, f"{text}\n", overwrite=request.overwrite)
    return answer

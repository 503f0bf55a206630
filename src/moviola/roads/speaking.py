"""From a question or the wish for captions to a speaker, and from what it says to files."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from moviola import registry
from moviola.card import ModelCard
from moviola.card import Understanding as Facts
from moviola.clip import Clip
from moviola.errors import InputError, RequestError
from moviola.hosted.pricing import Estimate, check_affordable, talking
from moviola.hosted.shaping import check_meant, check_offered
from moviola.media.sink import check_output
from moviola.media.span import Span
from moviola.media.text import write_text
from moviola.model import Event, Events, HostedSpeakerFamily, Note, Result, Setup
from moviola.plan.machine import this_machine
from moviola.plan.plan import Wishes
from moviola.plan.speaking import choose_speaker, told
from moviola.policy import check_allowed, most
from moviola.recipe import fingerprint, recipe
from moviola.roads import captioned
from moviola.roads.foretelling import foretold, talk_tokens
from moviola.roads.making import check_not_input, validated
from moviola.roads.recognizing import at_hand, found
from moviola.shelf import home
from moviola.tasks import Answer, Ask, Caption, Captions, Understanding
from moviola.understanding.asking import form_of
from moviola.understanding.chat import open_chat
from moviola.understanding.served import CARD, open_server
from moviola.understanding.speaker import Speaker
from moviola.understanding.stretches import asked
from moviola.understanding.work import work

if TYPE_CHECKING:
    from moviola.hosted.till import Till

Paid = TypeVar("Paid", Answer, Captions)

_ANSWERS = (".txt", ".json")


@dataclass(frozen=True, slots=True)
class Opened:
    """A speaker, what it is called, and its card. till: of one at a provider."""

    speaker: Speaker
    name: str
    card: ModelCard
    till: Till | None = None


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
    with ExitStack() as held:
        made = yield from opened(request, clips, spans, held)
        for event in held.enter_context(closing(work(made.speaker, made.name, request, clips))):
            if isinstance(event, Result):
                answer = yield from _paid(event.value, made)
                event = Result(answer if request.output is None else _written(answer, request))
            yield event


def chat(request: Ask) -> Events:
    """Begin a talk about the videos of a request. The last event is a `Result` with a `Chat`.

    Raises MoviolaError.
    """
    clips, spans = _looked_at(request)
    with ExitStack() as held:
        made = yield from opened(request, clips, spans, held)
        talk = yield from open_chat(made.speaker, made.name, request, clips, made.till)
        talk.closes(held.pop_all())
    yield Result(talk)


def caption(request: Caption) -> Events:
    """Do a `Caption`. The last event is a `Result` with a `Captions`. Raises MoviolaError."""
    clips = [Clip(origin) for origin in found(request.videos)]
    captioned.check(request, clips)
    # One of several may be broken; that is told when it is its turn.
    spans = [asked(clips[0], request.at)] if len(clips) == 1 else []
    with ExitStack() as held:
        made = yield from opened(request, clips, spans, held)
        for event in held.enter_context(closing(work(made.speaker, made.name, request, clips))):
            if isinstance(event, Result):
                captions = yield from _paid(event.value, made)
                if request.output is not None:
                    inputs = {"videos": [fingerprint(clip.source.name) for clip in clips]}
                    signed = recipe(request, made.card, inputs)
                    captions = yield from captioned.write_captions(captions, request, clips, recipe=signed)
                event = Result(captions)
            yield event


def _looked_at(request: Ask) -> tuple[list[Clip], list[Span]]:
    """What is asked about. Raises MoviolaError, before anything is loaded, where it or the schema is none."""
    form_of(request)
    clips = [Clip(origin) for origin in request.videos]
    return clips, [asked(clip, request.at) for clip in clips]


def price(request: Ask | Caption) -> tuple[ModelCard, Estimate | None]:
    """About what a request costs, None where that is not known; nothing is sent, and no key is needed.

    Raises MoviolaError.
    """
    family, card = registry.find(CARD if request.server is not None else request.model, task=request.verb)
    if not isinstance(family, HostedSpeakerFamily):
        return card, None
    check_offered(card)
    options = validated(family.Options, request.options, card)
    clips = [
        Clip(origin) for origin in (found(request.videos) if isinstance(request, Caption) else request.videos)
    ]
    return card, _estimate(card, family.facts(card, options), request, clips)


def opened(
    request: Understanding, clips: Sequence[Clip], spans: Sequence[Span], held: ExitStack
) -> Generator[Event, None, Opened]:
    """The speaker that a request names. spans: what it will look at of the clips, as far as that is known.
    held: keeps open what the speaker needs.

    Raises MoviolaError.
    """
    if request.server is not None or request.model == CARD:
        family, card = registry.find(CARD, task=request.verb)
        options: Any = validated(family.Options, request.options, card)
        check_affordable(card, None, request.max_cost)
        served = open_server(request, options)
        return Opened(served, served.model, card)
    family, card = registry.find(request.model, task=request.verb)
    if isinstance(family, HostedSpeakerFamily):
        return (yield from _hosted(family, card, request, clips, held))
    options = validated(family.Options, request.options, card)
    folders, card = yield from at_hand(request, card)
    assert card.understanding is not None
    tokens = talk_tokens(card.understanding, request, spans)
    wishes = Wishes(request.device, request.dtype)
    plan = choose_speaker(card, tokens, this_machine(request.device), wishes)
    yield from map(Note, told(plan))
    model: Any = family.load(card, Setup(folders, plan, own=request.weights is not None))
    return Opened(model.ready(options, cache=request.cache), card.id, card)


def _hosted(
    family: HostedSpeakerFamily,
    card: ModelCard,
    request: Understanding,
    clips: Sequence[Clip],
    held: ExitStack,
) -> Generator[Event, None, Opened]:
    """A speaker at a provider; nothing was sent yet, but what costs nothing."""
    from moviola.hosted.answers import Answers
    from moviola.hosted.till import Till
    from moviola.hosted.transport import Transport

    check_offered(card)
    check_allowed(card)
    if card.retired is not None:
        instead = f"; {card.retired.successor} takes its place" if card.retired.successor else ""
        yield Note(f"{card.id} ends on {card.retired.date}{instead}")
    check_meant(request, card)
    options = validated(family.Options, request.options, card)
    estimated = _estimate(card, family.facts(card, options), request, clips)
    check_affordable(card, estimated, most(request.max_cost))
    if estimated is not None:
        yield Note(f"costs {estimated}")
    till = Till(
        card,
        held.enter_context(Transport()),
        answers=Answers(home() / "answers") if request.cache else None,
        most_usd=most(request.max_cost),
    )
    return Opened(family.speaker(card, options, till), card.id, card, till)


def _estimate(
    card: ModelCard, facts: Facts, request: Understanding, clips: Sequence[Clip]
) -> Estimate | None:
    spans: list[Span] = []
    for clip in clips:
        # One that cannot be read is told when it is its turn, and costs nothing.
        with suppress(InputError, RequestError):
            spans.append(asked(clip, request.at))
    used = foretold(facts, request, spans)
    # All that is read may be put into the provider's cache, which some let cost more.
    return talking(card, replace(used, written=used.prompt))


def _paid(result: Paid, made: Opened) -> Generator[Event, None, Paid]:
    """With what it cost."""
    if made.till is None:
        return result
    yield from map(Note, made.till.notes())
    return result.model_copy(update={"cost_usd": made.till.usd})


def _written(answer: Answer, request: Ask) -> Answer:
    assert request.output is not None
    answer = answer.model_copy(update={"output": request.output})
    text = answer.model_dump_json(indent=2) if request.output.suffix.lower() == ".json" else answer.text
    write_text(request.output, f"{text}\n", overwrite=request.overwrite)
    return answer

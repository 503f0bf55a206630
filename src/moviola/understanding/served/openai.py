"""A speaker at OpenAI: its answers are paid for, and so asked at a till."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from moviola.card import Understanding
from moviola.errors import (
    InvalidInputError,
    ModeratedError,
    MoviolaError,
    RequestError,
    UnknownOutcomeError,
)
from moviola.generators import noted
from moviola.hosted.answers import Heard
from moviola.hosted.providers import openai
from moviola.hosted.replies import one_line
from moviola.hosted.till import Question, Till
from moviola.hosted.transport import Reply
from moviola.understanding.served.events import events
from moviola.understanding.served.options import Pictured
from moviola.understanding.served.refusals import RefusalError, remedy, said_by
from moviola.understanding.served.shape import Ending, Message, Shape
from moviola.understanding.served.talking import Remote
from moviola.understanding.speaker import Manner, Said, Seen

_EXTRAS = ("temperature", "top_p", "seed", "reasoning", "reasoning_effort", "text", "response_format")
"""Fields that some models refuse. They are asked again without, as a refusal costs nothing."""

MOST_BYTES = 50 * 10**6
"""Of the pictures in one question (https://developers.openai.com/api/docs/guides/images-vision)."""


@dataclass(frozen=True, slots=True)
class Model:
    """name: the provider's. thoughts: tokens it may think before it answers. successor: id of the model that
    takes its place. counted: tokens of so many frames of a width and height."""

    name: str
    thoughts: int
    takes_temperature: bool
    takes_seed: bool
    successor: str | None
    counted: Callable[[int, int, int], int]


class OpenAISpeaker(Remote):
    def __init__(
        self, model: Model, facts: Understanding, shape: Shape, options: Pictured, till: Till
    ) -> None:
        """Raises NotAuthorizedError without a key."""
        super().__init__(model.name, facts, shape, options)
        self._model, self._till = model, till
        self._url, self._secrets = f"{openai.base()}{shape.path}", openai.secrets()
        self._refused = frozenset() if model.takes_temperature else frozenset({"temperature", "top_p"})

    def tokens(self, frames: int, width: int, height: int) -> int:
        return self._model.counted(frames, width, height)

    def spoken(
        self, messages: Sequence[Message], manner: Manner, seen: Sequence[Seen], heard: list[str]
    ) -> Generator[str, None, Said]:
        self._check(manner, seen)
        refused = self._refused
        while True:
            longest = replace(manner, max_tokens=manner.max_tokens + self._model.thoughts)
            whole = self.shape.body(self.model, messages, longest)
            body = {name: value for name, value in whole.items() if name not in refused}
            try:
                said = yield from self._answer(body, messages, longest, seen, heard)
            except InvalidInputError as error:
                extra = None if heard else _extra(error.field, body, manner)
                if extra is None:
                    raise
                refused |= {extra}
            else:
                self._refused |= refused
                return said

    def _check(self, manner: Manner, seen: Sequence[Seen]) -> None:
        """Raises RequestError for what the model does not take."""
        if (manner.temperature or manner.top_p < 1) and "temperature" in self._refused:
            raise RequestError(
                f"{self.model} thinks before it answers, and takes no temperature then; leave it and top_p "
                "out"
            )
        if manner.seed is not None and not self._model.takes_seed:
            raise RequestError("seed: OpenAI's Responses take none; leave it out, or use -O api=chat")
        size = sum(len(part.get("image_url", {}).get("url", "")) for one in seen for part in one.held.parts)
        if size > MOST_BYTES:
            fit = _frames(seen) * MOST_BYTES // size
            raise RequestError(
                f"OpenAI takes pictures of {MOST_BYTES / 1e6:g} MB at once, not {size / 1e6:.0f}; send fewer "
                f"with --frames {fit}, or smaller ones with -O long_side=PIXELS"
            )

    def _answer(
        self,
        body: Mapping[str, Any],
        messages: Sequence[Message],
        longest: Manner,
        seen: Sequence[Seen],
        heard: list[str],
    ) -> Generator[str, None, Said]:
        prompt_tokens = sum(each.tokens for each in seen) + sum(map(_text_tokens, messages))
        question = Question(
            openai.NAME,
            self.model,
            self._url,
            body,
            self._secrets,
            prompt_tokens,
            answer_tokens=longest.max_tokens,
            repeatable=longest.temperature == 0,
        )
        asking = self._till.ask(
            question,
            partial(self._hear, longest, seen),
            partial(self._refusal, longest, seen),
            openai.RULES,
        )
        told = yield from noted(asking, heard.append)
        return Said(
            told.text,
            prompt_tokens=prompt_tokens if told.prompt_tokens is None else told.prompt_tokens,
            answer_tokens=len(heard) if told.answer_tokens is None else told.answer_tokens,
            cut=told.cut,
        )

    def _hear(
        self, longest: Manner, seen: Sequence[Seen], pieces: Iterator[bytes]
    ) -> Generator[str, None, Heard]:
        ending, said = Ending(), list[str]()
        try:
            for piece in self.shape.hear(_objects(pieces), ending):
                said.append(piece)
                yield piece
        except RefusalError as refusal:
            if refusal.is_overflow:
                raise self._overflow(refusal, longest, seen) from None
            raise openai.failed(refusal.code, refusal.message) from None
        except UnknownOutcomeError:
            # Nothing but the count of tokens comes after the end of an answer.
            if not ending.finished:
                raise
        if ending.refusal:
            raise ModeratedError(f"OpenAI: {self.model} declines: {one_line(ending.refusal)}", "output")
        if ending.withheld:
            raise ModeratedError("OpenAI: its filter stopped the answer for what it says", "output")
        if not ending.finished:
            raise UnknownOutcomeError("OpenAI ended its answer before it was finished")
        return Heard(
            "".join(said),
            ending.prompt_tokens,
            ending.answer_tokens,
            ending.cached_tokens,
            ending.written_tokens,
            ending.cut,
        )

    def _refusal(self, longest: Manner, seen: Sequence[Seen], reply: Reply) -> MoviolaError:
        words = said_by(reply.body.decode(errors="replace"))
        refusal = RefusalError(reply.status, words, code=openai.code_of(reply))
        if refusal.is_overflow:
            return self._overflow(refusal, longest, seen)
        if reply.status == 429 and (counts := openai.beyond(words)) is not None:
            limit, sent = counts
            fit = _frames(seen) * max(0, limit - longest.max_tokens) // sent
            fewer = f"send fewer frames with --frames {fit}" if fit else "ask shorter"
            return RequestError(
                f"your key may have {limit} tokens a minute read by {self.model}, and this question has "
                f"{sent}; {fewer}: {refusal}"
            )
        return openai.refused(reply, self.model, self._model.successor)

    def _overflow(self, refusal: RefusalError, longest: Manner, seen: Sequence[Seen]) -> RequestError:
        frames = _frames(seen)
        shown = f" with {frames} frames" if frames else ""
        less = remedy(refusal, frames, longest.max_tokens)
        return RequestError(f"{self.model} cannot read it all{shown}; {less}: {refusal}")


def _extra(field: str | None, body: Mapping[str, Any], manner: Manner) -> str | None:
    """The field of a question that was refused, where it can do without."""
    name = (field or "").partition(".")[0]
    wanted = (name == "temperature" and manner.temperature > 0) or name in ("top_p", "seed")
    return name if name in body and name in _EXTRAS and not wanted else None


def _frames(seen: Sequence[Seen]) -> int:
    return sum(each.held.frames or 0 for each in seen)


def _text_tokens(message: Message) -> int:
    """About how many tokens a turn's text takes: at most one for every three letters of most languages."""
    content = message["content"]
    parts = [content] if isinstance(content, str) else [part.get("text", "") for part in content]
    return 8 + sum(len(part) // 3 + 1 for part in parts)


def _objects(pieces: Iterator[bytes]) -> Iterator[Mapping[str, Any]]:
    """The events of an answer. Raises UnknownOutcomeError for what is none."""
    for data in events(pieces):
        if data.strip() == "[DONE]":
            return
        try:
            event = json.loads(data)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            raise UnknownOutcomeError("OpenAI sends what makes no sense in the middle of its answer")
        yield event

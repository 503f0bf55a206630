"""Speaker and talk on a server."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from moviola.card import Understanding
from moviola.errors import InputError, MoviolaError, RequestError
from moviola.pipeline import mapped
from moviola.understanding.decoding import pictures_of
from moviola.understanding.served.options import Options, facts, tokens
from moviola.understanding.served.pictures import Part, jpeg, text, timed, whole_file
from moviola.understanding.served.refusals import RefusalError, remedy, said_by
from moviola.understanding.served.server import Listed, Server
from moviola.understanding.speaker import Manner, Said, Seen, Sight

Message = dict[str, Any]

_EXTRAS = ("response_format", "stream_options")
"""Fields that a server may not know; it is asked again without those it refuses."""


def speaker(url: str, model: str | None = None, options: Options | None = None) -> ServedSpeaker:
    """A speaker on the server at an address, which may be given with or without its `/v1`.

    model: a name the server knows; None takes the first that it lists.
    Raises RequestError for what is no address; InputError where no server answers, one wants a key,
    or names no model.
    """
    options = options or Options()
    server = Server(url, options.timeout)
    listed = server.models()
    if model is None:
        if not listed:
            raise InputError(f"{server.name} does not say which models it has; name one with --model")
        model = listed[0].name
    return ServedSpeaker(server, model, listed, options)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What stands for a video in a message. frames: how many pictures that are; None for a file."""

    parts: list[Part]
    frames: int | None


class ServedSpeaker:
    """model: the server's name for it. encoded: how many frames were made pictures so far."""

    def __init__(self, server: Server, model: str, listed: Sequence[Listed], options: Options) -> None:
        context = next((each.context for each in listed if each.name == model), None)
        self.model = model
        self.encoded = 0
        self._facts = facts(options, context)
        self._server, self._options = server, options
        self._models = [each.name for each in listed]
        self._refused: frozenset[str] = frozenset()

    @property
    def facts(self) -> Understanding:
        return self._facts

    @property
    def batch(self) -> int:
        return self._options.parallel

    def tokens(self, frames: int, width: int, height: int) -> int:
        """An estimate: how a server's model divides pictures is not known."""
        return tokens(frames, width, height, self._options)

    def see(self, sight: Sight) -> Seen:
        stretch = f"a video from {sight.start:.1f}s to {sight.stop:.1f}s"
        size = sight.clip.width, sight.clip.height
        if self._options.send == "video":
            # Which frames the server looks at it does not say.
            shown = _Shown([whole_file(sight, self._options)], None)
            return Seen(f"This is {stretch}:", self.tokens(len(sight), *size), np.empty(0), shown)
        pictures, seconds = pictures_of(sight, lambda picture: jpeg(picture, self._options))
        self.encoded += len(pictures)
        opening = f"Here are frames of {stretch}, each after its time:"
        count = self.tokens(len(pictures), *size)
        return Seen(opening, count, seconds, _Shown(timed(pictures, seconds), len(pictures)))

    def talk(self, seen: Sequence[Seen], system: str | None = None) -> ServedTalk:
        if len(seen) > self.facts.videos:
            raise RequestError(
                f"a server is shown {self.facts.videos} videos at most, not {len(seen)}; ask about fewer"
            )
        return ServedTalk(self, seen, system)

    def say(
        self, questions: Sequence[tuple[Sequence[Seen], str]], manner: Manner, system: str | None = None
    ) -> list[Said]:
        """Several at a time: servers answer them together."""

        def one(question: tuple[Sequence[Seen], str]) -> Said:
            return _finished(self.talk(question[0], system).ask(question[1], manner))

        return list(mapped(one, questions, self._options.parallel))

    def spoken(
        self, messages: Sequence[Message], manner: Manner, seen: Sequence[Seen], heard: list[str]
    ) -> Generator[str, None, Said]:
        """The answer to the last of some messages. seen: the videos in them. heard: takes what is yielded."""
        refused = self._refused
        while True:
            body = self._body(messages, manner, refused)
            try:
                said = yield from self._answer(body, seen, heard)
            except RefusalError as refusal:
                extra = None if heard else _extra(refusal, body)
                if extra is None:
                    raise self._told(refusal, manner, seen, heard) from None
                refused |= {extra}
            else:
                self._refused |= refused
                return said

    def _body(
        self, messages: Sequence[Message], manner: Manner, refused: frozenset[str]
    ) -> Mapping[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": list(messages),
            "max_tokens": manner.max_tokens,
            "temperature": manner.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if manner.top_p < 1:
            body["top_p"] = manner.top_p
        if manner.seed is not None:
            body["seed"] = manner.seed
        if manner.schema is not None:
            schema = {"name": "answer", "strict": True, "schema": manner.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return {name: value for name, value in body.items() if name not in refused}

    def _answer(
        self, body: Mapping[str, Any], seen: Sequence[Seen], heard: list[str]
    ) -> Generator[str, None, Said]:
        usage: Mapping[str, Any] = {}
        finish: str | None = None
        try:
            for event in self._server.answer(body):
                if event.get("error"):
                    raise RefusalError(None, said_by(event))
                usage = event.get("usage") or usage
                for choice in event.get("choices") or ():
                    finish = choice.get("finish_reason") or finish
                    # Thoughts come in fields of other names, and are no part of the answer.
                    piece = (choice.get("delta") or {}).get("content")
                    if isinstance(piece, str) and piece:
                        heard.append(piece)
                        yield piece
        except InputError as error:
            # Nothing but the count of tokens comes after the end of an answer.
            if finish is None:
                raise _broken(str(error), heard) from error
        if finish is None:
            raise _broken(f"{self._server.name} ended its answer before it was finished", heard)
        # A server that does not count sends about one piece for each token.
        return Said(
            "".join(heard),
            prompt_tokens=usage.get("prompt_tokens") or sum(each.tokens for each in seen),
            answer_tokens=usage.get("completion_tokens") or len(heard),
            cut=finish == "length",
        )

    def _told(
        self, refusal: RefusalError, manner: Manner, seen: Sequence[Seen], heard: list[str]
    ) -> MoviolaError:
        """One line for the user."""
        server = self._server.name
        if heard:
            return _broken(f"{server} gave up: {refusal}", heard)
        if refusal.status in (401, 403):
            return self._server.locked(refusal.status)
        if refusal.status == 404 and self._models and self.model not in self._models:
            return InputError(f"{server} has no model {self.model}; it has: {', '.join(self._models)}")
        frames = sum(each.held.frames or 0 for each in seen)
        if refusal.most_pictures is not None:
            return RequestError(
                f"{self.model} at {server} takes {refusal.most_pictures} frames at most, not {frames}; "
                f"use --frames {refusal.most_pictures}, or start it with a higher limit: {refusal}"
            )
        if refusal.is_overflow:
            shown = f" with {frames} frames" if frames else ""
            less = remedy(refusal, frames, manner.max_tokens)
            return RequestError(f"{self.model} at {server} cannot read it all{shown}; {less}: {refusal}")
        shown = f" ({frames} frames were sent)" if frames else ""
        return InputError(f"{server} refuses the question{shown}: {refusal}")


class ServedTalk:
    """The whole talk goes to the server with each question; what it has read before it finds in its cache."""

    def __init__(self, speaker: ServedSpeaker, seen: Sequence[Seen], system: str | None) -> None:
        self._speaker, self._seen = speaker, seen
        self._messages: list[Message] = []
        self._said = False
        if system is not None:
            self._messages.append({"role": "system", "content": system})

    def ask(self, question: str, manner: Manner) -> Generator[str, None, Said]:
        turn = {"role": "user", "content": self._content(question)}
        heard: list[str] = []
        try:
            said = yield from self._speaker.spoken([*self._messages, turn], manner, self._seen, heard)
        except GeneratorExit:
            self._keep(turn, heard)
            raise
        self._keep(turn, heard)
        return said

    def _content(self, question: str) -> str | list[Part]:
        """The videos go with the first question."""
        if self._said or not self._seen:
            return question
        parts = []
        for number, seen in enumerate(self._seen, 1):
            name = f"Video {number}. " if len(self._seen) > 1 else ""
            parts += [text(name + seen.text), *seen.held.parts]
        return [*parts, text(question)]

    def _keep(self, turn: Message, heard: Sequence[str]) -> None:
        self._messages += [turn, {"role": "assistant", "content": "".join(heard)}]
        self._said = True


def _extra(refusal: RefusalError, body: Mapping[str, Any]) -> str | None:
    """The field to leave out of the next attempt: one that the server names, else any it may not know."""
    if (
        refusal.status not in (None, 400, 422, 501)
        or refusal.is_overflow
        or refusal.most_pictures is not None
    ):
        return None
    sent = [name for name in _EXTRAS if name in body]
    return next((name for name in sent if name in refusal.message), next(iter(sent), None))


def _broken(why: str, heard: Sequence[str]) -> InputError:
    """What was heard is no whole answer, and is not given out as one."""
    so_far = len("".join(heard))
    return InputError(f"{why}, after {so_far} characters of the answer" if so_far else why)


def _finished(asking: Generator[str, None, Said]) -> Said:
    while True:
        try:
            next(asking)
        except StopIteration as end:
            said: Said = end.value
            return said

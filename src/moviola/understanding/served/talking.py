"""Speaker and talk on a server, a user's own or a provider's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from moviola.card import Understanding
from moviola.errors import InputError, MoviolaError, RequestError
from moviola.understanding.decoding import pictures_of
from moviola.understanding.served.chat_completions import ChatCompletions
from moviola.understanding.served.options import Options, Pictured, facts, tokens
from moviola.understanding.served.pictures import Part, jpeg, text, timed, whole_file
from moviola.understanding.served.refusals import RefusalError, remedy
from moviola.understanding.served.server import Listed, Server
from moviola.understanding.served.shape import Ending, Message, Shape
from moviola.understanding.speaker import Manner, Said, Seen, Sight, say_at_once

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
class Shown:
    """What stands for a video in a message. frames: how many pictures that are; None for a file."""

    parts: list[Part]
    frames: int | None


class Remote(ABC):
    """What all speakers have in common that send a whole talk with each question, in an API of OpenAI's.

    model: the server's name for it. encoded: how many frames were made pictures so far.
    """

    def __init__(self, model: str, facts: Understanding, shape: Shape, options: Pictured) -> None:
        self.model = model
        self.encoded = 0
        self.shape = shape
        self._facts, self._options = facts, options

    @property
    def facts(self) -> Understanding:
        return self._facts

    @property
    def batch(self) -> int:
        return self._options.parallel

    def tokens(self, frames: int, width: int, height: int) -> int:
        """An estimate: how a server's model divides pictures is not known."""
        return tokens(frames, width, height, self._options.long_side)

    def see(self, sight: Sight) -> Seen:
        pictures, seconds = pictures_of(sight, lambda picture: jpeg(picture, self._options))
        self.encoded += len(pictures)
        opening = f"Here are frames of {stretch(sight)}, each after its time:"
        count = self.tokens(len(pictures), sight.clip.width, sight.clip.height)
        shown = Shown(timed(pictures, seconds, self._options.detail), len(pictures))
        return Seen(opening, count, seconds, shown)

    def talk(self, seen: Sequence[Seen], system: str | None = None) -> RemoteTalk:
        if len(seen) > self.facts.videos:
            raise RequestError(
                f"{self.model} is shown {self.facts.videos} videos at most, not {len(seen)}; ask about fewer"
            )
        return RemoteTalk(self, seen, system)

    def say(
        self, questions: Sequence[tuple[Sequence[Seen], str]], manner: Manner, system: str | None = None
    ) -> list[Said]:
        """Several at a time: servers answer them together."""
        return say_at_once(self, questions, manner, system, self._options.parallel)

    @abstractmethod
    def spoken(
        self, messages: Sequence[Message], manner: Manner, seen: Sequence[Seen], heard: list[str]
    ) -> Generator[str, None, Said]:
        """The answer to the last of some messages. seen: the videos in them. heard: takes what is yielded."""


class ServedSpeaker(Remote):
    """A model on a server of the user's."""

    _options: Options

    def __init__(self, server: Server, model: str, listed: Sequence[Listed], options: Options) -> None:
        context = next((each.context for each in listed if each.name == model), None)
        super().__init__(model, facts(options, context), ChatCompletions(), options)
        self._server = server
        self._models = [each.name for each in listed]
        self._refused: frozenset[str] = frozenset()

    def see(self, sight: Sight) -> Seen:
        if self._options.send != "video":
            return super().see(sight)
        # Which frames the server looks at it does not say.
        shown = Shown([whole_file(sight, self._options)], None)
        count = self.tokens(len(sight), sight.clip.width, sight.clip.height)
        return Seen(f"This is {stretch(sight)}:", count, np.empty(0), shown)

    def spoken(
        self, messages: Sequence[Message], manner: Manner, seen: Sequence[Seen], heard: list[str]
    ) -> Generator[str, None, Said]:
        """The answer to the last of some messages. seen: the videos in them. heard: takes what is yielded."""
        refused = self._refused
        while True:
            whole = self.shape.body(self.model, messages, manner)
            body = {name: value for name, value in whole.items() if name not in refused}
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

    def _answer(
        self, body: Mapping[str, Any], seen: Sequence[Seen], heard: list[str]
    ) -> Generator[str, None, Said]:
        ending = Ending()
        try:
            for piece in self.shape.hear(self._server.answer(body), ending):
                heard.append(piece)
                yield piece
        except InputError as error:
            # Nothing but the count of tokens comes after the end of an answer.
            if not ending.finished:
                raise _broken(str(error), heard) from error
        if not ending.finished:
            raise _broken(f"{self._server.name} ended its answer before it was finished", heard)
        # A server that does not count sends about one piece for each token.
        return Said(
            "".join(heard),
            prompt_tokens=ending.prompt_tokens or sum(each.tokens for each in seen),
            answer_tokens=ending.answer_tokens or len(heard),
            cut=ending.cut,
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


class RemoteTalk:
    """The whole talk goes to the server with each question; what it has read before it finds in its cache."""

    def __init__(self, speaker: Remote, seen: Sequence[Seen], system: str | None) -> None:
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


def stretch(sight: Sight) -> str:
    return f"a video from {sight.start:.1f}s to {sight.stop:.1f}s"


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

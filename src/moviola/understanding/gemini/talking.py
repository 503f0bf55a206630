"""Speaker and talk at the Gemini API."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from moviola.card import ModelCard, Understanding
from moviola.errors import HostedError, RequestError
from moviola.generators import finished, noted
from moviola.hosted.answers import Heard
from moviola.hosted.patience import patiently
from moviola.hosted.providers.gemini import PREPARING, RULES, Hearing, address
from moviola.hosted.providers.gemini_files import NAME, GeminiFiles, secrets_of, server, user_key
from moviola.hosted.providers.google_replies import refusal
from moviola.hosted.service import ASSET, Upload
from moviola.hosted.till import Question, Till
from moviola.hosted.transport import Reply
from moviola.understanding.gemini.options import (
    CONTEXT,
    MOST_ANSWER,
    Options,
    fed,
    film_tokens,
    generation,
    picture_tokens,
    tokens,
)
from moviola.understanding.gemini.schema import taken
from moviola.understanding.gemini.sending import (
    INLINE,
    SMALL,
    Film,
    Part,
    Shown,
    film_of,
    inline,
    metadata,
    pictures,
)
from moviola.understanding.served.events import events
from moviola.understanding.speaker import Manner, Said, Seen, Sight, say_at_once

T = TypeVar("T")

Turn = dict[str, Any]

_QUESTION = 256
"""Tokens of a question and what stands around it, about."""

_LETTERS = 3
"""Letters of a token, at least, in most languages."""


class GeminiSpeaker:
    """name: by which Google knows the model."""

    def __init__(self, card: ModelCard, name: str, options: Options, till: Till) -> None:
        """Raises NotAuthorizedError without a key, InputError for one that cannot be."""
        self._card, self._options, self._till = card, options, till
        self._server, self._key = server(), user_key()
        self._files = GeminiFiles(till.transport, self._key, self._server)
        self._facts = fed(name, options)
        self._bringing = threading.Lock()
        self.name = name

    @property
    def facts(self) -> Understanding:
        return self._facts

    @property
    def batch(self) -> int:
        return self._options.parallel

    def tokens(self, frames: int, width: int, height: int) -> int:
        """The same for every size: Gemini makes as many of each frame."""
        return tokens(self.name, self._options, frames)

    def see(self, sight: Sight) -> Seen:
        options, name = self._options, sight.clip.source.name
        if options.uri is not None:
            return self._elsewhere(sight, Shown(uri=options.uri))
        told = []
        if options.send != "frames":
            film = film_of(sight, options.send == "file")
            if isinstance(film, Film) and (options.send != "inline" or film.size <= INLINE):
                return self._elsewhere(sight, Shown(film=film))
            why = "it is too large" if isinstance(film, Film) else film
            if options.send != "auto":
                raise RequestError(f"send={options.send} cannot send {name}: {why}; leave send out")
            told.append(f"{name} is sent as frames, without its sound: {why}")
        shown, seconds, notes = pictures(sight, options)
        count = picture_tokens(self.name, options.resolution, len(seconds))
        opening = f"Here are frames of {_stretch(sight)}, each after its time:"
        return Seen(opening, count, seconds, shown, (*told, *notes))

    def _elsewhere(self, sight: Sight, shown: Shown) -> Seen:
        """What Gemini takes frames of itself."""
        told = metadata(sight)
        length, sound = sight.stop - sight.start, bool(sight.clip.info.audio)
        count = film_tokens(self.name, self._options.resolution, len(sight), length, sound)
        if count > CONTEXT:
            raise RequestError(
                f"{sight.clip.source.name} would be {count} tokens, and {self._card.id} reads {CONTEXT}; ask "
                "about less of it with --at, part by part with --part 1h, or with -O send=frames"
            )
        seconds = sight.start + np.arange(len(sight), dtype=np.float64) * (length / len(sight))
        return Seen(f"This is {_stretch(sight)}:", count, seconds, replace(shown, metadata=told))

    def talk(self, seen: Sequence[Seen], system: str | None = None) -> GeminiTalk:
        if len(seen) > self.facts.videos:
            raise RequestError(
                f"{self._card.id} is shown {self.facts.videos} videos at most, not {len(seen)}; "
                "ask about fewer"
            )
        if len(seen) > 1 and self._options.uri is not None:
            raise RequestError(f"uri stands for one video, and {len(seen)} are given")
        return GeminiTalk(self, seen, system)

    def say(
        self, questions: Sequence[tuple[Sequence[Seen], str]], manner: Manner, system: str | None = None
    ) -> list[Said]:
        """Several at a time."""
        return say_at_once(self, questions, manner, system, self._options.parallel)

    def parts(self, seen: Sequence[Seen]) -> tuple[list[Part], dict[str, Upload]]:
        """What stands for videos, and the files that Google has to be brought, by what stands there for their
        addresses.

        Raises RequestError where they are too large for one question; InputError for what cannot be read.
        """
        room, parts, uploads = INLINE, list[Part](), dict[str, Upload]()
        for number, each in enumerate(seen, 1):
            called = f"Video {number}. " if len(seen) > 1 else ""
            parts.append({"text": called + each.text})
            shown: Shown = each.held
            film = shown.film
            if film is None and shown.uri is None:
                parts += shown.parts
                room -= shown.size
                continue
            if film is None:
                part: Part = {"fileData": {"fileUri": shown.uri}}
            elif self._goes_inline(shown, film, room):
                part = inline(film.kind, film.content())
                room -= film.size
            else:
                assert film.upload is not None
                upload = film.upload()
                part = {"fileData": {"fileUri": ASSET + upload.sha256, "mimeType": film.kind}}
                uploads[ASSET + upload.sha256] = upload
            parts.append({**part, "videoMetadata": dict(shown.metadata)})
        if room < 0:
            raise RequestError(
                f"these videos are too large for one question of {INLINE / 1e6:.0f} MB; ask about fewer"
            )
        return parts, uploads

    def _goes_inline(self, shown: Shown, film: Film, room: int) -> bool:
        """Of a long video every part or scene is asked about: its file is not sent with each of them."""
        if film.upload is None or self._options.send != "auto":
            return film.upload is None or self._options.send == "inline"
        whole = "startOffset" not in shown.metadata and "endOffset" not in shown.metadata
        return film.size <= (room if whole else min(room, SMALL))

    def brought(self, uploads: Mapping[str, Upload]) -> dict[str, str]:
        """Where Google keeps files, by the names in `uploads`.

        Each is brought once, and waited for until Google has prepared it. Raises HostedError, InputError.
        """
        kept = {}
        for name, upload in uploads.items():
            # Of several questions about one video only the first brings it.
            with self._bringing:
                bring = partial(self._files.upload, upload)
                kept[name] = finished(patiently(bring, PREPARING, self._till.transport.clock)).url
        return kept

    def spoken(
        self,
        turns: Sequence[Turn],
        system: str | None,
        manner: Manner,
        shown: Sequence[Seen],
        kept: Mapping[str, str],
    ) -> Generator[str, None, Said]:
        """The answer to the last of some turns. shown: the videos in them. kept: as `brought`."""
        most = min(manner.max_tokens + self._options.thinking_room, MOST_ANSWER)
        body: dict[str, Any] = {"contents": turns, "generationConfig": self._config(manner, most, shown)}
        if system is not None:
            body["systemInstruction"] = {"parts": [{"text": system}]}
        hearing = Hearing(self.name)

        def hear(pieces: Iterator[bytes]) -> Generator[str, None, Heard]:
            return hearing.hear(events(pieces))

        question = Question(
            provider=NAME,
            model=self.name,
            url=address(self._server, self.name),
            body={**body, "contents": _addressed(turns, kept)},
            secrets=secrets_of(self._key),
            prompt_tokens=sum(each.tokens for each in shown) + _letters(turns) // _LETTERS + _QUESTION,
            answer_tokens=most,
            repeatable=manner.temperature == 0 or manner.seed is not None,
            same=body if kept else None,
        )
        answer = yield from self._till.ask(question, hear, self._refused, RULES)
        if hearing.other:
            self._till.tell(
                f"{hearing.spoke} answered in place of {self.name}; Google bills it, at its own prices"
            )
        return Said(
            answer.text,
            prompt_tokens=question.prompt_tokens if answer.prompt_tokens is None else answer.prompt_tokens,
            answer_tokens=len(answer.text) // _LETTERS
            if answer.answer_tokens is None
            else answer.answer_tokens,
            cut=answer.cut,
        )

    def _config(self, manner: Manner, most: int, shown: Sequence[Seen]) -> Mapping[str, Any]:
        config: dict[str, Any] = {"maxOutputTokens": most}
        latest = generation(self.name) >= 3
        # Google wants neither told to models since Gemini 3; what was not asked for is not.
        if manner.temperature > 0 or not latest:
            config["temperature"] = manner.temperature
        if manner.top_p < 1:
            config["topP"] = manner.top_p
        if manner.seed is not None:
            # It has 31 bits there.
            config["seed"] = manner.seed % 2**31
        resolution = self._options.resolution
        if resolution is None and latest and any(each.held.parts for each in shown):
            resolution = "low"
        if resolution is not None:
            config["mediaResolution"] = f"MEDIA_RESOLUTION_{resolution.upper()}"
        if self._options.thinking is not None:
            config["thinkingConfig"] = {"thinkingLevel": self._options.thinking.upper()}
        if manner.schema is not None:
            config["responseMimeType"] = "application/json"
            config["responseJsonSchema"] = taken(manner.schema)
        return config

    def _refused(self, reply: Reply) -> HostedError:
        return refusal(NAME, reply)


class GeminiTalk:
    """The whole talk goes to Google with each question; what it has read before may cost less there."""

    def __init__(self, speaker: GeminiSpeaker, seen: Sequence[Seen], system: str | None) -> None:
        self._speaker, self._seen, self._system = speaker, seen, system
        self._shown, self._uploads = speaker.parts(seen)
        self._turns: list[Turn] = []
        self._kept: dict[str, str] | None = None

    def ask(self, question: str, manner: Manner) -> Generator[str, None, Said]:
        if self._kept is None:
            self._kept = self._speaker.brought(self._uploads)
        # The videos go with the first question, before its words.
        first = [] if self._turns else self._shown
        turn = {"role": "user", "parts": [*first, {"text": question}]}
        heard: list[str] = []
        answering = self._speaker.spoken([*self._turns, turn], self._system, manner, self._seen, self._kept)
        try:
            said = yield from noted(answering, heard.append)
        except GeneratorExit:
            self._keep(turn, "".join(heard))
            raise
        self._keep(turn, said.text)
        return said

    def _keep(self, turn: Turn, answer: str) -> None:
        # A turn without a word is refused.
        self._turns += [turn, {"role": "model", "parts": [{"text": answer or "…"}]}]


def _stretch(sight: Sight) -> str:
    return f"a video from {sight.start:.1f}s to {sight.stop:.1f}s"


def _addressed(turns: Sequence[Turn], kept: Mapping[str, str]) -> list[Turn]:
    """With the addresses of files in place of what stands for them."""

    def part(said: Part) -> Part:
        if "fileData" not in said:
            return said
        data = said["fileData"]
        return {**said, "fileData": {**data, "fileUri": kept.get(data["fileUri"], data["fileUri"])}}

    return [{**turn, "parts": [part(each) for each in turn["parts"]]} for turn in turns]


def _letters(turns: Sequence[Turn]) -> int:
    return sum(len(part.get("text", "")) for turn in turns for part in turn["parts"])

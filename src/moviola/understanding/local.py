"""A speaker whose network runs on this machine."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from moviola.card import ModelCard, Understanding
from moviola.errors import ModelError, RequestError
from moviola.frames import Pixels
from moviola.generators import finished
from moviola.model import Context, Events
from moviola.plan.speaking import TALK
from moviola.understanding.decoding import pictures_of
from moviola.understanding.generating import Speech, drawn
from moviola.understanding.memory import Memory
from moviola.understanding.rewinding import Mark
from moviola.understanding.seeing import QUESTION
from moviola.understanding.speaker import Manner, Said, Seen, Sight
from moviola.understanding.vision_language import Tone, VisionLanguage

if TYPE_CHECKING:
    from moviola.tasks import Task


Asked = tuple[Sequence[Seen], str]
"""Videos, and a question about them."""

_BATCH = {"cpu": 1, "mps": 4, "cuda": 8}
"""Questions in one pass: words are drawn one by one, which leaves a GPU mostly idle with a single one."""


class LocalSpeaker:
    """A vision-language network with everything that is needed to show it videos and to talk with it.

    memory: where features are kept between talks; None keeps nothing.
    """

    def __init__(
        self, card: ModelCard, network: VisionLanguage, *, device: str, memory: Memory | None = None
    ) -> None:
        assert card.understanding is not None, f"{card.id} answers no questions"
        self.card = card
        self.network = network
        self.device = torch.device(device)
        self.memory = memory
        self._usual = network.dialect
        self.encoded = 0
        """Frames that were encoded so far."""
        ends = [network.tokenizer.convert_tokens_to_ids(stop) for stop in network.dialect.stops]
        unknown = network.tokenizer.unk_token_id
        self.stop_ids = {end for end in ends if end is not None and end != unknown}
        if network.tokenizer.eos_token_id is not None:
            self.stop_ids.add(network.tokenizer.eos_token_id)
        # Conversions add marks that transformers does not list among the special ones.
        added = getattr(network.tokenizer, "added_tokens_decoder", {}).values()
        self.marks = {*network.tokenizer.all_special_tokens, *(str(mark) for mark in added if mark.special)}
        self.stop_texts = [
            stop
            for stop, end in zip(network.dialect.stops, ends, strict=True)
            if end is None or end == unknown
        ]

    def ready(self, options: Any, *, cache: bool) -> LocalSpeaker:
        """Itself, for a request with these options of its family's. cache: whether features are kept."""
        self.network.dialect = options.dialect(self._usual) if isinstance(options, Tone) else self._usual
        if not cache:
            self.memory = None
        return self

    @property
    def facts(self) -> Understanding:
        assert self.card.understanding is not None
        return self.card.understanding

    @property
    def batch(self) -> int:
        return _BATCH[self.device.type]

    def run(self, request: Task, options: Any, context: Context) -> Events:
        from moviola.understanding.work import work

        return work(self.ready(options, cache=True), self.card.id, request, context.clips)

    def tokens(self, frames: int, width: int, height: int) -> int:
        return self.network.tokens(frames, height, width)

    def see(self, sight: Sight) -> Seen:
        known = None if self.memory is None else self.memory.recall(sight)
        if known is None:
            pictures, seconds = pictures_of(sight, self._fit(sight))
            with enough_memory(self.card, f"{len(pictures)} frames"):
                features = self.network.see(torch.stack(pictures), seconds, sight.start, sight.stop)
            self.encoded += len(pictures)
            if self.memory is not None:
                self.memory.keep(sight, features, seconds.tolist())
        else:
            features, seconds = known[0], np.asarray(known[1])
        return Seen(features.text, len(self.ids(features.text, beginning=False)), seconds, features)

    def _fit(self, sight: Sight) -> Callable[[Pixels], Tensor]:
        fit = self.network.fit(len(sight), sight.clip.height, sight.clip.width)
        return lambda picture: fit(torch.from_numpy(picture).permute(2, 0, 1)[None])[0].contiguous()

    def ids(self, text: str, *, beginning: bool) -> list[int]:
        """beginning: of a talk, where the tokenizer may put tokens of its own."""
        ids: list[int] = self.network.tokenizer(text, add_special_tokens=beginning)["input_ids"]
        return ids

    def beginning(self, seen: Sequence[Seen], question: str, system: str | None) -> str:
        """The text of a talk up to its first answer."""
        told = None if system is None else self.plain(system)
        return self.network.dialect.beginning([each.text for each in seen], self.plain(question), told)

    def plain(self, text: str) -> str:
        """What a person said, without what would be read as a mark: of a video, a turn, the end of a talk."""
        before = None
        # Taking one out may put another together.
        while before != text:
            before = text
            for mark in self.marks:
                text = text.replace(mark, "")
        return text

    def decoded(self, ids: Sequence[int]) -> str:
        text: str = self.network.tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def speech(self) -> Speech:
        dialect = self.network.dialect
        return Speech(self.decoded, self.stop_texts, None if dialect.aloud else dialect.thoughts)

    def answer(self, ids: Sequence[int]) -> list[int]:
        """What of the tokens that were said stays in a talk: not the thoughts."""
        thoughts = self.network.dialect.thoughts
        if thoughts is None:
            return list(ids)
        end = self.network.tokenizer.convert_tokens_to_ids(thoughts)
        after = list(ids[ids.index(end) + 1 :]) if end in ids else []
        while after and not self.decoded(after[:1]).strip("\n"):
            after = after[1:]
        return after

    def talk(self, seen: Sequence[Seen], system: str | None = None) -> LocalTalk:
        if len(seen) > self.facts.videos:
            raise RequestError(
                f"{self.card.id} takes {_count(self.facts.videos, 'video')} at once, not {len(seen)}; "
                "ask about fewer, or another model"
            )
        return LocalTalk(self, seen, system)

    def say(self, questions: Sequence[Asked], manner: Manner, system: str | None = None) -> list[Said]:
        said: list[Said] = []
        for group in self._groups(questions, manner):
            if len(group) == 1:
                ((seen, question),) = group
                said.append(finished(self.talk(seen, system).ask(question, manner)))
            else:
                said += self._batch(group, manner, system)
        return said

    def _groups(self, questions: Sequence[Asked], manner: Manner) -> Iterator[list[Asked]]:
        """Questions in turn, as many at once as fit into `TALK` tokens; all are as long as the longest."""
        group: list[Asked] = []
        longest = 0
        for asked in questions:
            length = sum(each.tokens for each in asked[0]) + manner.max_tokens + QUESTION
            if group and (len(group) + 1) * max(longest, length) > TALK:
                yield group
                group, longest = [], 0
            group.append(asked)
            longest = max(longest, length)
        if group:
            yield group

    def check_room(self, prompt: int, manner: Manner, seen: Sequence[Seen]) -> None:
        """Raises RequestError where a prompt of so many tokens and an answer do not fit."""
        context = self.facts.context
        if prompt + manner.max_tokens <= context:
            return
        shown = sum(each.tokens for each in seen)
        line = (
            f"the prompt takes {prompt} tokens, {shown} of them for frames, and the answer up to "
            f"{manner.max_tokens}; {self.card.id} reads {context} in all"
        )
        frames = sum(len(each.seconds) for each in seen)
        if shown and frames:
            fit = int((context - manner.max_tokens - (prompt - shown)) / (shown / frames))
            if fit > 0:
                raise RequestError(f"{line}: {fit} of the {frames} frames fit; use --frames {fit}")
        raise RequestError(f"{line}; ask shorter, or use a smaller --max-tokens")

    def _batch(self, questions: Sequence[Asked], manner: Manner, system: str | None) -> list[Said]:
        rows = []
        for seen, question in questions:
            text = self.beginning(seen, question, system)
            rows.append(self.ids(text + self.network.dialect.prelude, beginning=True))
            self.check_room(len(rows[-1]), manner, seen)
        longest = max(map(len, rows))
        # What stands in the padding is masked, but it must not be a placeholder.
        padding = next(iter(self.stop_ids), 0)
        ids = torch.tensor([[padding] * (longest - len(row)) + row for row in rows], device=self.device)
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=self.device)
        cache = DynamicCache()
        self.network.restore(None)
        videos = [[each.held for each in seen] for seen, _ in questions]
        with enough_memory(self.card, f"{ids.numel()} tokens"):
            logits = self.network.read(ids, videos, cache, mask)
        speeches = [self.speech() for _ in rows]
        counts, over, cut = [0] * len(rows), [False] * len(rows), [False] * len(rows)
        for step in drawn(self.network, logits, cache, mask, manner):
            for number, token in enumerate(step.tolist()):
                if over[number]:
                    continue
                counts[number] += 1
                if token not in self.stop_ids:
                    speeches[number].add(token)
                cut[number] = counts[number] == manner.max_tokens and token not in self.stop_ids
                over[number] = token in self.stop_ids or speeches[number].over or cut[number]
            if all(over):
                break
        for speech in speeches:
            speech.end()
        return [
            Said(speech.text.strip(), len(row), count, cut=short)
            for speech, row, count, short in zip(speeches, rows, counts, cut, strict=True)
        ]


class LocalTalk:
    """Questions about the same videos; what was read before is in the cache of keys and values."""

    def __init__(self, speaker: LocalSpeaker, seen: Sequence[Seen], system: str | None) -> None:
        self._speaker = speaker
        self._seen = list(seen)
        self._system = system
        self._cache = DynamicCache()
        self._state: Any = None
        self._said: list[int] = []  # all tokens of the last answer
        self._read = 0  # how many of them are in the cache
        self._mark: Mark | None = None  # before the prelude of the last answer
        self._begun = False

    def ask(self, question: str, manner: Manner) -> Generator[str, None, Said]:
        speaker, network = self._speaker, self._speaker.network
        if self._begun and not speaker.facts.chat:
            raise RequestError(f"{speaker.card.id} answers one question at a time; begin anew")
        ids, prelude = self._unread() + self._prompt(question), self._prelude()
        before = self._cache.get_seq_length()
        prompt = before + len(ids) + len(prelude)
        speaker.check_room(prompt, manner, self._seen)
        network.restore(self._state)
        videos = [] if self._begun else [each.held for each in self._seen]
        with enough_memory(speaker.card, f"{prompt} tokens"):
            logits = network.read(torch.tensor([ids], device=speaker.device), [videos], self._cache)
        self._state, self._begun, self._said, self._read = network.state(), True, [], 0
        if prelude:
            self._mark = Mark(self._cache)
            logits = network.read(torch.tensor([prelude], device=speaker.device), [()], self._cache)
        speech = speaker.speech()
        count, cut = 0, False
        for (token,) in (step.tolist() for step in drawn(network, logits, self._cache, None, manner)):
            count += 1
            # The token before is in the cache by now.
            self._read = len(self._said)
            if token in speaker.stop_ids:
                break
            self._said.append(token)
            if new := speech.add(token):
                yield new
            cut = count == manner.max_tokens
            if speech.over or cut:
                break
        if rest := speech.end():
            yield rest
        return Said(speech.text.strip(), prompt, count, cut=cut)

    def _unread(self) -> list[int]:
        """What the cache lacks of the last answer, once it is rid of what does not stay in the talk."""
        if self._mark is None:
            return self._said[self._read :]
        self._mark.take_back(self._cache)
        return self._speaker.answer(self._said)

    def _prelude(self) -> list[int]:
        prelude = self._speaker.network.dialect.prelude
        return self._speaker.ids(prelude, beginning=False) if prelude else []

    def _prompt(self, question: str) -> list[int]:
        speaker = self._speaker
        if self._begun:
            text = speaker.network.dialect.going_on(speaker.plain(question))
            return speaker.ids(text, beginning=False)
        return speaker.ids(speaker.beginning(self._seen, question, self._system), beginning=True)


@contextmanager
def enough_memory(card: ModelCard, what: str) -> Iterator[None]:
    """Raises ModelError, saying what to do, where a device's memory runs out inside."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"memory ran out over {what} of {card.id}; use fewer --frames, a smaller --batch or --device cpu"
        ) from error


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"

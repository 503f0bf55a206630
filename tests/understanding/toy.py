"""A speaker that says plainly what it was shown and asked."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np

from moviola.card import Understanding
from moviola.generators import finished
from moviola.understanding.decoding import pictures_of
from moviola.understanding.speaker import Manner, Said, Seen, Sight

FACTS = Understanding(
    frames=4, max_frames=8, context=4096, frame_tokens=10, timed=True, videos=3, layers=1, key_width=1
)


@dataclass
class Toy:
    """asked: every question, and of how many videos. answers: said in turn, in place of its own."""

    facts: Understanding = FACTS
    batch: int = 2
    answers: list[str] = field(default_factory=list)
    asked: list[tuple[int, str]] = field(default_factory=list)
    seen: list[Sight] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def tokens(self, frames: int, width: int, height: int) -> int:
        return 10 * frames

    def see(self, sight: Sight) -> Seen:
        self.seen.append(sight)
        means, seconds = pictures_of(sight, lambda picture: picture.mean(axis=(0, 1)))
        return Seen("<video>", 10 * len(means), seconds, np.mean(means, axis=0))

    def talk(self, seen: Sequence[Seen], system: str | None = None) -> ToyTalk:
        return ToyTalk(self, seen)

    def say(
        self, questions: Sequence[tuple[Sequence[Seen], str]], manner: Manner, system: str | None = None
    ) -> list[Said]:
        self.batches.append(len(questions))
        return [finished(self.talk(seen).ask(question, manner)) for seen, question in questions]


@dataclass
class ToyTalk:
    toy: Toy
    seen: Sequence[Seen]
    turns: int = 0

    def ask(self, question: str, manner: Manner) -> Generator[str, None, Said]:
        self.turns += 1
        self.toy.asked.append((len(self.seen), question))
        if self.toy.answers:
            text = self.toy.answers.pop(0)
        else:
            shown = [f"{colour(each.held)} from {each.seconds[0]:.1f}" for each in self.seen]
            text = f"{self.turns}: " + (", ".join(shown) or "nothing")
        yield from re.findall(r"\S+\s*", text)
        shown_tokens = sum(each.tokens for each in self.seen)
        return Said(text, shown_tokens + len(question.split()), len(text.split()))


def colour(mean) -> str:
    return ("red", "green", "blue")[int(np.argmax(mean))]


def as_json(value) -> str:
    return json.dumps(value)

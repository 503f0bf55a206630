"""What sees videos and speaks about them, whether it runs here or on a server."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from moviola.card import Understanding
from moviola.clip import Clip
from moviola.frames import Seconds
from moviola.generators import finished
from moviola.pipeline import mapped


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """The frames of a stretch of a video that will be looked at; nothing is decoded yet.

    start, stop: of the stretch, in seconds on the clip's clock.
    indices: (N,) presentation indices, ascending. seconds: (N,) when each of them begins to be shown.
    distinct: whether frames that look like the one before are left out, as far as `least` remain, and a
        multiple of `group`.
    """

    clip: Clip
    start: float
    stop: float
    indices: NDArray[np.int64]
    seconds: Seconds
    distinct: bool = False
    least: int = 1
    group: int = 1

    def __len__(self) -> int:
        return len(self.indices)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a speaker keeps of a sight: no pictures, but what a prompt needs.

    text: what stands for the video in a prompt. tokens: how many these are.
    seconds: (N,) times of the frames that were seen. held: the speaker's own.
    notes: for the user, on what was not seen as asked, a sentence each.
    """

    text: str
    tokens: int
    seconds: Seconds
    held: Any
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manner:
    """How an answer is drawn.

    max_tokens: its longest. temperature: 0 takes the likeliest token, else logits are divided by it.
    top_p: only the likeliest tokens that together have this probability. seed: of chance.
    schema: JSON schema that the answer should satisfy, for speakers that can be held to one.
    """

    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A whole answer. prompt_tokens: before it, all turns together. cut: whether it met `max_tokens`."""

    text: str
    prompt_tokens: int
    answer_tokens: int
    cut: bool = False


class Talk(Protocol):
    """Questions about the same videos, each of which knows the ones before and their answers."""

    def ask(self, question: str, manner: Manner) -> Generator[str, None, Said]:
        """Yield the answer piece by piece as it is made; returns the whole.

        Closing the generator stops within one token, and the talk goes on as if the answer had ended there.
        Raises RequestError, saying how many frames would fit, where prompt and answer do not fit the context;
        InputError where a server cannot be reached or refuses; HostedError from a provider.
        """
        ...


class Speaker(Protocol):
    """Sees videos and speaks about them."""

    @property
    def facts(self) -> Understanding: ...

    @property
    def batch(self) -> int:
        """How many questions at once keep it busy."""
        ...

    def tokens(self, frames: int, width: int, height: int) -> int:
        """How many tokens so many frames of a size take in a prompt."""
        ...

    def see(self, sight: Sight) -> Seen:
        """Decode and encode a sight, or find in memory what was made of it before."""
        ...

    def talk(self, seen: Sequence[Seen], system: str | None = None) -> Talk:
        """Begin a talk about some videos, or about none. system: what is said before all else; None: its own.

        Raises RequestError for more videos than the model takes.
        """
        ...

    def say(
        self, questions: Sequence[tuple[Sequence[Seen], str]], manner: Manner, system: str | None = None
    ) -> list[Said]:
        """Answers to independent questions, each about its own videos, in one batch where that is faster."""
        ...


def say_at_once(
    speaker: Speaker,
    questions: Sequence[tuple[Sequence[Seen], str]],
    manner: Manner,
    system: str | None,
    count: int,
) -> list[Said]:
    """`Speaker.say` for one elsewhere, who answers so many questions at the same time."""

    def one(question: tuple[Sequence[Seen], str]) -> Said:
        return finished(speaker.talk(question[0], system).ask(question[1], manner))

    return list(mapped(one, questions, count))

"""What a network that reads pictures and text owes the house, and where it says what of a prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from moviola.frames import Seconds
from moviola.understanding.wording import describes

if TYPE_CHECKING:
    from torch import Tensor

Fit = Callable[["Tensor"], "Tensor"]
"""Scales and crops pictures (N, 3, H, W) uint8 to (N, 3, h, w) uint8, each for itself."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a talk is written down, word for word as the model was trained.

        opening + question(videos, first) + prelude + answer + closing + question((), second) + prelude + …

    opening: before the first question, where no system prompt is given. system: the same with one, which
        stands where it has `{system}`; None where the model knows no such thing.
    first: the first question with its videos; later: each further one. They have `{question}`, and `first`
        has `{videos}`, for each of which `video` stands: it has `{video}`, what the network makes of it.
    closing: what ends an answer before the next question.
    stops: tokens that end an answer.
    description: stands for `first` where Moviola asks for a description in its own words, for a model that
        describes what it sees without a word; None where it is asked.
    prelude: what stands before an answer as long as it is the last one. When the next question comes it is
        taken out of the talk, together with the thoughts.
    thoughts: what ends thoughts that come before an answer; None where there are none. aloud: whether they
        are shown.
    """

    opening: str
    system: str | None
    first: str
    later: str
    video: str
    closing: str
    stops: tuple[str, ...]
    description: str | None = None
    prelude: str = ""
    thoughts: str | None = None
    aloud: bool = False

    def beginning(self, videos: Sequence[str], question: str, system: str | None = None) -> str:
        """A talk up to the prelude of its first answer. videos: what stands for each of them."""
        opening = self.opening if system is None or self.system is None else _put(self.system, system=system)
        shown = "".join(_put(self.video, video=video) for video in videos)
        first = self.first if self.description is None or not describes(question) else self.description
        return opening + _put(first, videos=shown, question=question)

    def going_on(self, question: str) -> str:
        """What follows an answer, up to the prelude of the next."""
        return self.closing + _put(self.later, question=question)


@runtime_checkable
class Tone(Protocol):
    """Options of a family that change how its models are talked to."""

    def dialect(self, usual: Dialect) -> Dialect: ...


def _put(template: str, **values: str) -> str:
    """Values may hold braces of their own, so this is no `str.format`."""
    for name, value in values.items():
        before, mark, after = template.partition("{" + name + "}")
        template = before + value + after if mark else template
    return template


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What a network makes of the frames of one video.

    text: what stands for them in a prompt, with a placeholder token for each feature.
    tensors: what `VisionLanguage.read` needs of them, by name.
    """

    text: str
    tensors: Mapping[str, Tensor]


class VisionLanguage(Protocol):
    """A network with its tokenizer and its way to prepare pictures, on its device and in its dtype."""

    dialect: Dialect
    tokenizer: Any
    """transformers' own, or what has its `__call__(text, add_special_tokens=)`, `decode`,
    `convert_tokens_to_ids`, `all_special_tokens`, `eos_token_id` and `unk_token_id`."""

    def fit(self, frames: int, height: int, width: int) -> Fit:
        """How its published preprocessing scales and crops pictures of a video of so many frames."""
        ...

    def tokens(self, frames: int, height: int, width: int) -> int:
        """How many tokens such a video takes in a prompt."""
        ...

    def see(self, pictures: Tensor, seconds: Seconds, start: float, stop: float) -> Features:
        """Normalise fitted pictures (N, 3, h, w) uint8 and encode them.

        seconds: (N,) when each is shown; start, stop: of the stretch they stand for.
        """
        ...

    def read(
        self, ids: Tensor, seen: Sequence[Sequence[Features]], cache: Any, mask: Tensor | None = None
    ) -> Tensor:
        """Logits (B, vocabulary), float32, of what follows the last token of each row.

        ids: (B, L) the tokens after those in `cache`, a `transformers.DynamicCache` that is filled further.
        seen: for each row the videos whose placeholders are among `ids`, in order; () where there are none.
        mask: (B, cached + L) 1 for tokens, 0 for padding on the left; None where nothing is padded.
        """
        ...

    def state(self) -> Any:
        """What the network itself remembers of the rows in a cache (positions), beside the cache."""
        ...

    def restore(self, state: Any) -> None:
        """Take up again what `state` gave, before `read` goes on with that cache."""
        ...

"""How a talk is written down for an API of OpenAI's, and how its answer is heard."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from moviola.understanding.speaker import Manner

Message = dict[str, Any]
"""A turn of a talk, as chat completions have it: `role`, and `content` that is text or a list of parts."""


@dataclass(slots=True)
class Ending:
    """What is known of an answer beside its text, as far as it was heard.

    finished: whether it came to its end. cut: because it met the longest it may be. withheld: because of what
    it would have said. refusal: in the model's words, where it declines. Tokens are None where they are not
    told; cached, written: those of the prompt that were found in the server's cache, and put there.
    """

    finished: bool = False
    cut: bool = False
    withheld: bool = False
    refusal: str = ""
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    cached_tokens: int = 0
    written_tokens: int = 0


class Shape(Protocol):
    """An API, below the server's address."""

    @property
    def path(self) -> str: ...

    def body(self, model: str, messages: Sequence[Message], manner: Manner) -> dict[str, Any]:
        """What is POSTed for an answer to the last of some messages, to be answered as a stream."""
        ...

    def hear(self, events: Iterable[Mapping[str, Any]], ending: Ending) -> Generator[str, None, None]:
        """The pieces of an answer's text. Raises RefusalError for an error among the events."""
        ...


def count(said: Any) -> int | None:
    """A number of tokens that a server tells."""
    return said if isinstance(said, int) and not isinstance(said, bool) and said >= 0 else None


def inside(said: Any, *names: str) -> Any:
    """What lies in objects inside of each other; None where one of them is not there."""
    for name in names:
        said = said.get(name) if isinstance(said, Mapping) else None
    return said

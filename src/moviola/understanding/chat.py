"""A talk about videos: they are seen once, then asked about again and again."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, closing
from math import inf
from typing import TYPE_CHECKING, Self

from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.generators import finished
from moviola.model import Event, Note
from moviola.tasks import Answer, Ask, Shown
from moviola.understanding.asking import answer_to, form_of
from moviola.understanding.looking import Looked, look
from moviola.understanding.speaker import Speaker, Talk

if TYPE_CHECKING:
    from moviola.hosted.till import Till


class Chat:
    """Open until it is closed; what it holds (what was seen and read) goes with it."""

    def __init__(
        self, talk: Talk, model: str, request: Ask, looked: Looked, till: Till | None = None
    ) -> None:
        self.model = model
        self._till, self._held = till, ExitStack()
        self._talk: Talk | None = talk
        self._request, self._looked = request, looked
        self._form = form_of(request)

    @property
    def shown(self) -> list[Shown]:
        """What was seen of the videos."""
        return self._looked.shown

    @property
    def notes(self) -> list[str]:
        """On how they were seen, a sentence each."""
        return list(self._looked.notes)

    def ask(self, question: str) -> Answer:
        """The answer to a question, which may refer to those before. Raises MoviolaError."""
        return finished(self.stream(question))

    def stream(self, question: str) -> Generator[str, None, Answer]:
        """The same piece by piece. Closing it ends the answer, and the talk goes on."""
        question = question.strip()
        if not question:
            raise RequestError("ask: question: the question is empty")
        if self._talk is None:
            raise RequestError("this talk was closed; open another with moviola.chat")
        words = answer_to(question, self._talk, self._looked, self.model, self._request, self._form)
        return words if self._till is None else _counted(words, self._till)

    def closes(self, held: ExitStack) -> None:
        """Take over what has to be closed with the talk."""
        self._held = held

    def close(self) -> None:
        self._talk = None
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _counted(words: Generator[str, None, Answer], till: Till) -> Generator[str, None, Answer]:
    """With what the answer cost."""
    before = till.usd
    with closing(words):
        answer = yield from words
    after = till.usd
    cost = None if before is None or after is None else after - before
    return answer.model_copy(update={"cost_usd": cost, "notes": [*answer.notes, *till.notes()]})


def open_chat(
    speaker: Speaker, model: str, request: Ask, clips: list[Clip], till: Till | None = None
) -> Generator[Event, None, Chat]:
    """See the videos of a request once. till: where the speaker asks.

    Raises RequestError for a model that answers single questions.
    """
    if not speaker.facts.chat:
        raise RequestError(
            f"{model} answers single questions, and cannot talk; ask it, or take another model"
        )
    form_of(request)
    looked = yield from look(speaker, request, clips, "", part=inf)
    yield from map(Note, looked.notes)
    return Chat(speaker.talk(looked.seen, request.system), model, request, looked, till)

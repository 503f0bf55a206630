"""Where questions that cost are asked: each is sent once and paid for once, within a limit.

A family says what is sent and what comes back; what is common to all of them is here.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from moviola.card import ModelCard
from moviola.errors import RequestError, UnknownOutcomeError
from moviola.generators import changed, finished
from moviola.hosted.answers import Answers, Heard
from moviola.hosted.patience import patiently
from moviola.hosted.pricing import Money, Usage, talking
from moviola.hosted.service import Rules
from moviola.hosted.transport import Reply, Transport
from moviola.model import Note


@dataclass(frozen=True, slots=True)
class Question:
    """What is POSTed once, and answered piece by piece.

    provider, model: as the provider knows them. body: sent as JSON. secrets: headers that prove who asks.
    prompt_tokens: that it has, about. answer_tokens: that the answer has at most.
    repeatable: whether it is likely to be answered the same if asked again, so that the answer may be kept.
    same: what is asked, where the body holds addresses that change from one time to the next; None: the body.
    """

    provider: str
    model: str
    url: str
    body: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)
    prompt_tokens: int
    answer_tokens: int
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    same: Any = None


class Till:
    """card: of the model that is asked, with its prices. answers: None keeps none. most_usd: to be spent."""

    def __init__(
        self,
        card: ModelCard,
        transport: Transport,
        *,
        answers: Answers | None = None,
        most_usd: Decimal | None = None,
    ) -> None:
        self.card = card
        self.transport = transport
        self._answers, self._most = answers, most_usd
        self._lock = threading.Lock()
        self._spent: Decimal | None = Decimal(0)
        self._promised = Decimal(0)
        self._recalled: list[datetime] = []
        self._told: list[str] = []

    @property
    def usd(self) -> Decimal | None:
        """What was spent so far, by the tokens that the provider reports; None where that is not known."""
        return self._spent

    def notes(self) -> list[str]:
        """What the user should know of the questions since this was asked last, a sentence each."""
        with self._lock:
            notes, recalled = self._told, sorted(self._recalled)
            self._told, self._recalled = [], []
        if recalled:
            first = recalled[0].astimezone().strftime("%Y-%m-%d %H:%M")
            many = "an answer was" if len(recalled) == 1 else f"{len(recalled)} answers were"
            notes.append(f"{many} paid for before ({first}) and cost nothing now; --no-cache asks anew")
        return notes

    def tell(self, note: str) -> None:
        """One more sentence for `notes`."""
        with self._lock:
            self._told.append(note)

    def ask(
        self,
        question: Question,
        hear: Callable[[Iterator[bytes]], Generator[str, None, Heard]],
        refused: Callable[[Reply], Exception],
        rules: Rules,
    ) -> Generator[str, None, Heard]:
        """Yield an answer piece by piece; returns the whole. Closing it hangs up.

        hear: makes pieces of text of what comes, and last the whole. refused: the error for a reply that is
        no answer; where it may pass, and nothing was made, the question is asked again as `rules` say.
        Raises what they do; UnknownOutcomeError where no reply came or one broke off, after which nothing is
        sent again; RequestError where more would be spent than is allowed.
        """
        content = json.dumps(question.body, ensure_ascii=False, separators=(",", ":")).encode()
        said = content if question.same is None else json.dumps(question.same, sort_keys=True)
        decided_by = (question.provider, question.model, question.url, said)
        answers = self._answers if question.repeatable else None
        kept = None if answers is None else answers.recall(decided_by)
        if kept is not None:
            with self._lock:
                self._recalled.append(kept.asked)
            yield kept.heard.text
            return kept.heard
        asked = self.transport.clock.now()
        promised = self._promise(question)
        if answers is not None and (before := answers.sending(decided_by, asked)) is not None:
            when = before.astimezone().strftime("%Y-%m-%d %H:%M")
            self.tell(
                f"a question was sent before ({when}) and its answer was lost: it may be paid for twice"
            )
        heard: Heard | None = None
        begun = False
        try:
            with ExitStack() as open_until:
                pieces = self._noted(self._begun(question, content, refused, rules, open_until))
                begun = True
                heard = yield from hear(pieces)
        except UnknownOutcomeError:
            begun = True
            raise
        except Exception:
            if answers is not None:
                answers.over(decided_by)
            raise
        finally:
            self._settle(promised, begun, heard)
        if answers is not None:
            answers.keep(decided_by, heard, asked, provider=question.provider, model=question.model)
        return heard

    def _begun(
        self,
        question: Question,
        content: bytes,
        refused: Callable[[Reply], Exception],
        rules: Rules,
        open_until: ExitStack,
    ) -> Generator[Note, None, Iterator[bytes]]:
        """The pieces of an answer, once it has begun."""

        def attempt() -> Iterator[bytes]:
            headers = {"Content-Type": "application/json", **question.headers}
            with ExitStack() as attempted:
                answer = attempted.enter_context(
                    self.transport.converse(
                        question.url, secrets=question.secrets, headers=headers, content=content
                    )
                )
                if isinstance(answer, Reply):
                    error = refused(answer)
                    if answer.status == 408 or (answer.status >= 500 and answer.status != 503):
                        raise UnknownOutcomeError(f"{error}: whether it is paid for is not known")
                    raise error
                open_until.push(attempted.pop_all())
                return answer

        return patiently(attempt, rules, self.transport.clock, longest=rules.longest_pause_seconds)

    def _promise(self, question: Question) -> Decimal:
        """Put aside what a question may cost. Raises RequestError where that is more than is left."""
        if self._most is None:
            return Decimal(0)
        # All that is read may be put into the provider's cache, which some let cost more.
        most = Usage(question.prompt_tokens, question.answer_tokens, written=question.prompt_tokens)
        told = talking(self.card, most)
        with self._lock:
            if told is None or self._spent is None:
                raise RequestError(f"what {self.card.id} costs is not known, so max_cost cannot be kept")
            if self._spent + self._promised + told.money.usd > self._most:
                raise RequestError(
                    f"{Money(self._spent)} of the max_cost of {Money(self._most)} is spent, and the next "
                    f"question may cost {told.money}; with more the same command goes on from here"
                )
            self._promised += told.money.usd
        return told.money.usd

    def _settle(self, promised: Decimal, begun: bool, heard: Heard | None) -> None:
        """An answer that had begun and was not heard to its end may be paid for: its promise stands."""
        cost = None
        if heard is not None and heard.prompt_tokens is not None and heard.answer_tokens is not None:
            used = Usage(heard.prompt_tokens, heard.answer_tokens, heard.cached_tokens, heard.written_tokens)
            cost = talking(self.card, used)
        with self._lock:
            if heard is not None or not begun:
                self._promised -= promised
            if heard is not None:
                self._spent = None if cost is None or self._spent is None else self._spent + cost.money.usd

    def _noted(self, waiting: Generator[Note, None, Iterator[bytes]]) -> Iterator[bytes]:
        """What waiting returns."""
        return finished(changed(waiting, lambda note: self.tell(note.text)))

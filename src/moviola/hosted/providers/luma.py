"""What Luma's two interfaces share: generations that are made by one request, looked at, and fail in words.

    POST {base}/{place}           → 201 and a generation: id, state, …; refusals are {"detail": text}
    GET  {base}/generations/{id}  → the generation, with fresh addresses of what was made

Neither takes a name of ours for a job, or cancels one. Facts with their sources are on the cards of
`models/luma.py`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from moviola.errors import (
    CannotCancelError,
    HostedError,
    InvalidInputError,
    LinkGoneError,
    ModelRetiredError,
    ModeratedError,
    ProviderDownError,
    QuotaError,
    UnknownOutcomeError,
)
from moviola.hosted.keys import Key
from moviola.hosted.replies import one_line, refusal, words_of
from moviola.hosted.service import Failure, Order, Output, Rules, Sighting, Ticket
from moviola.hosted.transport import Reply, Transport

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")

_FIELDS = (
    "prompt",
    "loop",
    "keyframes",
    "aspect_ratio",
    "duration",
    "resolution",
    "source",
    "media",
    "model",
)
"""What refusals begin with, where they are about a field."""

_GONE = ("retired", "deprecated", "no longer", "not supported", "not available", "does not exist", "unknown")
"""What refusals say of a model that is not there any more."""


@dataclass(frozen=True, slots=True)
class Generations(ABC):
    """What both are, as a `Service`. base: address that all paths follow.

    successor: id of the model that takes the place of one that is gone. listed: where a user sees what was
    made.
    """

    transport: Transport
    key: Key
    base: str

    name: ClassVar[str]
    rules: ClassVar[Rules]
    successor: ClassVar[str | None]
    listed: ClassVar[str]

    @abstractmethod
    def _place(self, order: Order) -> str:
        """The path that makes it."""

    def _body(self, order: Order) -> dict[str, Any]:
        """What is sent to make it."""
        return dict(order.body)

    @abstractmethod
    def _outputs(self, said: Mapping[str, Any]) -> tuple[Output, ...]:
        """Of a generation that is completed; empty where it names none."""

    @abstractmethod
    def _failure(self, said: Mapping[str, Any]) -> HostedError:
        """Why a generation failed."""

    def create(self, order: Order) -> Ticket:
        reply = self.transport.create(
            f"{self.base}/{self._place(order)}", secrets=self.secrets, json=self._body(order)
        )
        if not reply.good:
            raise self._not_made(reply, order)
        try:
            return Ticket(checked_id(reply.fields().get("id")))
        except HostedError as error:
            raise UnknownOutcomeError(
                f"{self.name} took the job, and says of it what makes no sense: whether it was made is not "
                "known"
            ) from error

    def look(self, ticket: Ticket) -> Sighting:
        return self._sighted(self._good(self._generation(ticket)).fields())

    def renew(self, ticket: Ticket) -> Sighting:
        reply = self._generation(ticket)
        if reply.status in (404, 410):
            raise LinkGoneError(f"{self.name} has job {ticket.id} no more, nor what it made")
        return self._sighted(self._good(reply).fields())

    def cancel(self, ticket: Ticket) -> str:
        raise CannotCancelError(f"{self.name} offers no way to cancel a job")

    def find(self, order: Order) -> Ticket | None:
        raise UnknownOutcomeError(
            f"no reply came to what was sent, and {self.name} cannot be asked for it: see {self.listed} "
            "whether it was made, before you try it again as a new one"
        )

    @property
    def secrets(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.key.secret}"}

    def _generation(self, ticket: Ticket) -> Reply:
        return self.transport.ask("GET", f"{self.base}/generations/{ticket.id}", secrets=self.secrets)

    def _sighted(self, said: Mapping[str, Any]) -> Sighting:
        match said.get("state"):
            case "queued":
                return Sighting("waiting")
            case "processing" | "dreaming":
                return Sighting("running")
            case "completed":
                outputs = self._outputs(said)
                if not outputs:
                    raise ProviderDownError(f"{self.name} says that the job is done, and names no film")
                return Sighting("done", outputs=outputs)
            case "failed":
                return Sighting("failed", failure=Failure.told_by(self._failure(said)))
            case str(other):
                return Sighting("running", words=f"in a state not known here: {one_line(other)[:40]}")
        raise ProviderDownError(f"{self.name} does not say how the job stands")

    def _good(self, reply: Reply) -> Reply:
        if not reply.good:
            raise self._refusal(reply)
        return reply

    def _not_made(self, reply: Reply, order: Order) -> HostedError:
        words = words_of(reply)
        said = words.lower()
        if reply.status in (404, 410) or (
            reply.status in (400, 422) and "model" in said and any(word in said for word in _GONE)
        ):
            told = one_line(words) or f"status {reply.status}"
            instead = f"; use {self.successor}" if self.successor else ""
            return ModelRetiredError(
                f"{self.name} makes no {order.model} any more, or never did: {told}{instead}", self.successor
            )
        return self._refusal(reply)

    def _refusal(self, reply: Reply) -> HostedError:
        words = words_of(reply)
        said = words.lower()
        if reply.status in (400, 403, 422) and "moderat" in said:
            return ModeratedError(f"{self.name} refuses what it is given: {one_line(words)}", "input")
        if reply.status in (400, 403) and ("credit" in said or "balance" in said):
            return QuotaError(f"{self.name}: {one_line(words)}")
        error = refusal(self.name, reply, words)
        wrong = next((name for name in _FIELDS if said.startswith(name)), None)
        if isinstance(error, InvalidInputError) and wrong:
            return InvalidInputError(str(error), wrong)
        return error


def checked_id(number: Any) -> str:
    """An id that may stand in a path. Raises ProviderDownError for what is none."""
    if not isinstance(number, str) or not _ID.fullmatch(number):
        raise ProviderDownError("Luma gives an id that is none")
    return number


def address_of(said: Any) -> str | None:
    """The address in an answer; None where it is none."""
    return said if isinstance(said, str) and said.startswith(("https://", "http://")) else None

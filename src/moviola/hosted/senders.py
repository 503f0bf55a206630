"""Who calls: how each provider that does proves itself, and where its calls name the job."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from moviola.errors import InputError, MoviolaError
from moviola.hosted.clock import Clock
from moviola.hosted.providers import fal_queue, luma_dream_machine, replicate
from moviola.hosted.transport import Transport
from moviola.hosted.webhooks import PLACES, ForgedError, Headers, check_fal, check_standard

Proof = TypeVar("Proof")

_KEPT_SECONDS = 24 * 3600.0
"""That a key is used before it is asked for again; fal allows no more."""

_CHANGED_SECONDS = 300.0
"""After which a call that a key does not prove has it asked for again: it may have been changed."""

_TROUBLE_SECONDS = 30.0
"""Between two questions for a key that cannot be had, however many call."""

_ID = re.compile(r"[!-~]{1,200}")
"""What a provider may call a job."""


@dataclass(frozen=True, slots=True)
class Call:
    """ticket: the provider's id of the job that it is about. proved: whether the provider surely made it."""

    ticket: str
    proved: bool


@dataclass(frozen=True, slots=True)
class Sender:
    """A provider that calls. field: of what it sends, which holds the job's id. check: None where it does not
    sign."""

    provider: str
    field: str
    check: Callable[[Headers, bytes], None] | None

    def call(self, headers: Headers, body: bytes) -> Call:
        """What a call is about. Raises ForgedError where it proves nothing though its sender signs,
        InputError where it names no job, and another MoviolaError where it cannot be checked now."""
        if self.check is not None:
            self.check(headers, body)
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            said = None
        ticket = said.get(self.field) if isinstance(said, dict) else None
        if not isinstance(ticket, str) or not _ID.fullmatch(ticket):
            raise InputError(f"what {self.provider} sends names no job: {self.field} is none")
        return Call(ticket, proved=self.check is not None)


def senders(transport: Transport) -> dict[str, Sender]:
    """All that call, by the last part of the address that they call."""
    keys = _Kept(lambda: fal_queue.signing_keys(transport), transport.clock)
    key = _Kept(lambda: replicate.account(transport).signing_key(), transport.clock)

    def by_fal(headers: Headers, body: bytes) -> None:
        keys.prove(lambda held: check_fal(headers, body, held, transport.clock.now()))

    def by_replicate(headers: Headers, body: bytes) -> None:
        key.prove(lambda held: check_standard(headers, body, held, transport.clock.now()))

    every = (
        Sender(fal_queue.NAME, "request_id", by_fal),
        Sender(replicate.NAME, "id", by_replicate),
        Sender(luma_dream_machine.NAME, "id", None),
    )
    return {PLACES[sender.provider]: sender for sender in every}


class _Kept(Generic[Proof]):
    """What calls are proved by, and that it is asked for seldom: strangers can call too."""

    def __init__(self, ask: Callable[[], Proof], clock: Clock) -> None:
        self._ask, self._clock = ask, clock
        self._lock = threading.Lock()
        self._held: tuple[Proof, float] | None = None
        self._trouble: tuple[MoviolaError, float] | None = None

    def prove(self, check: Callable[[Proof], None]) -> None:
        """Raises what `check` does, or a MoviolaError where there is nothing to check by."""
        held = self._no_older_than(_KEPT_SECONDS)
        try:
            check(held)
        except ForgedError:
            newer = self._no_older_than(_CHANGED_SECONDS)
            if newer is held:
                raise
            check(newer)

    def _no_older_than(self, seconds: float) -> Proof:
        with self._lock:
            now = self._clock.steady()
            if self._held is not None and now - self._held[1] < seconds:
                return self._held[0]
            if self._trouble is not None and now - self._trouble[1] < _TROUBLE_SECONDS:
                raise self._trouble[0].with_traceback(None)
            try:
                self._held, self._trouble = (self._ask(), now), None
            except MoviolaError as error:
                self._trouble = error, now
                raise
            return self._held[0]

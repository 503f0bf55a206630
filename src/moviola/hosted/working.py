"""The order in which a hosted job is done, so that it is paid for once and nothing of it is lost.

    intent → files brought → created once → ticket → looked at until it ends → fetched

Every step is on the ledger before the next begins. Whatever breaks off the work, and wherever, the same
ledger goes on from there. Only one thing cannot be done again: creating. What is about to be sent is written
down first, and what was sent without a reply is never sent again: the job is unknown then, until the provider
can say that it has it.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Literal

from moviola.errors import (
    CannotCancelError,
    HostedError,
    InputError,
    LinkGoneError,
    MoviolaError,
    UnknownOutcomeError,
    WithdrawnError,
)
from moviola.hosted.clock import Clock
from moviola.hosted.fetching import MOST_BYTES, Fetched, check_folder, fetch, is_here, put, sha256_of, suffix
from moviola.hosted.ledger import Ledger
from moviola.hosted.patience import passes, patiently, pause
from moviola.hosted.service import (
    Failure,
    Handing,
    Order,
    Output,
    Service,
    Sighting,
    Ticket,
    Upload,
    Uploaded,
)
from moviola.hosted.transport import Transport
from moviola.model import Note, Progress

Work = Generator[Progress | Note, None, "Outcome"]

_SOON = 60.0
"""Seconds before a link expires in which it is not begun with any more."""

_SPREAD = 0.1
"""The share of a wait that is added by chance, so that many jobs do not ask all at once."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A job that is done. outputs: what was made, on this machine. cost_usd: where the provider tells it."""

    ticket: Ticket
    outputs: tuple[Fetched, ...]
    cost_usd: str | None


def work(
    order: Order | None,
    service: Service,
    ledger: Ledger,
    folder: Path,
    transport: Transport,
    *,
    clock: Clock | None = None,
    most_bytes: int = MOST_BYTES,
) -> Work:
    """Do a job, or go on with it; only one at a time may work on a ledger.

    order: None to go on; what the ledger holds already wins over it. folder: where what is made goes.
    clock: of this job alone; default the line's.

    Raises UnknownOutcomeError where it may have been made and nobody knows; another HostedError where it came
    to nothing. After anything else, and after closing the generator, the same call goes on.
    """
    if order is not None:
        ledger.claim("order", order.json())
    return (yield from _Job(service, ledger, folder, transport, clock or transport.clock, most_bytes).done())


Standing = Literal["ready", "unknown", "open", "fetching", "done", "failed", "cancelled"]


def standing(ledger: Ledger) -> Standing:
    """How far a job is, by its ledger alone.

    ready: nothing was made yet. unknown: it may have been. open: the provider has it. fetching: it is made,
    and not all of it is here.
    """
    if (entry := ledger.read("seen")) is not None:
        seen = Sighting.of(entry)
        if seen.state != "done":
            return "cancelled" if seen.state == "cancelled" else "failed"
        whole = all(ledger.read(f"fetched/{number}") for number in range(len(seen.outputs)))
        return "done" if whole else "fetching"
    if ledger.read("ticket") is not None:
        return "open"
    return "unknown" if _unanswered(ledger, _attempts(ledger)) else "ready"


def _attempts(ledger: Ledger) -> int:
    return next(number for number in count() if ledger.read(f"sent/{number + 1}") is None)


def _unanswered(ledger: Ledger, attempts: int) -> bool:
    return attempts > 0 and ledger.read(f"refused/{attempts}") is None and ledger.read("ticket") is None


@dataclass(slots=True)
class _Job:
    service: Service
    ledger: Ledger
    folder: Path
    transport: Transport
    clock: Clock
    most_bytes: int

    def done(self) -> Work:
        check_folder(self.folder)
        ticket = yield from self._ticket()
        seen = yield from self._end(ticket)
        outputs = yield from self._fetched(ticket, seen)
        return Outcome(ticket, outputs, seen.cost_usd)

    def _withdrawn(self) -> bool:
        return self.ledger.read("cancel") is not None

    # Creating

    def _ticket(self) -> Generator[Note, None, Ticket]:
        """The job, made now or before."""
        if (entry := self.ledger.read("ticket")) is not None:
            return Ticket.of(entry)
        entry = self.ledger.read("order")
        if entry is None:
            raise InputError("this job was never begun: there is no order for it")
        order = Order.of(entry)
        made = _attempts(self.ledger)
        if _unanswered(self.ledger, made):
            return (yield from self._found(order, "no reply to its creation was kept"))
        for attempt in count():
            if self._withdrawn():
                self._end_with(Sighting("cancelled", words="it was cancelled before anything was sent"))
                raise WithdrawnError("the job was cancelled before anything was sent; it costs nothing")
            resolved = order.resolved((yield from self._uploaded(order)))
            try:
                return self._create(order, resolved, made + attempt + 1)
            except UnknownOutcomeError as error:
                return (yield from self._found(order, str(error)))
            except HostedError as error:
                if not passes(error) or attempt + 1 >= self.service.rules.attempts:
                    raise
                seconds = pause(attempt, error, self.service.rules, self.clock)
                yield Note(f"{error}; nothing was made, trying again in {seconds:.0f} s")
                self.clock.sleep(seconds)
        raise AssertionError("counting ends")

    def _create(self, order: Order, resolved: Order, number: int) -> Ticket:
        """Exactly one request, between an entry that it is about to leave and one of what came of it."""
        if not self.ledger.claim(f"sent/{number}", {"at": self.clock.now()}):
            raise UnknownOutcomeError(f"another process is creating this job at {self.service.name}")
        try:
            ticket = self.service.create(resolved)
        except UnknownOutcomeError:
            raise
        except MoviolaError as error:
            self.ledger.claim(f"refused/{number}", Failure.told_by(error).json())
            raise
        self.ledger.claim("ticket", ticket.json())
        return ticket

    def _found(self, order: Order, why: str) -> Generator[Note, None, Ticket]:
        """The job whose reply was lost, where the provider can say."""
        name = self.service.name
        yield Note(f"{why}; asking {name} whether it has the job")
        kept = {file.sha256: self.ledger.read(f"upload/{file.sha256}") for file in order.uploads}
        sent = order.resolved({sha256: Uploaded.of(entry).url for sha256, entry in kept.items() if entry})
        try:
            ticket = yield from patiently(lambda: self.service.find(sent), self.service.rules, self.clock)
        except UnknownOutcomeError:
            raise
        except HostedError as error:
            # Whatever keeps it from being asked, the job may have been made.
            raise UnknownOutcomeError(f"{why}, and {name} could not be asked: {error}") from error
        if ticket is None:
            raise UnknownOutcomeError(
                f"{why}, and {name} shows no such job; see at {name} whether it was made and is paid for, "
                "before you try it again as a new one"
            )
        self.ledger.claim("ticket", ticket.json())
        return ticket

    def _uploaded(self, order: Order) -> Generator[Note, None, dict[str, str]]:
        """The address of every file of the order at the provider, by its sha256."""
        urls = {}
        for file in order.uploads:
            entry = self.ledger.read(f"upload/{file.sha256}")
            uploaded = Uploaded.of(entry) if entry is not None else None
            if uploaded is None or self._expired(uploaded):
                _check_unchanged(file)
                uploaded = yield from self._patiently_uploaded(file)
                self.ledger.write(f"upload/{file.sha256}", uploaded.json())
            urls[file.sha256] = uploaded.url
        return urls

    def _patiently_uploaded(self, file: Upload) -> Generator[Note, None, Uploaded]:
        yield Note(f"bringing {Path(file.path).name} to {self.service.name}")
        upload = self.service.upload
        return (yield from patiently(lambda: upload(file), self.service.rules, self.clock))

    # Waiting

    def _end(self, ticket: Ticket) -> Generator[Progress | Note, None, Sighting]:
        """How the job ended. Raises HostedError where that is not well."""
        entry = self.ledger.read("seen")
        seen = Sighting.of(entry) if entry is not None else (yield from self._watched(ticket))
        if seen.state == "done":
            return seen
        if seen.state == "cancelled":
            raise WithdrawnError(seen.words or "the job was cancelled")
        raise seen.failure.error() if seen.failure else HostedError(f"{self.service.name}: the job failed")

    def _watched(self, ticket: Ticket) -> Generator[Progress | Note, None, Sighting]:
        """Look until it has ended, no faster than the rules allow: not even when restarted, or woken."""
        rules, clock = self.service.rules, self.clock
        least, cancelled, told = rules.poll_seconds, False, ""
        wait = max(rules.first_poll_seconds, least)
        silent, failures = clock.steady(), 0
        while True:
            if self._withdrawn() and not cancelled:
                cancelled = True
                cost = yield from self._cancelled(ticket)
                if cost is not None:
                    return self._end_with(Sighting("cancelled", words=cost))
            spread = 1 + _SPREAD * clock.chance()
            clock.doze(least * spread, wait * spread)
            try:
                seen = self.service.look(ticket)
            except HostedError as error:
                if not passes(error) or clock.steady() - silent > rules.patience_seconds:
                    raise
                # Nobody who calls makes it easier for a provider in trouble.
                least = wait = max(rules.poll_seconds, pause(failures, error, rules, clock))
                failures += 1
                yield Note(f"{error}; the job is not lost, asking again in {wait:.0f} s")
                continue
            silent, failures = clock.steady(), 0
            if seen.state == "failed" and self._withdrawn():
                words = seen.failure.message if seen.failure else None
                seen = replace(seen, state="cancelled", words=words)
            if seen.ended:
                return self._end_with(seen)
            if (seen.words or seen.state) != told:
                told = seen.words or seen.state
                yield Note(f"{self.service.name}: {told}")
            yield Progress(seen.progress or 0.0, 1.0, "of the job")
            least = rules.poll_seconds
            wait = max(least, seen.poll_after_seconds or 0.0)

    def _cancelled(self, ticket: Ticket) -> Generator[Note, None, str | None]:
        """What cancelling costs, in words; None where the job cannot be cancelled and goes on."""
        cancel = self.service.cancel
        try:
            return (yield from patiently(lambda: cancel(ticket), self.service.rules, self.clock))
        except CannotCancelError as error:
            yield Note(f"{error}; it goes on, and what it makes is kept")
            return None

    def _end_with(self, seen: Sighting) -> Sighting:
        self.ledger.write("seen", seen.json())
        return seen

    # Fetching

    def _fetched(
        self, ticket: Ticket, seen: Sighting
    ) -> Generator[Progress | Note, None, tuple[Fetched, ...]]:
        if not seen.outputs:
            raise HostedError(f"{self.service.name}: the job is done, but nothing was made")
        outputs, renewed = [], False
        for number in range(len(seen.outputs)):
            entry = self.ledger.read(f"fetched/{number}")
            if entry is not None and is_here(Fetched.of(entry)):
                outputs.append(Fetched.of(entry))
                continue
            fetched = None
            while fetched is None:
                if self._expired(seen.outputs[number]) and not renewed:
                    seen, renewed = (yield from self._renewed(ticket, seen)), True
                output = seen.outputs[number]
                path = self.folder / f"{number}{suffix(output.kind)}"
                try:
                    fetched = yield from self._brought(ticket, number, output, path)
                except LinkGoneError:
                    if renewed:
                        raise
                    seen, renewed = (yield from self._renewed(ticket, seen)), True
            self.ledger.write(f"fetched/{number}", fetched.json())
            outputs.append(fetched)
        return tuple(outputs)

    def _brought(
        self, ticket: Ticket, number: int, output: Output, path: Path
    ) -> Generator[Progress | Note, None, Fetched]:
        service = self.service
        if output.url:
            secrets = service.secrets if output.locked else {}
            return (yield from fetch(self.transport, output, path, service.rules, secrets, self.most_bytes))
        assert isinstance(service, Handing), f"{service.name} says not where what it made is"
        handing = service
        content = yield from patiently(lambda: handing.hand_over(ticket, number), service.rules, self.clock)
        return put(content, output, path)

    def _renewed(self, ticket: Ticket, seen: Sighting) -> Generator[Note, None, Sighting]:
        """The same job with fresh links. Raises LinkGoneError where the provider has it no more."""
        yield Note(f"the link to what was made has expired; asking {self.service.name} for a fresh one")
        renew = self.service.renew
        fresh = yield from patiently(lambda: renew(ticket), self.service.rules, self.clock)
        if fresh.state != "done" or len(fresh.outputs) != len(seen.outputs):
            raise LinkGoneError(f"{self.service.name} has what was made no more")
        return self._end_with(fresh)

    def _expired(self, what: Uploaded | Output) -> bool:
        return what.expires is not None and what.expires - _SOON < self.clock.now()


def _check_unchanged(file: Upload) -> None:
    """Raises InputError where the file is not what was ordered with it."""
    try:
        same = sha256_of(Path(file.path)) == file.sha256
    except OSError as error:
        raise InputError(f"cannot read {file.path}: {error.strerror}") from None
    if not same:
        raise InputError(f"{file.path} has changed since the job was begun; put it back, or begin a new one")

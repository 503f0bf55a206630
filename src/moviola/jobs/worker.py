"""Does jobs in this process, one DBOS workflow each, several at a time; what it leaves, another one takes up.

A workflow here has no steps of its own. What is done of a hosted job is on its ledger, of a local one in the
journal beside its output; so a job is taken up by doing its request once more: neither does a thing twice.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Self

from dbos import DBOS, DBOSPortableJSONSerializer
from sqlalchemy.exc import DBAPIError

from moviola.errors import (
    HostedError,
    LinkGoneError,
    MoviolaError,
    OutputError,
    RequestError,
    UnknownOutcomeError,
    WithdrawnError,
)
from moviola.hosted.clock import CLOCK, Clock
from moviola.hosted.ledger import Entry, Ledger
from moviola.hosted.transport import Transport
from moviola.hosted.working import standing
from moviola.jobs import assets
from moviola.jobs.asked import revived
from moviola.jobs.doing import is_hosted
from moviola.jobs.job import NAME, ended, failed, outcome, rows_of
from moviola.jobs.presence import Presence
from moviola.jobs.store import APPLICATION, LAYOUT, Store, StoredLedger, StoreError
from moviola.model import Event, Events, Progress, Result
from moviola.roads import hosting
from moviola.roads.comparing import with_comparison
from moviola.run import run
from moviola.shelf import home
from moviola.tasks import Edit, Making, Synthesis, Task

_log = logging.getLogger("moviola")

_LOOK_SECONDS = 0.2
"""Between two looks for news of a job that is followed."""

_WATCH_SECONDS = 1.0
"""Between two looks for jobs that are no longer wanted, or are to be looked at now."""

_ADOPT_SECONDS = 5.0
"""Between two looks for jobs whose processes are gone."""

_TELL_SECONDS = 5.0
"""Between two times that a job's progress is written down."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a job is done with, beside its request.

    again: whether it was begun before. folder: of the job's own, made when it is needed.
    clock: whose sleep ends when the process is to end, and whose naps when the job is woken.
    transport: the line to all providers.
    """

    job: str
    ledger: Ledger
    folder: Path
    clock: Clock
    transport: Transport
    again: bool


def folder_of(job: str) -> Path:
    """Where what is under way of a job lies."""
    return home() / "jobs" / job


Work = Callable[[Task, Desk], Events]


def work(request: Task, desk: Desk) -> Events:
    """Do the request as its verb does; what was there of it is gone on with."""
    if desk.again and isinstance(request, Making):
        # What lies at the output is our own: it was not there when the job began.
        request = request.model_copy(update={"overwrite": True})
    if isinstance(request, Synthesis) and is_hosted(request):
        events = hosting.host(
            request, desk.ledger, desk.folder, desk.transport, reference=desk.job, clock=desk.clock
        )
        if isinstance(request, Edit) and request.compare is not None:
            return with_comparison(request, events)
        return events
    return run(request)


def _can_go_on(error: Exception, ledger: Ledger) -> bool:
    """Whether what is or may be paid for can still be had, once what stands in the way is mended."""
    match error:
        case StoreError() | OSError() | DBAPIError():
            return True
        case WithdrawnError() | LinkGoneError() | UnknownOutcomeError():
            return False
    try:
        how = standing(ledger)
    except StoreError:
        return True
    if isinstance(error, HostedError):
        return how in ("open", "fetching")
    return how not in ("ready", "failed", "cancelled")


class _Careful:
    """A ledger on which a ticket is kept even where that takes a while: what it stands for is paid for.

    withdrawn: whether the worker, which looks for that for all its jobs at once, knows that it is not wanted.
    """

    def __init__(
        self, ledger: StoredLedger, sleep: Callable[[float], None], withdrawn: Callable[[], bool]
    ) -> None:
        self._ledger, self._sleep, self._withdrawn = ledger, sleep, withdrawn
        self._looked = False
        self.write = ledger.write

    def read(self, name: str) -> Entry | None:
        if name != "cancel" or not self._looked or self._withdrawn():
            # Asked before every look at a job: for hundreds of them the store would do little else.
            self._looked |= name == "cancel"
            return self._ledger.read(name)
        return None

    def claim(self, name: str, entry: Entry) -> bool:
        while True:
            try:
                return self._ledger.claim(name, entry)
            except StoreError as error:
                if name != "ticket":
                    raise
                _log.warning("%s; until then %s is only in memory", error, entry.get("id"))
            self._sleep(_WATCH_SECONDS)


class Left(BaseException):
    """The job stays open: this process ends, or cannot go on with it."""


class Worker:
    """Takes jobs from the queues of a store until it is closed. There is one in a process at a time."""

    def __init__(self, store: Store, work: Work = work) -> None:
        self.store, self._work = store, work
        self._presence = Presence(store)
        self._transport = Transport()
        self._closing = threading.Event()
        self._changed = threading.Condition()
        # What is under way, each with what wakes it.
        self._active: dict[str, threading.Event] = {}
        self._withdrawn: set[str] = set()
        # What has woken jobs.
        self._woken: dict[str, Entry] = {}
        self._feeds: dict[str, SimpleQueue[Event]] = {}
        self._troubles: dict[str, MoviolaError] = {}
        # How far each job is, and when which of that was written down.
        self._shares: dict[str, float] = {}
        self._told: dict[str, tuple[float, float]] = {}

    def __enter__(self) -> Self:
        global _worker
        if _worker is not None:
            raise RequestError("this process does jobs already; close that worker first")
        self.store.prepare()
        self._presence.begin()
        _worker = self
        try:
            with self.store.explained():
                DBOS(
                    config={
                        "name": APPLICATION,
                        "system_database_url": self.store.address(),
                        "application_version": LAYOUT,
                        "executor_id": self._presence.name,
                        "serializer": DBOSPortableJSONSerializer(),
                        "log_level": "CRITICAL",
                        # Nobody listens; but closing waits for the one who could.
                        "notification_listener_polling_interval_sec": _LOOK_SECONDS,
                    }
                )
                DBOS.launch()
        except BaseException:
            self._end()
            raise
        self._watch = threading.Thread(target=self._watching, name="moviola-jobs", daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with self._changed:
            for waking in self._active.values():
                waking.set()
            # A request that is in the air is waited for: its reply is worth money.
            self._changed.wait_for(lambda: not self._active)
        self._watch.join()
        self._end()

    def _end(self) -> None:
        global _worker
        _worker = None
        DBOS.destroy()
        self._transport.close()
        self._presence.end()

    def follow(self, job: str, *, quiet: bool = False) -> Events:
        """What happens in a job, wherever it is done; last its `Result`. Raises what it ended with.

        quiet: it just ends where it gave no result. Closing the generator leaves the job as it is.
        """
        feed = self._feeds.setdefault(job, SimpleQueue())
        self._take_up(job)
        try:
            while True:
                try:
                    while True:
                        yield feed.get(timeout=_LOOK_SECONDS)
                except Empty:
                    pass
                try:
                    value = outcome(self.store, job)
                except MoviolaError:
                    if quiet:
                        return
                    raise
                if value is not None:
                    yield Result(value)
                    return
                if job in self._troubles:
                    raise self._troubles[job]
        finally:
            self._feeds.pop(job, None)

    def wait(self, ids: Sequence[str]) -> None:
        """Until each of these jobs has ended, or cannot go on here."""
        left = set(ids)
        for job in left:
            self._take_up(job)
        while left:
            began = time.monotonic()
            over = ["SUCCESS", "ERROR", "CANCELLED"]
            rows = rows_of(
                self.store, workflow_ids=sorted(left), status=over, load_input=False, load_output=False
            )
            left -= {row.workflow_id for row in rows} | set(self._troubles)
            if left:
                # To ask after many jobs takes a while, and these want the store too.
                time.sleep(max(_LOOK_SECONDS, 10 * (time.monotonic() - began)))

    def do(self, job: str, facts: dict[str, Any]) -> dict[str, Any]:
        """The workflow. Raises Left where the job is not at its end."""
        with self._changed:
            if self._closing.is_set():
                raise Left
            self._active[job] = threading.Event()
        try:
            return self._outcome(job, facts)
        finally:
            with self._changed:
                self._active.pop(job, None)
                self._changed.notify_all()

    def _outcome(self, job: str, facts: dict[str, Any]) -> dict[str, Any]:
        ledger = _Careful(self.store.ledger(job), self._sleep, lambda: job in self._withdrawn)
        try:
            again = not ledger.claim("begun", {})
            if again:
                self._write_trouble(job, None)
            clock = Clock(CLOCK.now, CLOCK.steady, self._sleep, nap=partial(self._nap, self._active[job]))
            desk = Desk(job, ledger, folder_of(job), clock, self._transport, again)
            result = self._result(job, facts, desk)
            # What the user has may be written anew; this is what the provider made, to the bit.
            for made in self.store.fetched(job):
                assets.keep(Path(made["path"]), sha256=made["sha256"])
            return ended(result)
        except Exception as error:
            if _can_go_on(error, ledger):
                self._troubles[job] = told = self._told_of(error)
                self._write_trouble(job, str(told))
                raise Left from error
            if isinstance(error, MoviolaError):
                return failed(error)
            raise

    def _result(self, job: str, facts: dict[str, Any], desk: Desk) -> Any:
        if self._is_withdrawn(desk):
            raise WithdrawnError(f"job {job} was cancelled")
        with closing(self._work(revived(facts["verb"], facts["request"]), desk)) as events:
            for event in events:
                if isinstance(event, Result):
                    return event.value
                self._tell(job, event)
                if self._closing.is_set():
                    raise Left
                if job in self._withdrawn and self._is_withdrawn(desk):
                    raise WithdrawnError(f"job {job} was cancelled")
        raise RuntimeError("the work ended without a result")

    @staticmethod
    def _is_withdrawn(desk: Desk) -> bool:
        """Whether the job is no more wanted, and no provider has to be told so: that one's `work` does."""
        return desk.ledger.read("cancel") is not None and desk.ledger.read("order") is None

    def _told_of(self, error: Exception) -> MoviolaError:
        match error:
            case MoviolaError():
                return error
            case DBAPIError():
                return self.store.told(error)
            case OSError():
                return OutputError(f"{error}; once that is mended, run: moviola jobs resume")
        return MoviolaError(f"job broke off: {error!r}; what was made is kept, see: moviola jobs list")

    def _sleep(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise Left

    def _nap(self, waking: threading.Event, least: float, most: float) -> None:
        self._sleep(least)
        waking.wait(most - least)
        waking.clear()
        # It is also what ends a nap when the process is to end.
        self._sleep(0)

    def _take_up(self, job: str) -> None:
        """Give a job that was left open here back to its queue."""
        if self._troubles.pop(job, None) is not None:
            (row,) = rows_of(self.store, workflow_ids=[job])
            with self.store.explained():
                self.store.client.resume_workflow(job, queue_name=row.queue_name)

    def _tell(self, job: str, event: Event) -> None:
        feed = self._feeds.get(job)
        if feed is not None:
            feed.put(event)
        if isinstance(event, Progress) and event.total:
            self._shares[job] = round(event.done / event.total, 2)

    def _write_trouble(self, job: str, line: str | None) -> None:
        with suppress(MoviolaError, DBAPIError):
            self.store.client.update_workflow_attributes(job, {"trouble": line}, merge=True)

    def _watching(self) -> None:
        """Sees to what other processes ask for, and to what they leave."""
        due = 0.0
        while not self._closing.is_set():
            try:
                now = time.monotonic()
                if now >= due:
                    due = now + _ADOPT_SECONDS
                    self._adopt()
                self._see_asked()
                self._write_progress(now)
            except (MoviolaError, DBAPIError):
                # The store has its bad moments; what cannot be written is told where it matters.
                pass
            self._closing.wait(_WATCH_SECONDS)

    def _adopt(self) -> None:
        rows = rows_of(self.store, status="PENDING", load_input=False, load_output=False)
        gone = self._presence.gone({row.executor_id for row in rows if row.executor_id})
        if gone:
            # It gives a job back to its queue only while it is in the name of one of these.
            DBOS._recover_pending_workflows(gone)

    def _see_asked(self) -> None:
        """Which jobs are not wanted any more, and which are to be looked at now."""
        with self._changed:
            active = dict(self._active)
        if not active:
            return
        for job, entries in self.store.entries(active.keys(), ("cancel", "woken")).items():
            if "cancel" in entries:
                self._withdrawn.add(job)
            if "woken" in entries and self._woken.get(job) != entries["woken"]:
                self._woken[job] = entries["woken"]
                active[job].set()

    def _write_progress(self, now: float) -> None:
        for job, share in list(self._shares.items()):
            told, before = self._told.get(job, (0.0, 0.0))
            if share != before and now - told >= _TELL_SECONDS and job in self._active:
                self._told[job] = now, share
                self.store.client.update_workflow_attributes(job, {"progress": share}, merge=True)


_worker: Worker | None = None


@DBOS.workflow(name=NAME, max_recovery_attempts=None)
def _job(facts: dict[str, Any]) -> dict[str, Any]:
    assert _worker is not None
    assert DBOS.workflow_id is not None
    return _worker.do(DBOS.workflow_id, facts)

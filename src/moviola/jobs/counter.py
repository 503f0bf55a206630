"""Where jobs are handed in, asked after and picked up: what `moviola.jobs` and `moviola jobs` do."""

from __future__ import annotations

import shutil
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

from pydantic import BaseModel, ConfigDict

from moviola.errors import RequestError
from moviola.jobs import assets
from moviola.jobs.asked import LOCAL, kept, provider_of, revived
from moviola.jobs.job import NAME, Job, Spent, job, jobs, named, spent
from moviola.jobs.store import LAYOUT, Store
from moviola.jobs.worker import Work, Worker, folder_of, work
from moviola.model import Events, Note, Result
from moviola.tasks import Task

_QUEUE_SECONDS = 0.25
"""Between two looks of a worker for work."""


def submit(
    request: Task,
    *,
    estimate_usd: Decimal | None = None,
    concurrent: int | None = None,
    per_minute: int | None = None,
    retry_of: str | None = None,
) -> str:
    """Keep a request as a job; returns its id. `wait`, `follow` and `resume` do it, in whatever process.

    concurrent: how many of its provider's jobs are done at a time, and per_minute: how many are begun, by all
    processes together; None for as many as there are. Jobs of this machine a process does one by one.
    Raises MoviolaError.
    """
    provider = provider_of(request)
    facts = {
        "verb": request.verb,
        "provider": provider,
        "request": kept(request),
        "estimate_usd": None if estimate_usd is None else str(estimate_usd),
        "retry_of": retry_of,
    }
    id, queue = str(uuid.uuid4()), provider or LOCAL
    with _store() as store, store.explained():
        store.prepare()
        register = partial(
            store.client.register_queue,
            queue,
            global_concurrency=concurrent if provider else None,
            worker_concurrency=None if provider else 1,
            limiter={"limit": per_minute, "period": 60.0} if provider and per_minute else None,
            polling_interval_sec=_QUEUE_SECONDS,
        )
        store.once(register, queue, concurrent, per_minute)
        store.client.enqueue(
            {"workflow_name": NAME, "queue_name": queue, "workflow_id": id, "app_version": LAYOUT}, facts
        )
    return id


def listed() -> list[Job]:
    """All jobs, the newest first."""
    with _store() as store:
        return jobs(store)


def show(id: str) -> Job:
    """One job, by its id or the beginning of it. Raises RequestError where there is none."""
    with _store() as store:
        return job(store, id)


def steps(id: str) -> list[tuple[datetime, str]]:
    """What was done of a job, and when (UTC)."""
    with _store() as store:
        entries = store.ledger(job(store, id).id).entries()
    return [(datetime.fromtimestamp(at, UTC), name) for name, (at, _) in entries.items()]


def follow(*ids: str, work: Work = work) -> Events:
    """What happens in jobs, one after the other, which are done here together unless other processes are at
    them; last of each its `Result`.

    Closing the generator leaves the jobs open. Raises the MoviolaError that the first of them ended with.
    """
    with _store() as store:
        found = [one.id for one in named(store, ids)]
    with _worker(work) as worker:
        for id in found:
            with closing(worker.follow(id)) as events:
                yield from events


def wait(ids: Sequence[str], *, work: Work = work) -> list[Job]:
    """Do jobs, or wait for them where another process is at it, until each has ended or cannot go on."""
    with _store() as store:
        asked = named(store, ids)
        found = [one.id for one in asked]
        if any(one.open for one in asked):
            with _worker(work) as worker:
                worker.wait(found)
        by_id = {one.id: one for one in jobs(store, found)}
        return [by_id[id] for id in found]


def resume(ids: Sequence[str] = (), *, work: Work = work) -> list[Job]:
    """Go on with these jobs, or with all that are open. Returns how they stand then."""
    with _store() as store:
        wanted = named(store, ids) or [one for one in jobs(store) if one.open]
    for one in wanted:
        if not one.open:
            raise RequestError(f"job {one.id} is {one.state}; once more is: moviola jobs retry {one.id}")
    return wait([one.id for one in wanted], work=work)


def cancel(id: str, *, work: Work = work) -> Events:
    """Cancel a job, also at its provider. Notes say what that costs; the last event is a Result with the Job.

    A job that cannot be cancelled any more goes on. Raises RequestError where it has ended.
    """
    with _store() as store:
        found = job(store, id)
        if not found.open:
            raise RequestError(f"job {found.id} is {found.state} and cannot be cancelled")
        ledger = store.ledger(found.id)
        ledger.claim("cancel", {})
        if found.state == "queued" and ledger.read("begun") is None:
            with store.explained():
                store.client.cancel_workflow(found.id)
        elif found.state == "running":
            yield Note(f"job {found.id} is told to stop")
        else:
            with _worker(work) as worker, closing(worker.follow(found.id, quiet=True)) as events:
                yield from (event for event in events if not isinstance(event, Result))
        yield Result(job(store, found.id))


def retry(id: str) -> str:
    """The request of a job that ended, as a new job; returns its id.

    Of an `unknown` job the first may have been made, and then both are paid for. Raises RequestError where it
    is open.
    """
    found = show(id)
    if found.open:
        raise RequestError(f"job {found.id} is {found.state}; go on with it: moviola jobs resume {found.id}")
    again = revived(found.verb, found.request)
    return submit(again, estimate_usd=found.estimate_usd, retry_of=found.id)


class Pruned(BaseModel):
    """freed_bytes: of results that no job and no other name holds any more."""

    model_config = ConfigDict(frozen=True)

    jobs: list[str]
    freed_bytes: int


def prune(*, days: float = 30, unknown: bool = False) -> Pruned:
    """Forget jobs that ended that long ago, and what is kept of their results; files of the user's stay.

    unknown: also those of which it is not known whether they were made and cost.
    """
    before = datetime.now(UTC) - timedelta(days=days)
    with _store() as store:
        every = jobs(store)
        over = [one for one in every if not one.open and (unknown or one.state != "unknown")]
        old = [one.id for one in over if (one.ended_at or one.submitted_at) < before]
        if old:
            store.forget(old)
        wanted = {made["sha256"] for made in store.fetched()} if store.is_there() else set()
    for id in old:
        shutil.rmtree(folder_of(id), ignore_errors=True)
    return Pruned(jobs=old, freed_bytes=assets.prune(wanted))


def cost() -> list[Spent]:
    """What hosted jobs cost, by the day they were submitted (UTC) and the model."""
    return list(spent(listed()))


@contextmanager
def _store() -> Iterator[Store]:
    store = Store()
    try:
        yield store
    finally:
        store.close()


_sharing = threading.Lock()
_shared: list[tuple[Worker, Work]] = []
"""This process's worker, as often as it is in use, and the work it does."""


@contextmanager
def _worker(work: Work) -> Iterator[Worker]:
    """This process's worker: there when the first thread needs it, gone when the last one does not.

    Raises RequestError where it does other work, or the jobs of another store.
    """
    with _sharing:
        if not _shared:
            store = Store()
            try:
                _shared.append((Worker(store, work).__enter__(), work))
            except BaseException:
                store.close()
                raise
        else:
            worker, other = _shared[0]
            if worker.store.url != Store().url or other is not work:
                raise RequestError("this process does other jobs already; wait until these have ended")
            _shared.append(_shared[0])
        worker, _ = _shared[0]
    try:
        yield worker
    finally:
        with _sharing:
            _shared.pop()
            if not _shared:
                worker.__exit__()
                worker.store.close()

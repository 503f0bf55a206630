"""A job as it is shown: read from its row in the queue and its ledger, and kept nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from dbos import WorkflowStatus
from pydantic import BaseModel, ConfigDict

from moviola import tasks
from moviola.errors import InputError, MoviolaError, RequestError
from moviola.hosted.service import Failure
from moviola.jobs.presence import is_alive
from moviola.jobs.store import APPLICATION, Store

State = Literal["queued", "running", "interrupted", "done", "failed", "cancelled", "unknown"]

OPEN: tuple[State, ...] = ("queued", "running", "interrupted")

NAME = "job"
"""Of the workflow, in DBOS's tables."""

_ID = len(str(UUID(int=0)))

_SHOWN = ("ticket", "seen", "cancel")


class Job(BaseModel):
    """state: `interrupted`: its process ended before it did. `unknown`: it may have been made, and may cost.

    model, provider: None where there is none. request: every field of it that is set.
    ticket: the provider's id. progress: 0 to 1. submitted_at, ended_at: UTC.
    estimate_usd: before it began. cost_usd: as the provider tells it.
    error: why it failed, or why it does not go on.
    result: of the verb, once done. retry_of: the job that this one is another try of.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    verb: str
    model: str | None
    provider: str | None
    state: State
    request: dict[str, Any]
    ticket: str | None = None
    progress: float | None = None
    submitted_at: datetime
    ended_at: datetime | None = None
    estimate_usd: Decimal | None = None
    cost_usd: Decimal | None = None
    output: str | None = None
    error: str | None = None
    retry_of: str | None = None
    result: dict[str, Any] | None = None

    @property
    def open(self) -> bool:
        return self.state in OPEN


def jobs(store: Store, ids: Sequence[str] | None = None) -> list[Job]:
    """All jobs, or these, the newest first. Raises MoviolaError."""
    if not store.is_there() or ids == []:
        return []
    rows = rows_of(store, workflow_ids=ids)
    entries = store.entries([row.workflow_id for row in rows], _SHOWN)
    executors = {row.executor_id for row in rows if row.status == "PENDING" and row.executor_id}
    alive = {name for name in executors if is_alive(store, name)}
    return [_job(row, entries.get(row.workflow_id, {}), row.executor_id in alive) for row in rows]


def job(store: Store, id: str) -> Job:
    """One job, by its id or the beginning of it. Raises RequestError where there is none, or several."""
    return named(store, [id])[0]


def named(store: Store, ids: Sequence[str]) -> list[Job]:
    """Jobs, each by its id or the beginning of it, in that order. Raises as `job` does."""
    whole = all(len(id) == _ID for id in ids)
    every = jobs(store, ids if whole else None)
    by_id = {one.id: one for one in every}
    return [by_id[id] if id in by_id else _begun_by(every, id, store.name) for id in ids]


def _begun_by(every: Iterable[Job], id: str, store: str) -> Job:
    found = [one for one in every if one.id.startswith(id)]
    if len(found) == 1:
        return found[0]
    if found:
        few = ", ".join(one.id for one in found[:4])
        raise RequestError(f"{len(found)} jobs begin with {id}; give more of it: {few}")
    raise RequestError(f"there is no job {id} in {store}; see: moviola jobs list")


def rows_of(store: Store, **which: Any) -> list[WorkflowStatus]:
    """Rows of the queue, the newest first."""
    with store.explained():
        return store.client.list_workflows(name=NAME, application_name=APPLICATION, sort_desc=True, **which)


def outcome(store: Store, id: str) -> Any:
    """What a job gave: the verb's result; None while it is open. Raises the MoviolaError it ended with."""
    rows = rows_of(store, workflow_ids=[id])
    if not rows:
        raise RequestError(f"there is no job {id} in {store.name}")
    row = rows[0]
    match row.status:
        case "SUCCESS":
            assert row.output is not None
            return value_of(row.output)
        case "ERROR":
            raise MoviolaError(f"job {id} broke: {_line(row.error)}")
        case "CANCELLED":
            raise Failure("cancelled", f"job {id} was cancelled before it began").error()
    return None


def ended(value: Any) -> dict[str, Any]:
    """How a job ended that gave a result, as its row keeps it. value: the result's schema."""
    return {"state": "done", "kind": type(value).__name__, "result": value.model_dump(mode="json")}


def failed(error: MoviolaError) -> dict[str, Any]:
    """How a job ended that gave none."""
    failure = Failure.told_by(error)
    state = failure.kind if failure.kind in ("cancelled", "unknown") else "failed"
    return {"state": state, "failure": failure.json()}


def value_of(kept: Mapping[str, Any]) -> Any:
    """The result, or raises the error, that `ended` or `failed` kept."""
    if "failure" in kept:
        raise Failure.of(kept["failure"]).error()
    kind = getattr(tasks, kept["kind"], None)
    if kind is None:
        raise InputError(f"this version of Moviola does not know the result {kept['kind']!r} of the job")
    return kind.model_validate(kept["result"])


class Spent(BaseModel):
    """What the jobs of a model submitted on a day cost, in USD.

    told: by the provider. estimated: of jobs that were made and of which it tells nothing.
    at_risk: estimated, of jobs of which it is not known whether they were made.
    """

    model_config = ConfigDict(frozen=True)

    day: str
    model: str
    jobs: int
    told_usd: Decimal
    estimated_usd: Decimal
    at_risk_usd: Decimal

    @property
    def usd(self) -> Decimal:
        """All of it, at worst."""
        return self.told_usd + self.estimated_usd + self.at_risk_usd


def spent(listed: Iterable[Job]) -> Iterator[Spent]:
    """Of hosted jobs, by day (UTC) and model."""
    groups: dict[tuple[str, str], list[Job]] = {}
    for one in listed:
        if one.provider is not None:
            groups.setdefault((one.submitted_at.date().isoformat(), one.model or ""), []).append(one)
    for (day, model), group in sorted(groups.items()):
        made = [one for one in group if one.cost_usd is None and one.ticket and one.state != "failed"]
        lost = [one for one in group if one.state == "unknown"]
        yield Spent(
            day=day,
            model=model,
            jobs=len(group),
            told_usd=sum((one.cost_usd or Decimal(0) for one in group), Decimal(0)),
            estimated_usd=_estimated(made),
            at_risk_usd=_estimated(lost),
        )


def _estimated(group: Iterable[Job]) -> Decimal:
    return sum((one.estimate_usd or Decimal(0) for one in group), Decimal(0))


def _job(row: WorkflowStatus, entries: Mapping[str, Any], alive: bool) -> Job:
    facts = _facts(row)
    told = row.attributes or {}
    kept = row.output if isinstance(row.output, dict) else {}
    error = kept.get("failure", {}).get("message") or _line(row.error) or told.get("trouble")
    seen, ticket = entries.get("seen", {}), entries.get("ticket", {})
    output = facts["request"].get("output")
    return Job(
        id=row.workflow_id,
        verb=facts["verb"],
        model=facts["request"].get("model"),
        provider=facts.get("provider"),
        state=_state(row, kept, alive),
        request=facts["request"],
        ticket=ticket.get("id"),
        progress=1.0 if kept.get("state") == "done" else told.get("progress"),
        submitted_at=_time(row.created_at) or datetime.fromtimestamp(0, UTC),
        ended_at=_time(row.completed_at),
        estimate_usd=facts.get("estimate_usd"),
        cost_usd=seen.get("cost_usd"),
        output=kept.get("result", {}).get("output", output),
        error=error,
        retry_of=facts.get("retry_of"),
        result=kept.get("result"),
    )


def _facts(row: WorkflowStatus) -> dict[str, Any]:
    """What a job was submitted with."""
    given = row.input
    facts = given["args"][0] if isinstance(given, Mapping) and given["args"] else None
    if not isinstance(facts, dict):
        raise InputError(f"job {row.workflow_id} was kept by another version of Moviola and cannot be read")
    return facts


def _state(row: WorkflowStatus, kept: Mapping[str, Any], alive: bool) -> State:
    match row.status:
        case "ENQUEUED" | "DELAYED":
            return "queued"
        case "PENDING":
            return "running" if alive else "interrupted"
        case "SUCCESS":
            state: State = kept["state"]
            return state
        case "CANCELLED":
            return "cancelled"
    return "failed"


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


def _line(error: Exception | str | None) -> str | None:
    return None if error is None else str(error).strip().partition("\n")[0]

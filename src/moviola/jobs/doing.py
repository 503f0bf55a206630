"""How a request is done: hosted work as a job, which outlives this process; the rest on its own road."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from moviola import registry
from moviola.errors import MissingExtraError, RequestError
from moviola.hosted.pricing import Estimate, Money
from moviola.model import Events, Note, Result
from moviola.plan.plan import Plan
from moviola.policy import file, policy
from moviola.roads.again import again
from moviola.run import run
from moviola.tasks import Again, Synthesis, Task, VideoResult

if TYPE_CHECKING:
    from moviola.jobs.job import Spent


def do(request: Task, *, plan: Plan | None = None) -> Events:
    """As `run`; what costs is checked and kept as a job before anything is sent. Raises MoviolaError."""
    if isinstance(request, Again):
        return again(request, do)
    if isinstance(request, Synthesis) and is_hosted(request):
        return _hosted(request)
    return run(request, plan=plan)


def is_hosted(request: Synthesis) -> bool:
    """Whether a request is done by a provider. Raises RequestError for an unknown model."""
    return registry.find(request.model, task=request.verb)[1].hosted


def _hosted(request: Synthesis) -> Events:
    # The line to providers takes a third of a second to import, which other work need not wait for.
    from moviola.hosted.transport import Transport
    from moviola.roads import hosting

    prepared = hosting.prepare(request)
    with _installed():
        from moviola.jobs.counter import cost, follow, submit
    _check_day(cost, prepared.told)
    with Transport() as line:
        # A key that is missing is told before a job is kept for it.
        rules = prepared.family.service(prepared.order, line).rules
    each = None if prepared.told is None else prepared.told.money.usd / request.count
    made = [
        submit(one, estimate_usd=each, concurrent=rules.concurrent, per_minute=rules.per_minute)
        for one in hosting.takes(request)
    ]
    shown = " ".join(job[:8] for job in made)
    yield Note(f"job {shown}: should this be stopped, go on with it by: moviola jobs wait {shown}")
    results: list[VideoResult] = []
    with closing(follow(*made)) as events:
        for event in events:
            if isinstance(event, Result):
                results.append(event.value)
            else:
                yield event
    yield Result(results[0].model_copy(update={"takes": [*results[0].takes, *results[1:]]}))


def _check_day(cost: Callable[[], list[Spent]], told: Estimate | None) -> None:
    """Raises RequestError where a job would cost more than the policy lets a day cost."""
    limit = policy().max_cost_a_day
    if limit is None:
        return
    if told is None:
        raise RequestError(
            f"what this costs is not known here, so the policy's max_cost_a_day in {file()} cannot be kept"
        )
    today = datetime.now(UTC).date().isoformat()
    spent = sum((one.usd for one in cost() if one.day == today), Decimal(0))
    if spent + told.money.usd > limit:
        raise RequestError(
            f"{told.money} more make {Money(spent + told.money.usd)} today, above the policy's "
            f"max_cost_a_day of {Money(limit)} in {file()}"
        )


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingExtraError("a hosted model", "hosted") from error

"""How a request is done: hosted work as a job, which outlives this process; the rest on its own road."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from moviola import registry
from moviola.errors import MissingExtraError
from moviola.model import Events, Note
from moviola.run import run
from moviola.tasks import Synthesis, Task


def do(request: Task) -> Events:
    """As `run`; what costs is checked and kept as a job before anything is sent. Raises MoviolaError."""
    if isinstance(request, Synthesis) and is_hosted(request):
        return _hosted(request)
    return run(request)


def is_hosted(request: Synthesis) -> bool:
    """Whether a request is done by a provider. Raises RequestError for an unknown model."""
    return registry.find(request.model, task=request.verb)[1].hosted


def _hosted(request: Synthesis) -> Events:
    # The line to providers takes a third of a second to import, which other work need not wait for.
    from moviola.hosted.transport import Transport
    from moviola.roads import hosting

    prepared = hosting.prepare(request)
    with _installed():
        from moviola.jobs.counter import follow, submit
    with Transport() as line:
        # A key that is missing is told before a job is kept for it.
        rules = prepared.family.service(prepared.order, line).rules
    told = prepared.told
    job = submit(
        request,
        estimate_usd=None if told is None else told.money.usd,
        concurrent=rules.concurrent,
        per_minute=rules.per_minute,
    )
    yield Note(f"job {job}: should this be stopped, go on with it by: moviola jobs wait {job[:8]}")
    yield from follow(job)


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingExtraError("a hosted model", "hosted") from error

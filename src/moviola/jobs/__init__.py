"""Durable jobs: work that survives its process, and that nobody pays for twice.

    id = moviola.jobs.submit(request)        a request of `moviola.tasks`, kept; nothing is done yet
    moviola.jobs.wait([id])                  done here, or waited for where another process does it
    for event in moviola.jobs.follow(id): …  the same, with events on the way and its result at the end
    moviola.jobs.listed()                    all jobs and how they stand
    moviola.jobs.show(id)                    one of them; `steps`: what was done of it, and when
    moviola.jobs.cancel(id)                  also at the provider, where that can be
    moviola.jobs.resume()                    goes on with everything that is open
    moviola.jobs.retry(id)                   the same once more, as a job of its own
    moviola.jobs.prune(days=30)              forgets what ended long ago
    moviola.jobs.cost()                      what was spent, by day and model

They are kept in the user's data (`MOVIOLA_HOME`), or in the database that `MOVIOLA_JOBS` names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moviola.errors import MissingExtraError

if TYPE_CHECKING:
    from moviola.jobs.counter import (
        cancel,
        cost,
        follow,
        listed,
        prune,
        resume,
        retry,
        show,
        steps,
        submit,
        wait,
    )

__all__ = [
    "cancel",
    "cost",
    "follow",
    "listed",
    "prune",
    "resume",
    "retry",
    "show",
    "steps",
    "submit",
    "wait",
]


def __getattr__(name: str) -> Any:
    """Bind on first use: what keeps jobs takes a second to import."""
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module 'moviola.jobs' has no attribute {name!r}")
    try:
        value = getattr(import_module("moviola.jobs.counter"), name)
    except ModuleNotFoundError as error:
        if error.name not in ("dbos", "sqlalchemy"):
            raise
        raise MissingExtraError("keeping jobs", "hosted") from error
    globals()[name] = value
    return value

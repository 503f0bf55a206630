"""A request as a job keeps it: plain JSON values that mean the same in another process, folder and year."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from moviola import registry
from moviola.errors import InputError, RequestError
from moviola.roads.synthesis import output_of
from moviola.roads.video import FILES, output_beside
from moviola.tasks import TASKS, Synthesis, Task, VideoTask, Watch, request

LOCAL = "local"
"""The queue of jobs that this machine does itself."""

_FILES = (*FILES, "videos")


def provider_of(task: Task) -> str | None:
    """By whom a request is done; None where this machine does it."""
    model = getattr(task, "model", None)
    if not isinstance(model, str):
        return None
    _, card = registry.find(model)
    return card.id.partition("/")[0] if card.hosted else None


def kept(task: Task) -> dict[str, Any]:
    """A request with every file under its full name, as JSON. Raises RequestError where it cannot be kept."""
    if isinstance(task, Watch):
        raise RequestError("watch: a camera is watched as it happens, not in a job")
    fields: dict[str, Any] = {}
    for name in type(task).model_fields:
        value = getattr(task, name)
        if name in _FILES and isinstance(value, list):
            value = [_kept(task, name, one) for one in value]
        elif name in _FILES:
            value = _kept(task, name, value)
        if isinstance(value, Path):
            value = value.absolute()
        fields[name] = value
    if isinstance(task, Synthesis):
        fields["output"] = output_of(task).absolute()
    elif isinstance(task, VideoTask):
        fields["output"] = output_beside(task).absolute()
    return task.model_copy(update=fields).model_dump(mode="json", exclude_none=True)


def revived(verb: str, fields: dict[str, Any]) -> Task:
    """The request that was kept. Raises MoviolaError where this version knows no such request."""
    kind = next((task for task in TASKS if task.verb == verb), None)
    if kind is None:
        raise InputError(f"this version of Moviola does not know the verb {verb!r} of the job")
    return request(kind, fields)


def _kept(task: Task, name: str, origin: Any) -> Any:
    match origin:
        case None | int():
            return origin
        case Path():
            return str(origin.absolute())
        case str():
            return origin if "://" in origin else str(Path(origin).absolute())
    raise RequestError(f"{task.verb}: {name}: a job outlives this process; write it to a file and name that")

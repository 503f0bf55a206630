"""Makes a video once more from the recipe inside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from moviola import weights
from moviola.clip import Clip
from moviola.errors import InputError, RequestError
from moviola.model import Events, Note
from moviola.plan.machine import this_machine
from moviola.plan.plan import Plan
from moviola.recipe import fingerprint, versions
from moviola.roads.video import FILES
from moviola.tasks import TASKS, Again, Synthesis, origin_name, request

_RUN_DIFFERENTLY = {"device", "dtype", "memory", "speed"}
"""Changes after which the plan of the recipe no longer holds."""


def again(asked: Again, run: Callable[..., Events]) -> Events:
    """Read the recipe of a video and do its request again, with `asked.change` and the new seed in it.

    run: does a request, on a given plan. Says what is no longer as it was then: versions, inputs.
    Raises InputError where there is no recipe, or it cannot be followed.
    """
    source = Clip(asked.video).source
    recipe = source.probe().recipe
    if recipe is None:
        raise InputError(f"{source.name} holds no recipe: it was not made by Moviola, or written anew since")
    kind = next((task for task in TASKS if task.verb == recipe.get("verb")), None)
    if kind is None or not isinstance(recipe.get("request"), Mapping):
        raise InputError(f"the recipe in {source.name} is of an unknown kind: {recipe.get('verb')!r}")
    fields = _fields(asked, recipe["request"])
    task = request(kind, fields)
    yield from map(Note, _differences(recipe, fields))
    plan = recipe.get("plan")
    if not isinstance(task, Synthesis) or plan is None or _RUN_DIFFERENTLY & set(asked.change):
        yield from run(task)
        return
    try:
        this_machine(plan["device"])
    except RequestError:
        yield Note(f"made on {plan['device']}, which is not here: planned anew, and the result may differ")
        yield from run(task)
        return
    yield from run(task, plan=Plan.of(plan))


def _fields(asked: Again, recorded: Mapping[str, Any]) -> dict[str, Any]:
    made = Path(origin_name(asked.video))
    output = asked.output or Path(f"{made.stem}-again{made.suffix}")
    options = {name[8:]: value for name, value in asked.change.items() if name.startswith("options.")}
    change = {name: value for name, value in asked.change.items() if not name.startswith("options.")}
    fields = dict(recorded) | change | {"output": output, "overwrite": asked.overwrite}
    fields["options"] = dict(fields.get("options", {})) | options
    for name in (*FILES, "weights"):
        if name in recorded and name not in change:
            named = recorded[name]
            several = isinstance(named, list)
            fields[name] = (
                [_found(one, made.parent) for one in named] if several else _found(named, made.parent)
            )
    # What a settled request has instead of these would contradict a change of them.
    if "seconds" in asked.change:
        fields.pop("frames", None)
    if "aspect" in asked.change:
        fields.pop("size", None)
    if asked.seed is not None:
        fields["seed"] = asked.seed
    return fields


def _found(name: Any, folder: Path) -> Any:
    """A file as it was named, or where it is not there, the one of that name beside the video."""
    beside = folder / str(name)
    return str(beside) if not Path(str(name)).exists() and beside.exists() else name


def _differences(recipe: Mapping[str, Any], fields: Mapping[str, Any]) -> list[str]:
    here, then = versions(), recipe.get("versions", {})
    changed = [
        f"{name} {then[name]}, here {here.get(name, 'none')}" for name in then if then[name] != here.get(name)
    ]
    told = [f"made with {', '.join(changed)}: the result may differ"] if changed else []
    for name, before in recipe.get("inputs", {}).items():
        origin = fields.get(name)
        if before is None:
            raise InputError(f"{name} was given from memory ({origin}) and cannot be read again")
        now = weights.fingerprint(Path(str(origin))) if name == "weights" else fingerprint(origin)
        if isinstance(now, dict) and set(now) == {"name"}:
            told.append(f"{name} {origin} is not here any more")
        elif now != before:
            told.append(f"{name} {origin} is not the file it was: the result will differ")
    return told

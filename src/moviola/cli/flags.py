"""Command-line parameters from a task's schema: nothing about a task is written down twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from moviola.errors import RequestError
from moviola.tasks import Short, Task, is_positional


def parameters(task: type[Task]) -> list[click.Parameter]:
    """One click parameter per field, in the schema's order."""
    return [_parameter(name, field) for name, field in task.model_fields.items()]


def arguments(task: type[Task]) -> list[tuple[str, str]]:
    """Name and description of what is given by place; click's own help leaves these out."""
    return [
        (name.upper(), field.description or "")
        for name, field in task.model_fields.items()
        if is_positional(field)
    ]


def _parameter(name: str, field: FieldInfo) -> click.Parameter:
    kind = _without_none(field.annotation)
    if is_positional(field):
        return click.Argument(
            [name], required=field.is_required(), nargs=-1 if get_origin(kind) is list else 1
        )
    flag = f"--{name.replace('_', '-')}"
    shorts = [f"-{mark.letter}" for mark in field.metadata if isinstance(mark, Short)]
    settings: dict[str, Any] = {"help": field.description, "required": field.is_required()}
    if kind is bool:
        both = f"{flag}/--no-{name.replace('_', '-')}" if field.default else flag
        return click.Option([name, both], is_flag=True, default=None, **settings)
    if get_origin(kind) is Literal:
        settings["type"] = click.Choice(get_args(kind))
    elif get_origin(kind) is Mapping:
        settings |= {"multiple": True, "metavar": "KEY=VALUE", "callback": _pairs}
    elif get_origin(kind) is list:
        settings |= {"metavar": "A,B,…", "callback": _list}
    else:
        settings["metavar"] = {int: "N", float: "X"}.get(kind, name.upper())
    if isinstance(field.default, str | int | float) and not isinstance(field.default, bool):
        settings["help"] = f"{field.description or ''} (default {field.default})".strip()
    return click.Option([name, flag, *shorts], **settings)


def _without_none(annotation: Any) -> Any:
    """X for `X | None`, the bare type for `Annotated[X, …]`."""
    if get_origin(annotation) in (Mapping, list, tuple, Literal):
        return annotation
    arguments = [part for part in get_args(annotation) if part is not type(None)]
    return _without_none(arguments[0]) if arguments else annotation


def _pairs(_: click.Context, parameter: click.Parameter, values: Sequence[str]) -> dict[str, str] | None:
    pairs = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not equals:
            raise RequestError(f"{parameter.opts[0]} {value}: write it as KEY=VALUE")
        pairs[key] = rest
    return pairs or None


def _list(_: click.Context, __: click.Parameter, value: str | None) -> list[str] | None:
    return value.split(",") if value else None

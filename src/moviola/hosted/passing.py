"""Input for models that go by their path alone: what they take is their own affair, and given as options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from moviola.errors import RequestError
from moviola.hosted.service import Given
from moviola.tasks import Synthesis

FIELDS = (
    "prompt",
    "negative_prompt",
    "seed",
    "image",
    "last_image",
    "reference",
    "references",
    "video",
    "mask",
)
"""Of a request, which an option may place: -O NAME=@FIELD."""


def from_text(given: Any) -> Any:
    """Options as they are meant: the command line knows nothing but text."""
    return {name: read(value) for name, value in given.items()} if isinstance(given, Mapping) else given


class Passed(BaseModel):
    """Options, of which what the family has no field for goes through to the model as it is."""

    model_config = ConfigDict(frozen=True, extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, given: Any) -> Any:
        return from_text(given)


def read(value: Any) -> Any:
    """A value of an option as it is meant: text that is JSON is that."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def said_by(request: Synthesis, files: Mapping[str, Given]) -> dict[str, Any]:
    """What a request says, by field; files by their addresses, and `references` as a list of them."""
    words = {"prompt": request.prompt, "negative_prompt": request.negative_prompt, "seed": request.seed}
    said: dict[str, Any] = {name: value for name, value in words.items() if value is not None}
    for name, file in files.items():
        field, several, _ = name.partition(".")
        said[field] = [*said.get(field, ()), file.address] if several else file.address
    return said


def placed(
    said: Mapping[str, Any], names: Mapping[str, str], options: Mapping[str, Any], model: str
) -> dict[str, Any]:
    """The input of a model. An option of a name wins over what would be sent under it.

    said: by the request's field. names: under which a field is sent, where no option says `@FIELD`.
    Raises RequestError for a field that has no name, and for `@FIELD` where the request says no such thing.
    """
    taken: set[str] = set()
    body = {name: _filled(value, said, taken) for name, value in options.items()}
    for field, value in said.items():
        if field in taken:
            continue
        if field not in names:
            raise RequestError(f"{field}: say under which name {model} takes it: -O NAME=@{field}")
        body.setdefault(names[field], value)
    return body


def _filled(value: Any, said: Mapping[str, Any], taken: set[str]) -> Any:
    match value:
        case str() if value.startswith("@") and (field := value[1:]) in FIELDS:
            if field not in said:
                raise RequestError(f"an option says {value}, and the request has no {field}; give it too")
            taken.add(field)
            return said[field]
        case Mapping():
            return {name: _filled(inner, said, taken) for name, inner in value.items()}
        case list() | tuple():
            return [_filled(inner, said, taken) for inner in value]
    return value

"""What every request is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from moviola.errors import RequestError
from moviola.policy import chosen
from moviola.tasks.fields import named


class Task(BaseModel):
    """A request. `verb` names it everywhere: `moviola.verb(...)`, `moviola verb`, `POST /verb`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False, defer_build=True
    )
    verb: ClassVar[str]


class OnDevice(Task):
    """A request that runs a network with weights."""

    device: str | None = Field(None, description="cpu, cuda, cuda:1, mps; default the best there is")
    dtype: Literal["float32", "bfloat16", "float16"] | None = Field(
        None, description="numbers the model computes in; default the best for model and device"
    )
    weights: Annotated[
        Path | None,
        BeforeValidator(named),
        Field(None, description="a checkpoint of one's own, file or folder, in place of the published one"),
    ]


MODEL = "id of the model; see `moviola models`"


def request(task: type[Task], fields: Mapping[str, Any]) -> Task:
    """Build a request; the user's policy may say which model is meant where none is named.

    Raises RequestError, one line, naming the field that is wrong.
    """
    try:
        made = task.model_validate(fields)
        if "model" in task.model_fields and "model" not in made.model_fields_set:
            meant = chosen(task.verb, fields)
            return made if meant is None else task.model_validate({**fields, "model": meant})
        return made
    except ValidationError as error:
        first = error.errors()[0]
        field = f"{first['loc'][0]}: " if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            raise RequestError(
                f"{task.verb}: there is no field {first['loc'][0]}; there are: {', '.join(task.model_fields)}"
            ) from None
        raise RequestError(f"{task.verb}: {field}{first['msg'].removeprefix('Value error, ')}") from None

"""Requests that look at videos and change nothing, and their results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from moviola.tasks.fields import Origin, Positional, Rational, Short, named
from moviola.tasks.task import Task
from moviola.vocabulary import VERBS


class Measure(Task):
    __doc__ = VERBS["measure"]
    verb: ClassVar[str] = "measure"
    metric: Annotated[
        str, Positional(), Field(description="which measure: `moviola measure --help` lists them")
    ]
    video: Annotated[Origin, Positional(), Field(description="the video to score")]
    reference: Annotated[
        Origin | None, Positional(), Field(None, description="the truth, for measures that compare")
    ]
    options: Annotated[
        Mapping[str, Any], Short("O"), Field(default_factory=dict, description="KEY=VALUE, the metric's own")
    ]


class Scores(BaseModel):
    """A measure's outcome. `per_frame` has one value per frame or pair; infinity becomes null in JSON."""

    metric: str
    value: float = Field(description="the figure to quote", allow_inf_nan=True)
    unit: str
    higher_is_better: bool
    frames: int
    per_frame: list[float]

    model_config = ConfigDict(ser_json_inf_nan="null")


class Sample(Task):
    __doc__ = VERBS["sample"]
    verb: ClassVar[str] = "sample"
    video: Annotated[Origin, Positional(), Field(description="the video")]
    n: Annotated[int | None, Short("n"), Field(None, ge=1, description="this many, evenly spread")]
    fps: Rational | None = Field(None, description="this many per second")
    times: list[float] | None = Field(None, description="at these times in seconds")
    start: float | None = Field(None, description="from this time on, in seconds")
    stop: float | None = Field(None, description="up to this time, in seconds")
    output: Annotated[
        Path | None,
        BeforeValidator(named),
        Short("o"),
        Field(None, description="folder/%05d.png to write; without it only times"),
    ]
    overwrite: bool = Field(False, description="replace images that exist")

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if sum(rule is not None for rule in (self.n, self.fps, self.times)) != 1:
            raise ValueError("give exactly one of n, fps and times")
        return self


class Sampled(BaseModel):
    """Which frames were taken: presentation indices (from 0), their times in seconds and their files."""

    indices: list[int]
    pts_seconds: list[float]
    files: list[Path]

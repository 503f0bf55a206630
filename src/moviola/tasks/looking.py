"""Requests that look at videos and change nothing, and their results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from moviola.tasks.fields import Origin, Positional, Rational, Short, Views, named
from moviola.tasks.task import OnDevice, Task
from moviola.vocabulary import VERBS


class Measure(OnDevice):
    __doc__ = VERBS["measure"]
    verb: ClassVar[str] = "measure"
    metric: Annotated[
        str, Positional(), Field(description="which measure: `moviola measure --help` lists them")
    ]
    video: Annotated[
        Origin,
        Positional(),
        Field(description="the video to score; for accuracy labelled clips: a folder per class, or a CSV"),
    ]
    reference: Annotated[
        Origin | None,
        Positional(),
        Field(None, description="the truth, for measures that compare; warping takes motion from it"),
    ]
    options: Annotated[
        Mapping[str, Any], Short("O"), Field(default_factory=dict, description="KEY=VALUE, the metric's own")
    ]
    model: str | None = Field(
        None,
        description="accuracy: of which model; lpips, warping: what looks (`moviola models --task measure`)",
    )
    views: Views | None = Field(
        None, description="accuracy: CLIPSxCROPS that are averaged; default as the model's authors test"
    )
    output: Annotated[
        Path | None,
        BeforeValidator(named),
        Short("o"),
        Field(
            None,
            description="accuracy: CSV with a row per clip, from which the same command goes on; "
            "default NAME-MODEL.csv",
        ),
    ]
    overwrite: bool = Field(False, description="accuracy: begin anew where the output exists")


class Scores(BaseModel):
    """A measure's outcome. `per_frame` has one value per frame or pair; infinity and NaN are null in JSON."""

    metric: str
    value: float = Field(description="the figure to quote", allow_inf_nan=True)
    unit: str
    higher_is_better: bool
    frames: int
    per_frame: list[float]
    model: str | None = Field(None, description="what it was measured with, where that is a network")

    model_config = ConfigDict(ser_json_inf_nan="null")


class ClassAccuracy(BaseModel):
    """One class: how many clips of it, and the share whose label came first, and among the first five."""

    label: str
    clips: int
    top1: float
    top5: float


class Confusion(BaseModel):
    """How often clips of one class were taken for another."""

    label: str
    taken_for: str
    clips: int


class AccuracyScores(BaseModel):
    """How often a recognizer is right. Shares are 0 to 1.

    top1_interval, top5_interval: 95 % confidence, by Wilson's score (J. Am. Stat. Assoc. 22, 1927).
    calibration_error: mean distance between confidence and accuracy over 15 equal bins of confidence,
        weighted by their clips (Guo et al., arXiv 1706.04599); temperature: what logits were divided by.
    classes: by name. confusions: the most frequent first. unreadable: clips that are not counted, and why.
    resumed: how many clips were taken over from the output of an interrupted run.
    """

    model: str
    views: str
    clips: int
    top1: float
    top1_interval: tuple[float, float]
    top5: float
    top5_interval: tuple[float, float]
    calibration_error: float
    temperature: float
    classes: list[ClassAccuracy]
    confusions: list[Confusion]
    unreadable: dict[str, str]
    resumed: int
    output: Path
    elapsed_seconds: float


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

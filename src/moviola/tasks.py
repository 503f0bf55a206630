"""One request and one result per verb; the Python call, the CLI flags and the job record derive from them.

A field marked `Positional` is an argument on the command line; all others are `--flags` of the same name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PositiveInt,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.fields import FieldInfo

from moviola.errors import RequestError
from moviola.vocabulary import VERBS

if TYPE_CHECKING:
    from moviola.clip import Clip


@dataclass(frozen=True, slots=True)
class Positional:
    """Marks a field that is given by place, not by name, on the command line."""


def is_positional(field: FieldInfo) -> bool:
    return any(isinstance(mark, Positional) for mark in field.metadata)


@dataclass(frozen=True, slots=True)
class Short:
    """A one-letter flag beside the long one."""

    letter: str


# What people type for the NTSC rates, and what they mean (SMPTE ST 12-1: 1000/1001 of the whole rate).
_NTSC = {
    f"{nominal * 1000 / 1001:.{digits}f}": Fraction(nominal * 1000, 1001)
    for nominal in (24, 30, 48, 60, 120)
    for digits in (2, 3)
}


def as_fraction(value: Any) -> Fraction:
    """An exact positive number from an int, a float, "5/2", "16:9", "2.5" or "23.976" (24000/1001).

    Raises ValueError for anything that is not above zero and below 100,000.
    """
    text = str(value).strip().replace(":", "/")
    try:
        number = _NTSC.get(text) or Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{text!r} is not a number; write 60, 2.5 or 30000/1001") from None
    if not 0 < number < 100_000:
        raise ValueError(f"{text} is out of range; it must be above 0 and below 100000")
    return number


Rational = Annotated[
    Fraction,
    BeforeValidator(as_fraction),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?([/:]\d+)?$"}),
]


def _named(value: Any) -> Any:
    """An empty name would mean the current folder; a zero byte means nothing anywhere."""
    if isinstance(value, str) and (not value or "\0" in value):
        raise ValueError("the name is empty" if not value else "the name holds a zero byte")
    return value


Origin = Annotated[
    Any,
    BeforeValidator(_named),
    PlainSerializer(lambda origin: origin_name(origin)),
    WithJsonSchema({"type": "string"}),
]
"""Where a video comes from: path, URL, bytes, file object, folder, `folder/%05d.png`, array, camera."""


def origin_name(origin: Any) -> str:
    """How an origin is written down: its path or URL, else what kind of thing it is."""
    if isinstance(origin, str | Path | int):
        return str(origin)
    name = getattr(origin, "name", None)
    return name if isinstance(name, str) else type(origin).__name__


def as_size(value: Any) -> Any:
    """Width and height from "832x480" or "832×480"."""
    match = re.fullmatch(r"\s*(\d+)\s*[x×*]\s*(\d+)\s*", value) if isinstance(value, str) else None
    if isinstance(value, str) and match is None:
        raise ValueError(f"{value!r} is no size; write WIDTHxHEIGHT, as 832x480")
    return (int(match[1]), int(match[2])) if match else value


Size = Annotated[
    tuple[PositiveInt, PositiveInt],
    BeforeValidator(as_size),
    PlainSerializer(lambda size: f"{size[0]}x{size[1]}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+x\d+$"}),
]

_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def as_bytes(value: Any) -> Any:
    """Bytes from "8GB", "500 MiB" or a number; K, M, G and T are powers of 1024."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", value.lower())
    if match is None:
        raise ValueError(f"{value!r} is no amount of memory; write it as 8GB")
    return int(float(match[1]) * _UNITS[match[2]])


def said(value: Any) -> Any:
    """A prompt says something."""
    if isinstance(value, str) and not value.strip():
        raise ValueError("the prompt is empty")
    return value


class Task(BaseModel):
    """A request. `verb` names it everywhere: `moviola.verb(...)`, `moviola verb`, `POST /verb`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False, defer_build=True
    )
    verb: ClassVar[str]


_MODEL = "id of the model; see `moviola models`"


class Making(Task):
    """A request that a model answers with a new video."""

    model: str = Field(description=_MODEL)
    output: Annotated[
        Path | None,
        BeforeValidator(_named),
        Short("o"),
        Field(None, description="file to write, or folder/ or folder/%05d.png; default NAME-VERB.mp4"),
    ]
    overwrite: bool = Field(False, description="replace the output where it exists")
    codec: str | None = Field(None, description="h264, h265, av1, vp9, prores, ffv1, gif, webp, png")
    quality: int | None = Field(None, description="the codec's own constant-quality value (CRF)")
    depth: Literal["8", "10"] | None = Field(None, description="bits per channel written; default as input")
    audio: bool = Field(True, description="keep sound and subtitles, or make them where the model can")
    options: Annotated[
        Mapping[str, Any],
        Short("O"),
        Field(default_factory=dict, description="KEY=VALUE, the model's own; see `moviola models show ID`"),
    ]


class VideoTask(Making):
    """A request that turns one video into another."""

    video: Annotated[Origin, Positional(), Field(description="the video: file, URL, folder of images")]
    rate: Rational | None = Field(
        None, description="frames per second of an input without times (images); default 25"
    )


class Synthesis(Making):
    """What every request to a generative model may say."""

    prompt: Annotated[
        str | None, Positional(), BeforeValidator(said), Field(None, description="what should be seen")
    ]
    negative_prompt: str | None = Field(None, description="what should not be seen")
    preset: Literal["cinematic", "documentary", "animation", "macro"] | None = Field(
        None, description="words added to the prompt for a look; default none"
    )
    reference: Origin | None = Field(
        None, description="a picture of what should be seen, where the model follows one"
    )
    seed: int | None = Field(
        None, ge=0, lt=2**63, description="same seed, same video; default a new one, told and recorded"
    )
    steps: int | None = Field(None, ge=1, le=1000, description="denoising steps; default the model's own")
    guidance: float | None = Field(
        None, ge=0, le=100, description="how closely the prompt is followed; default the model's own"
    )
    size: Size | None = Field(None, description="WIDTHxHEIGHT in pixels; default the model's own")
    count: int = Field(1, ge=1, le=100, description="how many takes, each with a seed of its own")
    fit: bool = Field(False, description="take the nearest the model can do where it cannot do what is asked")
    speed: Literal["exact", "balanced", "fast"] = Field(
        "exact", description="exact changes nothing; the others skip work that changes little"
    )
    device: str | None = Field(None, description="cpu, cuda, cuda:1, mps; default the best there is")
    dtype: Literal["float32", "bfloat16", "float16"] | None = Field(
        None, description="numbers the model computes in; default the best for model and device"
    )
    memory: Annotated[
        int | None,
        BeforeValidator(as_bytes),
        Field(None, description="use at most this much of the device: 8GB; default what is free"),
    ]
    weights: Annotated[
        Path | None,
        BeforeValidator(_named),
        Field(None, description="folder of a checkpoint in diffusers layout, in place of the published one"),
    ]
    preview: Annotated[
        Path | None,
        BeforeValidator(_named),
        Field(None, description="file to keep a small early look at the work in: look.webp"),
    ]


class Generate(Synthesis):
    __doc__ = VERBS["generate"]
    verb: ClassVar[str] = "generate"
    model: str = Field("wan2.1-t2v-1.3b", description=_MODEL)
    image: Origin | None = Field(None, description="the first frame: image file, URL, array")
    last_image: Origin | None = Field(None, description="the last frame")
    seconds: float | None = Field(None, gt=0, le=3600, description="how long the video is")
    frames: int | None = Field(None, ge=1, le=100_000, description="how many frames, in place of seconds")
    fps: Rational | None = Field(None, description="frames per second; default the model's own")
    aspect: Rational | None = Field(None, description="shape in place of size: 16:9, 1, 2.39")
    motion: float | None = Field(None, ge=0, le=1, description="how much moves, where the model has a say")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.seconds is not None and self.frames is not None:
            raise ValueError("give seconds or frames, not both")
        if self.size is not None and self.aspect is not None:
            raise ValueError("give size or aspect, not both")
        return self


class Edit(Synthesis, VideoTask):
    __doc__ = VERBS["edit"]
    verb: ClassVar[str] = "edit"
    model: str = Field("wan2.1-t2v-1.3b", description=_MODEL)
    strength: float | None = Field(
        None, gt=0, le=1, description="how much may change, above 0 to 1; default the model's own"
    )
    mask: Origin | None = Field(
        None, description="what to change, white on black: image, video, folder; or a box as x,y,w,h"
    )


class Interpolate(VideoTask):
    __doc__ = VERBS["interpolate"]
    verb: ClassVar[str] = "interpolate"
    model: str = Field("flow", description=_MODEL)
    factor: Rational | None = Field(None, description="multiply the rate: 2, 2.5, 5/2")
    fps: Rational | None = Field(None, description="constant frames per second: 60, 30000/1001")
    at_cut: Literal["hold", "repeat"] | None = Field(
        None,
        description="across a scene cut: show the last picture longer, or repeat it to keep a strictly "
        "constant rate; default hold, for image sequences repeat",
    )

    @model_validator(mode="after")
    def _one_rate(self) -> Self:
        if (self.factor is None) == (self.fps is None):
            raise ValueError("give exactly one of factor and fps")
        if self.factor is not None and self.factor <= 1:
            raise ValueError(f"factor {self.factor} adds no frames; it must be above 1")
        return self


class Remove(VideoTask):
    __doc__ = VERBS["remove"]
    verb: ClassVar[str] = "remove"
    model: str = Field("propagate", description=_MODEL)
    mask: Annotated[
        Origin,
        Field(description="what to remove, white on black: image, video, folder; or a box as x,y,w,h"),
    ]


class VideoResult(BaseModel):
    """A video that was written.

    recipe: the request, model and versions that made it; embedded in the file too.
    notes: choices made and things lost, one sentence each.
    takes: the further videos where `count` asked for several; this is the first.
    resumed_windows: how many windows were taken over from an interrupted run.
    """

    output: Path
    frames: int
    width: int
    height: int
    duration_seconds: float
    elapsed_seconds: float
    windows: int
    resumed_windows: int
    notes: list[str]
    recipe: dict[str, Any]
    takes: list[VideoResult] = Field(default_factory=list)

    @property
    def clip(self) -> Clip:
        from moviola.clip import Clip

        return Clip(self.output)


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
        BeforeValidator(_named),
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


def request(task: type[Task], fields: Mapping[str, Any]) -> Task:
    """Build a request. Raises RequestError, one line, naming the field that is wrong."""
    try:
        return task.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = f"{first['loc'][0]}: " if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            raise RequestError(
                f"{task.verb}: there is no field {first['loc'][0]}; there are: {', '.join(task.model_fields)}"
            ) from None
        raise RequestError(f"{task.verb}: {field}{first['msg'].removeprefix('Value error, ')}") from None


class Again(Task):
    __doc__ = VERBS["again"]
    verb: ClassVar[str] = "again"
    video: Annotated[Origin, Positional(), Field(description="a video that Moviola made")]
    output: Annotated[
        Path | None,
        BeforeValidator(_named),
        Short("o"),
        Field(None, description="file to write; default NAME-again.mp4"),
    ]
    overwrite: bool = Field(False, description="replace the output where it exists")
    seed: int | None = Field(None, ge=0, lt=2**63, description="another seed: the same scene, another take")
    change: Annotated[
        Mapping[str, Any],
        Short("c"),
        Field(
            default_factory=dict,
            description="FIELD=VALUE of the request to change: steps=40, options.KEY=VALUE",
        ),
    ]


class Pull(Task):
    __doc__ = VERBS["pull"]
    verb: ClassVar[str] = "pull"
    model: Annotated[str, Positional(), Field(description=_MODEL)]
    verify: bool = Field(False, description="also check every file that is here already")


class Pulled(BaseModel):
    """Weights that are on disk now, one folder and revision (a commit) per repository."""

    model: str
    folders: list[Path]
    revisions: list[str]
    size_bytes: int


TASKS: tuple[type[Task], ...] = (Generate, Edit, Interpolate, Remove, Measure, Sample, Again, Pull)
"""Every verb, in the order help lists them."""

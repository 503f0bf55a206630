"""Requests that are answered with a new video, and their result."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from moviola.tasks.background import BackgroundAs
from moviola.tasks.fields import (
    Origin,
    Positional,
    Rational,
    Short,
    Size,
    TimeSpan,
    as_bytes,
    as_pictures,
    named,
    said,
)
from moviola.tasks.prompts import BoxAt, PointAt, TextAt
from moviola.tasks.task import MODEL, OnDevice, Task
from moviola.vocabulary import VERBS

if TYPE_CHECKING:
    from moviola.clip import Clip


class Making(Task):
    """A request that a model answers with a new video."""

    model: str = Field(description=MODEL)
    output: Annotated[
        Path | None,
        BeforeValidator(named),
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
    range: TimeSpan | None = Field(
        None, description="only this stretch of the video, with its sound: 12s..30s, 1:30.., ..500ms"
    )
    rate: Rational | None = Field(
        None, description="frames per second of an input without times (images); default 25"
    )
    compare: Annotated[
        Path | None,
        BeforeValidator(named),
        Field(None, description="file to show input and result together in: both.mp4, or a page: both.html"),
    ]

    @property
    def transparency(self) -> bool | None:
        """Whether the result is to have any, or is to have none; None where it is as the video's."""
        return None


class Synthesis(OnDevice, Making):
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
    references: Annotated[
        list[Origin] | None,
        BeforeValidator(as_pictures),
        Field(None, description="further pictures of what should be seen, where the model takes several"),
    ]
    seed: int | None = Field(
        None, ge=0, lt=2**63, description="same seed, same video; default a new one, told and recorded"
    )
    steps: int | None = Field(None, ge=1, le=1000, description="denoising steps; default the model's own")
    guidance: float | None = Field(
        None, ge=0, le=100, description="how closely the prompt is followed; default the model's own"
    )
    size: Size | None = Field(None, description="WIDTHxHEIGHT in pixels; default the model's own")
    count: int = Field(1, ge=1, le=100, description="how many takes, each with a seed of its own")
    server: str | None = Field(
        None,
        description="address of a server that a hosted model is asked at, as http://localhost:8000/v1",
    )
    max_cost: Decimal | None = Field(
        None, ge=0, description="US dollars; what would cost more is refused before anything is sent: 2.00"
    )
    fit: bool = Field(False, description="take the nearest the model can do where it cannot do what is asked")
    speed: Literal["exact", "balanced", "fast"] = Field(
        "exact", description="exact changes nothing; the others skip work that changes little"
    )
    memory: Annotated[
        int | None,
        BeforeValidator(as_bytes),
        Field(None, description="use at most this much of the device: 8GB; default what is free"),
    ]
    preview: Annotated[
        Path | None,
        BeforeValidator(named),
        Field(None, description="file to keep a small early look at the work in: look.webp"),
    ]


class Generate(Synthesis):
    __doc__ = VERBS["generate"]
    verb: ClassVar[str] = "generate"
    model: str = Field("wan2.1-t2v-1.3b", description=MODEL)
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
    model: str = Field("wan2.1-t2v-1.3b", description=MODEL)
    strength: float | None = Field(
        None, gt=0, le=1, description="how much may change, above 0 to 1; default the model's own"
    )
    mask: Origin | None = Field(
        None, description="what to change, white on black: image, video, folder; or a box as x,y,w,h"
    )


class Interpolate(OnDevice, VideoTask):
    __doc__ = VERBS["interpolate"]
    verb: ClassVar[str] = "interpolate"
    model: str = Field("flow", description=MODEL)
    factor: Rational | None = Field(None, description="multiply the rate: 2, 2.5, 5/2")
    fps: Rational | None = Field(None, description="constant frames per second: 60, 30000/1001")
    slow_motion: Rational | None = Field(
        None,
        description="make it last so many times as long, with sound at its pitch: 4, 2.5; at the "
        "video's own rate, at factor times that, or at fps",
    )
    at_cut: Literal["hold", "repeat"] | None = Field(
        None,
        description="across a scene cut: show the last picture longer, or repeat it to keep a strictly "
        "constant rate; default hold, for image sequences repeat",
    )

    @model_validator(mode="after")
    def _one_rate(self) -> Self:
        if self.factor is not None and self.fps is not None:
            raise ValueError("give factor or fps, not both")
        if self.factor is None and self.fps is None and self.slow_motion is None:
            raise ValueError("give at least one of factor, fps and slow_motion")
        if self.slow_motion is not None and self.slow_motion <= 1:
            raise ValueError(f"slow_motion {self.slow_motion} makes nothing slower; it must be above 1")
        if self.factor is not None and self.factor * (self.slow_motion or 1) <= 1:
            least = 1 / (self.slow_motion or Fraction(1))
            raise ValueError(f"factor {self.factor} adds no frames; it must be above {least}")
        return self

    @property
    def pictures(self) -> Fraction | None:
        """How many are shown for every one of the video's; None where `fps` says it."""
        return (self.factor or Fraction(1)) * (self.slow_motion or 1) if self.fps is None else None


class Remove(OnDevice, VideoTask):
    __doc__ = VERBS["remove"]
    verb: ClassVar[str] = "remove"
    model: str = Field("propagate", description=f"{MODEL}; with keep default cutout")
    mask: Origin | None = Field(
        None,
        description="what to remove, white on black: image, video, folder; or a box as x,y,w,h that stays",
    )
    box: BoxAt | None = Field(None, description="around an object that is followed: x,y,w,h or x,y,w,h@2s")
    point: PointAt | None = Field(None, description="on an object that is followed: x,y or x,y@2s")
    text: TextAt | None = Field(None, description='an object that is found and followed: "the dog"')
    logo: BoxAt | None = Field(
        None, description="around a logo that stays where it is: x,y,w,h; its own pixels are found in there"
    )
    follow: str = Field("track", description="model that follows it: track, sam2.1-tiny, …")
    save_mask: Annotated[
        Path | None,
        BeforeValidator(named),
        Field(None, description="file to keep the mask in that was found"),
    ]
    keep: BackgroundAs | None = Field(
        None,
        description="keep the object and remove the background instead: transparent, green, #00ff00, …",
    )
    grow: int | None = Field(
        None,
        ge=0,
        le=256,
        description="pixels the mask is widened by, for soft edges and halos; default 4, with keep 0",
    )
    feather: int = Field(
        0, ge=0, le=256, description="pixels around the grown mask over which the result fades into the rest"
    )
    memory: Annotated[
        int | None,
        BeforeValidator(as_bytes),
        Field(None, description="use at most this much of the device: 4GB; default what is free"),
    ]

    @model_validator(mode="before")
    @classmethod
    def _who_keeps(cls, given: Any) -> Any:
        """What is kept is cut out, unless another model is named."""
        keeps = isinstance(given, Mapping) and given.get("keep") is not None and "model" not in given
        return dict(given) | {"model": "cutout"} if keeps else given

    @model_validator(mode="after")
    def _one_object(self) -> Self:
        said = (self.mask, self.box, self.point, self.text, self.logo)
        if sum(what is not None for what in said) != 1:
            raise ValueError("say what to remove by exactly one of mask, box, point, text and logo")
        if self.logo is not None and self.logo.seconds is not None:
            raise ValueError(f"a logo stays where it is; leave the time out of {self.logo}")
        if self.save_mask is not None and self.mask is not None:
            raise ValueError("a mask that is given need not be saved; leave save_mask out")
        return self

    @property
    def transparency(self) -> bool | None:
        return None if self.keep is None else self.keep.colour is None


class VideoResult(BaseModel):
    """A video that was written.

    recipe: the request, model and versions that made it; embedded in the file too.
    notes: choices made and things lost, one sentence each.
    comparison: where input and result are shown together, if that was asked for.
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
    comparison: Path | None = None
    takes: list[VideoResult] = Field(default_factory=list)

    @property
    def clip(self) -> Clip:
        from moviola.clip import Clip

        return Clip(self.output)


class Again(Task):
    __doc__ = VERBS["again"]
    verb: ClassVar[str] = "again"
    video: Annotated[Origin, Positional(), Field(description="a video that Moviola made")]
    output: Annotated[
        Path | None,
        BeforeValidator(named),
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

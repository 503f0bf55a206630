"""The request to follow an object and write its mask, and its result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from moviola.tasks.fields import Origin, Positional, Rational, Short, TimeSpan, named
from moviola.tasks.prompts import BoxAt, PointAt, TextAt
from moviola.tasks.task import MODEL, OnDevice
from moviola.vocabulary import VERBS

DETECTOR = "grounding-dino-tiny"


class Masking(OnDevice):
    __doc__ = VERBS["mask"]
    verb: ClassVar[str] = "mask"
    video: Annotated[Origin, Positional(), Field(description="the video: file, URL, folder of images")]
    model: str = Field("track", description=MODEL)
    box: BoxAt | None = Field(None, description="around the object: x,y,w,h or x,y,w,h@2s")
    point: PointAt | None = Field(None, description="on the object: x,y or x,y@2s")
    text: TextAt | None = Field(None, description='what the object is: "the dog" or "the dog@2s"')
    detector: str = Field(DETECTOR, description="model that finds what `text` says")
    detector_weights: Annotated[
        Path | None,
        BeforeValidator(named),
        Field(None, description="a checkpoint of one's own for the detector"),
    ]
    least: float = Field(0.35, ge=0, le=1, description="score from which the detector is believed")
    grow: int = Field(0, ge=0, le=256, description="pixels the mask is widened by")
    at: TimeSpan | None = Field(None, description="only this stretch: 12s..30s, 1:30.., ..500ms")
    rate: Rational | None = Field(
        None, description="frames per second of an input without times (images); default 25"
    )
    output: Annotated[
        Path | None,
        BeforeValidator(named),
        Short("o"),
        Field(None, description="video or folder/%05d.png to write, white on black; default NAME-mask.mkv"),
    ]
    overwrite: bool = Field(False, description="replace the output where it exists")

    @model_validator(mode="after")
    def _one_object(self) -> Self:
        if sum(prompt is not None for prompt in (self.box, self.point, self.text)) != 1:
            raise ValueError("say what to follow by exactly one of box, point and text")
        return self


class Masked(BaseModel):
    """A mask that was written. seen: frames in which something is selected."""

    model: str
    output: Path
    frames: int
    seen: int
    elapsed_seconds: float

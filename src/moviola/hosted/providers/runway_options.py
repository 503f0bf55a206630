"""What single models of Runway take beside the fields of a request, under its own names for it."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import AliasGenerator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel


def _from_json(value: Any) -> Any:
    """The command line knows nothing but text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError('write JSON: [{"uri": "https://…", "seconds": 1.5}]') from None


class Keyframe(BaseModel):
    """How an edited video is to look at a moment, and between which seconds anything changes at all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str = Field(pattern="^(https://|runway://|data:image/)", description="of a picture")
    seconds: float | None = Field(None, ge=0, description="from the beginning …")
    at: float | None = Field(None, ge=0, le=1, description="… or as a share of the video")
    range: tuple[int, int] | None = Field(None, description="whole seconds, the second one not included")

    @model_validator(mode="after")
    def _one_moment(self) -> Self:
        if (self.seconds is None) == (self.at is None):
            raise ValueError("give seconds or at")
        if self.range is not None:
            start, stop = self.range
            if not 0 <= start < stop:
                raise ValueError(f"range {start} to {stop} is empty")
            if self.seconds is not None and not start <= self.seconds < stop:
                raise ValueError(f"seconds {self.seconds:g} is not in its range")
        return self

    def body(self) -> dict[str, Any]:
        said = self.model_dump(exclude_none=True, exclude={"range"})
        if self.range is not None:
            # The one place where Runway's names are written so.
            said["range"] = {"start_seconds": self.range[0], "end_seconds": self.range[1]}
        return said


class Options(BaseModel):
    """Which model takes which is in `runway_models`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=AliasGenerator(serialization_alias=to_camel)
    )

    output_format: str | None = Field(None, description="of the file: mp4, prores, hdr10, …")
    prores_profile: str | None = Field(None, description="with prores and hdr_prores: 422, 422 HQ, 4444, …")
    public_figure_threshold: Literal["auto", "low"] | None = Field(
        None, description="low: moderation is less strict with people who are known"
    )
    target_aspect_ratio: Literal["16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "21:9"] | None = Field(
        None, description="shape to which an edit widens the picture"
    )
    keyframes: Annotated[
        tuple[Keyframe, ...],
        BeforeValidator(_from_json),
        Field((), description='how an edit looks at moments: [{"uri": "https://…", "seconds": 1.5}]'),
    ]
    reference_at: float = Field(0.0, ge=0, description="second of the video that looks like the reference")
    mode: Literal["edit", "extend", "reference"] | None = Field(
        None, description="of an edit: change the video, go on after its end, or make a new one like it"
    )
    duration: int | None = Field(None, ge=1, description="seconds of what an edit makes, where it makes anew")
    resolution: str | None = Field(None, description="720p, 1k, 2k, 4k, …, of models that have no sizes")
    creativity: int | None = Field(None, ge=0, le=100, description="detail that is made up")
    sharpen: int | None = Field(None, ge=0, le=100, description="sharpness")
    smart_grain: int | None = Field(None, ge=0, le=100, description="grain and texture")
    flavor: Literal["vivid", "natural"] | None = Field(None, description="colours as rich, or as they are")
    fps_boost: bool | None = Field(None, description="more frames per second, which may cost more")
    target_framerate: Literal["24", "25", "30", "48", "50", "60", "120", "23_98", "29_97", "59_94"] | None = (
        Field(None, description="frames per second")
    )
    body_control: bool | None = Field(None, description="whether gestures are taken over, not the face alone")
    expression_intensity: int | None = Field(None, ge=1, le=5, description="how strong expressions are")
    prompt_expansion_mode: Literal["disabled", "balanced", "quality"] | None = Field(
        None, description="how far the prompt is rewritten"
    )

    def body(self) -> dict[str, Any]:
        """What was given, as it is sent, but for what depends on the request too."""
        said = self.model_dump(
            by_alias=True, exclude_none=True, exclude={"keyframes", "reference_at", "public_figure_threshold"}
        )
        if self.public_figure_threshold is not None:
            said["contentModeration"] = {"publicFigureThreshold": self.public_figure_threshold}
        if self.keyframes:
            said["keyframes"] = [keyframe.body() for keyframe in self.keyframes]
        return said


def named(field: str) -> str:
    """The option that a field of a body is for: `fps_boost` of `fpsBoost`."""
    if field == "contentModeration":
        return "public_figure_threshold"
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in field)

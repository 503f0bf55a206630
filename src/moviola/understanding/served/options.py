"""What a user can say about how a server is asked, and what is assumed of the model it runs."""

from __future__ import annotations

from math import ceil
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Size, Understanding

CONTEXT = 32768
"""Tokens that a model is taken to read where neither server nor user says: what most open ones were trained
with at least, and servers give where nothing limits their memory."""

_FRAMES = 32
_MOST_FRAMES = 500
"""Pictures in one question: OpenAI's limit (https://platform.openai.com/docs/guides/images-vision)."""

_PATCH = 28
"""Pixels to the side that become one token: of Qwen 2 and 2.5-VL, which take more than most."""

_LABEL = 8
"""Tokens of a frame's time and of the marks around a picture."""


class Pictured(BaseModel):
    """How frames are made pictures, and questions asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    long_side: int = Field(
        default=768, ge=32, le=8192, description="pixels; larger pictures are scaled down to it"
    )
    quality: int = Field(default=90, ge=1, le=100, description="of the JPEG that a picture is sent as")
    detail: Literal["low", "high", "original", "auto"] | None = Field(
        default=None,
        description="how closely pictures are looked at, for servers that know it; default is left to them",
    )
    parallel: int = Field(default=4, ge=1, le=64, description="questions that are asked at once")


class Options(Pictured):
    send: Literal["auto", "frames", "video"] = Field(
        default="auto",
        description="frames: pictures with their times, which every server takes; video: the file itself, "
        "for vLLM and SGLang, which choose frames as they like; auto: frames",
    )
    largest_file: float = Field(
        default=50.0, gt=0, description="megabytes of a file that is sent whole at most"
    )
    context: int | None = Field(
        default=None,
        ge=256,
        description=f"tokens the model reads; default what the server says, else {CONTEXT}",
    )
    timeout: float = Field(
        default=300.0, gt=0, description="seconds of silence after which the server is given up"
    )


def fitted(width: int, height: int, long_side: int) -> Size:
    """The size a picture is sent in: its longer side no longer than that."""
    scale = min(1.0, long_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def tokens(frames: int, width: int, height: int, long_side: int) -> int:
    """About how many tokens so many frames of a size take: rather too many than too few for most models."""
    sent = fitted(width, height, long_side)
    return frames * (ceil(sent[0] / _PATCH) * ceil(sent[1] / _PATCH) + _LABEL)


def facts(options: Options, context: int | None = None) -> Understanding:
    """Of a model that nobody knows: its frames take half of what it reads where nothing is said, and three
    quarters at most, so that the question, its history and the answer fit beside them.

    context: what the server says of it. Its memory is not ours to plan, so it has no layers.
    """
    context = options.context or context or CONTEXT
    each = tokens(1, 1280, 720, options.long_side)
    most = max(1, min(_MOST_FRAMES, context * 3 // 4 // each))
    return Understanding(
        frames=max(1, min(_FRAMES, context // 2 // each)),
        max_frames=most,
        frame_tokens=each,
        context=context,
        timed=options.send != "video",
        videos=16,
        layers=0,
        key_width=0,
    )

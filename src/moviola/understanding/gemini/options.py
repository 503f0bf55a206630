"""What a user can say about how a Gemini model is shown a video, and what that takes of its context."""

from __future__ import annotations

import re
from math import ceil
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Understanding

CONTEXT = 1_048_576
"""Tokens of question, videos, thoughts and answer together, of all models since Gemini 1.5."""

MOST_ANSWER = 65_536
"""Tokens that thoughts and answer may have together."""

MOST_PICTURES = 512
"""Pictures in place of a file: at 768 pixels they stay well below what a request may have in bytes."""

FASTEST = 24.0
"""Frames per second that Gemini looks at most."""

VIDEOS = 10

_LONGEST = 10_800
"""Frames of a file: three hours at one a second, with their sound about what the context holds."""

_STAMP = 7
"""Tokens of a time that stands before each second, https://cloud.google.com/distributed-cloud (Gemini)."""

_LABEL = 8
"""Tokens of the time that stands before a picture."""

_SOUND = 32
"""Tokens of a second of sound."""

Resolution = Literal["low", "medium", "high"]


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    send: Literal["auto", "inline", "file", "frames"] = Field(
        default="auto",
        description="inline: the whole file within the question; file: through Google's Files API, which "
        "keeps it for two days; frames: pictures with their times, without sound; auto: inline where that is "
        "not too large, else file, and frames where Gemini cannot read the file",
    )
    uri: str | None = Field(
        default=None,
        description="where Gemini finds the video itself, as https://www.youtube.com/watch?v=… of a public "
        "one: nothing of the given one is sent then, which tells the times",
    )
    resolution: Resolution | None = Field(
        default=None,
        description="how finely a frame is looked at; default the model's, and low for frames as pictures",
    )
    thinking: Literal["minimal", "low", "medium", "high"] | None = Field(
        default=None,
        description="how much the model thinks before it answers, which is paid for; default the model's own",
    )
    thinking_room: int = Field(
        default=8192,
        ge=0,
        le=MOST_ANSWER,
        description="tokens beside --max-tokens, for thoughts; the answer may be longer by what is left",
    )
    long_side: int = Field(
        default=768, ge=32, le=8192, description="pixels of a frame as a picture; larger ones are scaled down"
    )
    quality: int = Field(default=90, ge=1, le=100, description="of the JPEG that a picture is sent as")
    parallel: int = Field(default=4, ge=1, le=64, description="questions that are asked at once")


def generation(model: str) -> int:
    """Of a model by its name; what has no number there (`gemini-flash-latest`) is one of the latest."""
    found = re.match(r"gemini-(\d+)", model)
    return int(found[1]) if found else 4


def per_frame(model: str, resolution: Resolution | None) -> int:
    """Tokens of a frame of a file, https://ai.google.dev/gemini-api/docs/media-resolution."""
    if generation(model) >= 3:
        return 280 if resolution == "high" else 70
    return 66 if resolution == "low" else 258


def per_picture(model: str, resolution: Resolution | None) -> int:
    """Tokens of a picture, by the same page, where 1120 are the default: too many for each of many frames."""
    if generation(model) >= 3:
        return {"low": 280, "medium": 560, "high": 1120}[resolution or "low"]
    return 66 if resolution == "low" else 258


def film_tokens(model: str, resolution: Resolution | None, frames: int, seconds: float, sound: bool) -> int:
    """About how many tokens so many frames of a file take, with the sound and the times of its seconds."""
    beside = _STAMP + (_SOUND if sound else 0)
    return frames * per_frame(model, resolution) + ceil(seconds * beside)


def picture_tokens(model: str, resolution: Resolution | None, frames: int) -> int:
    """The same of pictures with their times."""
    return frames * (per_picture(model, resolution) + _LABEL)


def tokens(model: str, options: Options, frames: int) -> int:
    """The same where neither length nor sound are known yet."""
    if options.send == "frames":
        return picture_tokens(model, options.resolution, frames)
    return frames * (per_frame(model, options.resolution) + _STAMP)


def fed(model: str, options: Options) -> Understanding:
    """How a model is fed. Its memory is not ours to plan, so it has no layers."""
    pictures = options.send == "frames"
    # Of a file at the usual one frame a second each comes with the sound of its second.
    each = tokens(model, options, 1) + (0 if pictures else _SOUND)
    return Understanding(
        frames=64,
        fps=None if pictures else 1.0,
        max_frames=MOST_PICTURES if pictures else _LONGEST,
        frame_tokens=each,
        context=CONTEXT,
        timed=True,
        videos=VIDEOS,
        layers=0,
        key_width=0,
    )

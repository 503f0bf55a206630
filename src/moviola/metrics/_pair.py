"""What the metrics that compare two videos share."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from moviola.errors import InputError
from moviola.frames import Frames

Channel = Literal["luma", "rgb"]

LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of R'G'B' in luma, ITU-R BT.601: those of the SSIM authors' rgb2gray. Frames in memory no longer
say which matrix stored them, so that one choice is made for all."""


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: Channel = Field("rgb", description="rgb: all three channels alike; luma: brightness alone")


def check_fit(reference: Frames, candidate: Frames) -> None:
    """Raises InputError unless both have the same size, depth and number of frames."""
    sizes = [f"{video.width}x{video.height}" for video in (reference, candidate)]
    if sizes[0] != sizes[1]:
        raise InputError(f"the reference is {sizes[0]}, the video {sizes[1]}; scale one to match")
    if reference.depth != candidate.depth:
        depths = f"the reference has {reference.depth} bits, the video {candidate.depth}"
        raise InputError(f"{depths}; read both at the same depth")
    if len(reference) != len(candidate):
        raise InputError(
            f"the reference has {len(reference)} frames, the video {len(candidate)}; cut one to match"
        )


def peak(frames: Frames) -> float:
    return 255.0 if frames.depth == 8 else 65535.0

"""Latents in a row of tokens, as the pipelines of LTX have them: (B, tokens, C)."""

from __future__ import annotations

from math import prod
from typing import Any

import torch

from moviola.diffusion.drive import Shot


def unpacked(pipeline: Any, tokens: torch.Tensor, shot: Shot, *, behind: bool = False) -> torch.Tensor:
    """The video's latents, (B, C, T, h, w).

    behind: whether the tokens of pictures that stand at later frames come before the video's, not after.
    """
    down, shorter = pipeline.vae_spatial_compression_ratio, pipeline.vae_temporal_compression_ratio
    shape = ((shot.frames - 1) // shorter + 1, shot.height // down, shot.width // down)
    start = tokens.shape[1] - prod(shape) if behind else 0
    video: torch.Tensor = tokens[:, start : start + prod(shape)].unflatten(1, shape)
    return video.permute(0, 4, 1, 2, 3)

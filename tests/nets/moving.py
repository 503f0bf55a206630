"""Smooth clips with holes, and flow that mostly agrees with its return: drawn from names alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from recorded import clip
from torch import Tensor
from torch.nn import functional


def scene(batch: int, length: int, local: int, height: int, width: int) -> tuple[Tensor, ...]:
    """Frames in [-1, 1], masks of any part of them, and flow of the local frames, forward and backward."""
    frames = _smooth("frames", (batch, length, 3, height, width)).tanh()
    masks = (_smooth("masks", (batch, length, 1, height, width)) > 0.5).float()
    forward = 3 * _smooth("flow", (batch, local - 1, 2, height, width))
    backward = -forward + 0.4 * _smooth("back", (batch, local - 1, 2, height, width))
    return frames, masks, forward, backward


def left_of(masks: Tensor, column: int) -> Tensor:
    """Without what is beyond a column."""
    return torch.where(torch.arange(masks.shape[-1]) < column, masks, 0)


def _smooth(name: str, shape: Sequence[int]) -> Tensor:
    batch, length, channels, height, width = shape
    few = clip(name, (batch * length, channels, 5, 6))
    return functional.interpolate(few, (height, width), mode="bicubic").view(tuple(shape))

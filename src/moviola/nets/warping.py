"""Backward warping: every pixel of the result fetches what a flow points at in another picture."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def warped(picture: Tensor, flow: Tensor, step: int = 1) -> Tensor:
    """The result shows at (x, y) what `picture` shows at (x, y) + flow(x, y), bilinearly; beyond the border,
    the border's colour.

    picture: (B, C, H, W). flow: (B, 2, H, W), x before y, in pixels.
    step: where it is above 2, flow and result are given at `central(…, step)` only.
    Places are worked out in float32 whatever the types: in bfloat16, pixel 500 and pixel 501 are the same.
    """
    height, width = picture.shape[-2:]
    across, down = _places(width, step, flow), _places(height, step, flow)
    x = across + flow[:, 0].float() * (2 / max(width - 1, 1))
    y = down[:, None] + flow[:, 1].float() * (2 / max(height - 1, 1))
    fetched = functional.grid_sample(
        picture.float(), torch.stack((x, y), -1), padding_mode="border", align_corners=True
    )
    return fetched.to(picture.dtype)


def warped_shrunk(picture: Tensor, flow: Tensor, step: float) -> Tensor:
    """`shrunk(warped(picture, flow), step)`; what shrinking leaves out is not warped either."""
    if step <= 2:
        return shrunk(warped(picture, flow), step)
    whole = int(step)
    seen: Tensor = functional.avg_pool2d(warped(picture, central(flow, whole), whole), 2)
    return seen


def central(maps: Tensor, step: int) -> Tensor:
    """(…, H, W) → (…, 2H/step, 2W/step): the 2×2 pixels in the middle of every step×step block."""
    return _middle(_middle(maps, -2, step), -1, step)


def shrunk(maps: Tensor, step: float) -> Tensor:
    """(B, C, H, W) → (B, C, H/step, W/step), as bilinear interpolation without a low-pass filter gives it.

    step: a power of two; below 1 the maps grow. H and W are multiples of it.
    """
    if step <= 1:
        return grown(maps, 1 / step)
    # The centre of a block of even side lies between its four central pixels, and at the same distance.
    smaller: Tensor = functional.avg_pool2d(central(maps, int(step)), 2)
    return smaller


def grown(maps: Tensor, factor: float) -> Tensor:
    """(B, C, H, W) → (B, C, factor·H, factor·W), bilinearly."""
    if factor == 1:
        return maps
    larger: Tensor = functional.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)
    return larger


def _middle(maps: Tensor, side: int, step: int) -> Tensor:
    if step <= 2:
        return maps
    half = step // 2
    middle: Tensor = maps.unflatten(side, (-1, step)).narrow(side, half - 1, 2).flatten(side - 1, side)
    return middle


def _places(size: int, step: int, like: Tensor) -> Tensor:
    """Where `grid_sample` sees the pixels of a side, -1 to 1."""
    return _middle(torch.linspace(-1, 1, size, device=like.device), -1, step)

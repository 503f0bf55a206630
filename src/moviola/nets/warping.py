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
    places = flow.float() * flow.new_tensor([_span(width), _span(height)], dtype=torch.float32).view(2, 1, 1)
    places[:, 0] += _places(width, step, flow)
    places[:, 1] += _places(height, step, flow)[:, None]
    fetched = functional.grid_sample(
        picture.float(), places.permute(0, 2, 3, 1), padding_mode="border", align_corners=True
    )
    return fetched.to(picture.dtype)


def warped_shrunk(picture: Tensor, flow: Tensor, step: float) -> Tensor:
    """`shrunk(warped(picture, flow), step)`; what shrinking leaves out is not warped either."""
    if step <= 2:
        return shrunk(warped(picture, flow), step)
    whole = int(step)
    return _halved(warped(picture, central(flow, whole), whole))


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
    return _halved(central(maps, int(step)))


def grown(maps: Tensor, factor: float) -> Tensor:
    """(B, C, H, W) → (B, C, factor·H, factor·W), bilinearly."""
    if factor == 1:
        return maps
    larger: Tensor = functional.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)
    return larger


def _halved(maps: Tensor) -> Tensor:
    """Every pixel the mean of 2×2; H and W are even. On CPUs half the time of `avg_pool2d`."""
    lines = maps[..., ::2, :] + maps[..., 1::2, :]
    return (lines[..., ::2] + lines[..., 1::2]).mul_(0.25)


def _middle(maps: Tensor, side: int, step: int) -> Tensor:
    if step <= 2:
        return maps
    half = step // 2
    middle: Tensor = maps.unflatten(side, (-1, step)).narrow(side, half - 1, 2).flatten(side - 1, side)
    return middle


def _span(size: int) -> float:
    """What a pixel measures where a side is 2 long, as `grid_sample` counts."""
    return 2 / max(size - 1, 1)


def _places(size: int, step: int, like: Tensor) -> Tensor:
    """Where `grid_sample` sees the pixels of a side, -1 to 1."""
    return _middle(torch.linspace(-1, 1, size, device=like.device), -1, step)

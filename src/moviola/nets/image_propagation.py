"""ProPainter's image propagation: holes are filled with what other frames show (Zhou et al., ICCV 2023).

Nothing in it is learned. Pixels go from frame to frame along completed flow, where flow there and back agree.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

_ANY = 0.1
"""From how much of a hole a pixel counts as part of it."""


def propagated(frames: Tensor, forward: Tensor, backward: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Frames (B, T, C, H, W) whose holes are filled as far as other frames show them, and the holes left.

    Pixels come from the frame after, then from the frame before, each filled already. Holes left are 0.
    frames: anything in holes. masks: (B, T, 1, H, W), 1 in holes, 0 elsewhere.
    forward, backward: (B, T - 1, 2, H, W) in pixels, from frame t to t + 1 and from t + 1 to t, completed.
    """
    holes = list(masks.unbind(1))
    # Each in memory of its own, which is given back as soon as it is replaced.
    filled = [frame * (1 - hole) for frame, hole in zip(frames.unbind(1), holes, strict=True)]

    def fill(index: int, source: int, flow: Tensor, back: Tensor) -> None:
        known = agreeing(flow, back) * (1 - _part(carried(holes[source], flow)))
        shown = carried(filled[source], flow, "nearest")
        filled[index] = torch.where(holes[index] * known > _ANY, shown, filled[index])
        holes[index] = _part(holes[index] * (1 - known))

    last = len(filled) - 1
    for index in reversed(range(last)):
        fill(index, index + 1, forward[:, index], backward[:, index])
    for index in range(1, last + 1):
        fill(index, index - 1, backward[:, index - 1], forward[:, index - 1])
    return torch.stack(filled, dim=1), torch.stack(holes, dim=1)


def carried(maps: Tensor, flow: Tensor, mode: Literal["bilinear", "nearest"] = "bilinear") -> Tensor:
    """At each pixel what `maps` has where flow points; 0 beyond their border.

    maps: (B, C, H, W). flow: (B, 2, H, W), x before y, in pixels. Places are worked out in float32.
    """
    height, width = maps.shape[-2:]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1].float()
    x = torch.arange(width, device=flow.device) + flow[:, 0].float()
    places = torch.stack((2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1), dim=-1)
    return functional.grid_sample(maps.float(), places, mode, align_corners=True).to(maps.dtype)


def agreeing(flow: Tensor, back: Tensor) -> Tensor:
    """1 where one who follows `flow` and then `back` comes home, 0 elsewhere: (B, 1, H, W).

    The distance may be as long as Sundaram et al. allow (ECCV 2010): its square is below 0.5 plus 1 % of the
    squares of both flows, in pixels.
    """
    there, home = flow.float(), carried(back.float(), flow)
    allowed = 0.01 * (_square(there) + _square(home)) + 0.5
    return (_square(there + home) < allowed).to(flow.dtype)


def _square(flow: Tensor) -> Tensor:
    return flow.square().sum(1, keepdim=True)


def _part(hole: Tensor) -> Tensor:
    return (hole > _ANY).to(hole.dtype)

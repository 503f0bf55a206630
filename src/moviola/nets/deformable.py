"""A convolution that looks where it is told to, by which maps are carried from frame to frame."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn
from torchvision.ops import deform_conv2d  # type: ignore[import-untyped]

_KERNEL = (3, 3)
_GROUPS = 16
"""Of channels that look at places of their own."""


class DeformableAlignment(nn.Module):
    """Maps moved by learned offsets, around a flow if there is one (Chan et al., BasicVSR++, CVPR 2022).

    width, out: channels of the maps and of the result. condition: of what the offsets are worked out from.
    reach: the longest offset, in pixels along each axis.
    """

    def __init__(self, width: int, out: int, condition: int, reach: float) -> None:
        super().__init__()
        self.reach = reach
        places = prod(_KERNEL) * _GROUPS
        self.offsets = nn.Sequential(
            *_conv(condition, out),
            *_conv(out, out),
            *_conv(out, out),
            # Down and right, and how much the place counts.
            nn.Conv2d(out, 3 * places, 3, padding=1),
        )
        self.weight = nn.Parameter(torch.randn(out, width, *_KERNEL) * (width * prod(_KERNEL)) ** -0.5)
        self.bias = nn.Parameter(torch.zeros(out))

    def forward(self, maps: Tensor, condition: Tensor, flow: Tensor | None = None) -> Tensor:
        """maps: (B, width, H, W). condition: (B, condition, H, W). flow: (B, 2, H, W), x before y, in pixels.

        Worked out in float32: places are too coarse in fewer bits, and no CPU kernel takes bfloat16.
        """
        first, second, counts = self.offsets(condition).float().chunk(3, dim=1)
        offsets = self.reach * torch.cat((first, second), dim=1).tanh()
        if flow is not None:
            offsets = offsets + flow.float().flip(1).repeat(1, offsets.shape[1] // 2, 1, 1)
        weight, bias = self.weight.float(), self.bias.float()
        moved: Tensor = deform_conv2d(maps.float(), offsets, weight, bias, padding=1, mask=counts.sigmoid())
        return moved.to(maps.dtype)


def _conv(width: int, out: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(width, out, 3, padding=1), nn.LeakyReLU(0.1, inplace=True)

"""LPIPS: how far apart two pictures look, by the features of a network for images (Zhang et al., CVPR 2018).

The network is torchvision's, as far as its last layer that is compared; the weights of the features were
learned from people's judgements. This is version 0.1, in which input is normalised before the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torchvision import models  # type: ignore[import-untyped]

from moviola.nets.layouts import renamed

Backbone = Literal["alex", "vgg", "squeeze"]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What of a network is compared.

    make: its constructor in torchvision. stops: after which of its `features` each comparison comes.
    channels: how many there are at each.
    """

    make: Any
    stops: tuple[int, ...]
    channels: tuple[int, ...]


_SHAPES: dict[Backbone, _Shape] = {
    "alex": _Shape(models.alexnet, (2, 5, 8, 10, 12), (64, 192, 384, 256, 256)),
    "vgg": _Shape(models.vgg16, (4, 9, 16, 23, 30), (64, 128, 256, 512, 512)),
    "squeeze": _Shape(models.squeezenet1_1, (2, 5, 8, 10, 11, 12, 13), (64, 128, 256, 384, 384, 512, 512)),
}

# ImageNet's mean and deviation for pictures in [-1, 1], as the authors round them.
_MEAN = (-0.030, -0.088, -0.188)
_DEVIATION = (0.458, 0.448, 0.450)

_TINY = 1e-10
"""Added to the length of a feature vector before it is divided by it."""


class Lpips(nn.Module):
    mean: Tensor
    deviation: Tensor

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        shape = _SHAPES[backbone]
        self.features = shape.make(weights=None).features[: shape.stops[-1]]
        self.linear = nn.ModuleList(nn.Conv2d(channels, 1, 1, bias=False) for channels in shape.channels)
        self._stops = shape.stops
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(3, 1, 1), persistent=False)

    def forward(self, reference: Tensor, candidate: Tensor) -> Tensor:
        """RGB in [-1, 1], (B, 3, H, W) both → (B,), 0 for equal pictures.

        The features of one layer are held at a time. They may be found in another type, but are compared in
        that of the pictures: in float16 a vector of zeros has no length that one can divide by.
        """
        pictures = (torch.cat((reference, candidate)) - self.mean) / self.deviation
        maps = pictures.to(next(self.features.parameters()).dtype)
        distance = pictures.new_zeros(len(reference))
        start = 0
        for stop, linear in zip(self._stops, self.linear, strict=True):
            maps = self.features[start:stop](maps)
            one, two = _of_length_one(maps.to(pictures.dtype)).chunk(2)
            distance = distance + linear((one - two).square()).mean((1, 2, 3))
            start = stop
        return distance


def _of_length_one(maps: Tensor) -> Tensor:
    """Every position's vector of features (B, C, H, W), divided by its length."""
    return maps / (maps.square().sum(1, keepdim=True).sqrt() + _TINY)


_PUBLISHED = tuple((f"lin{number}.model.1.", f"linear.{number}.") for number in range(7))


def names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's checkpoint of a network, or the authors' of the weights of its features, under the names
    of `Lpips`; what is beyond the features is left out."""
    return renamed({name: value for name, value in state.items() if "classifier." not in name}, _PUBLISHED)

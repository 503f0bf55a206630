"""FILM: frame interpolation for large motion (Reda et al., ECCV 2022, arXiv 2202.04901).

Features and motion are found on a pyramid of halved pictures. From its fourth level on all share one set of
weights, so that large motion, which is small motion on a coarse level, is learned from all there is. Sizes
are those of the published checkpoints, google-research/frame-interpolation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from moviola.nets.warping import warped

FLOW_DEPTHS = (3, 3, 3, 3)
FUSED = 5
"""What the published checkpoints have."""

_COLOURS = 3
_MOTION = 2


class FILM(nn.Module):
    """width: channels of the finest features; they double from level to level.

    levels: of the pyramid. The largest motion found is about 2 ** (levels - 1) × 3 pixels.
    fused: how many levels, from the finest, the picture is put together from.
    flow_depths, flow_widths: 3 × 3 convolutions and their channels in the estimators of motion, of which each
        of the finest levels has its own and all coarser ones share the last.
    """

    def __init__(
        self,
        width: int = 64,
        levels: int = 7,
        fused: int = FUSED,
        flow_depths: Sequence[int] = FLOW_DEPTHS,
        flow_widths: Sequence[int] = (32, 64, 128, 256),
    ) -> None:
        super().__init__()
        self.levels, self.fused = levels, fused
        own = len(flow_widths)
        widths = [width << level for level in range(own)]
        # What a level's features consist of: its own, and those of finer levels carried on to it.
        features = [sum(widths[: level + 1]) for level in range(max(own, fused))]
        self.features = nn.ModuleList(_extractor(*sizes) for sizes in pairwise((_COLOURS, *widths)))
        self.flow = nn.ModuleList(
            _estimator(2 * features[level], flow_depths[level], flow_widths[level]) for level in range(own)
        )
        aligned = [2 * (_COLOURS + features[level] + _MOTION) for level in range(fused)]
        out = [width << min(level, own - 1) for level in range(fused - 1)]
        coarser = [*out[1:], aligned[-1]]
        self.fusion = nn.ModuleList(Fusion(*sizes) for sizes in zip(coarser, aligned, out, strict=False))
        self.colour = nn.Conv2d(width, _COLOURS, 1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(B, 3, H, W) twice, RGB in 0 to 1, of any size → (B, 3, H, W), the picture halfway between them.

        It may leave 0 to 1 a little, as in the authors' code.
        """
        height, width = first.shape[-2:]
        # Black around the pictures, as the authors' `eval/interpolator.py` aligns them.
        top, left, down, right = _margins(height, width, 2 ** (self.levels - 1))
        both = functional.pad(torch.cat([first, second]), (left, right, top, down))
        pictures = self._pyramid(both)
        features = self._features(pictures)
        aligned: list[Tensor] = []
        for level, flow in self._flows(features):
            if level < self.fused:
                aligned.insert(0, _aligned(pictures[level], features[level], flow / 2))
        picture = aligned[-1]
        for fuse, finer in zip(reversed(self.fusion), reversed(aligned[:-1]), strict=True):
            picture = fuse(picture, finer)
        made: Tensor = self.colour(picture)
        return made[..., top : top + height, left : left + width]

    def _pyramid(self, pictures: Tensor) -> list[Tensor]:
        """From the finest level on."""
        pyramid = [pictures]
        while len(pyramid) < self.levels:
            pyramid.append(functional.avg_pool2d(pyramid[-1], 2))
        return pyramid

    def _features(self, pictures: Sequence[Tensor]) -> list[Tensor]:
        """Of each level, all that convolutions begun on it and on finer levels make there; its own first."""
        found: list[list[Tensor]] = [[] for _ in pictures]
        for start, picture in enumerate(pictures):
            maps = picture
            for depth, (convolve, level) in enumerate(zip(self.features, found[start:], strict=False)):
                maps = convolve(functional.avg_pool2d(maps, 2) if depth else maps)
                level.insert(0, maps)
        return [torch.cat(level, 1) for level in found]

    def _flows(self, features: Sequence[Tensor]) -> Iterator[tuple[int, Tensor]]:
        """Levels from the coarsest to the finest, each with its motion (2B, 2, h, w) in its own pixels.

        The first half leads from the first picture to the second, the other half back. In float32: bfloat16
        does not count pixels beyond 256.
        """
        flow: Tensor | None = None
        for level in reversed(range(len(features))):
            here = features[level]
            there = here.roll(len(here) // 2, 0)
            if flow is not None:
                flow = functional.interpolate(2 * flow, scale_factor=2, mode="bilinear")
                there = warped(there, flow)
            estimate = self.flow[min(level, len(self.flow) - 1)]
            change = estimate(torch.cat([here, there], 1)).float()
            flow = change if flow is None else flow + change
            yield level, flow


class Convolution(nn.Conv2d):
    """Keeps the size; what is negative is made a fifth."""

    def __init__(self, inputs: int, outputs: int, side: int = 3) -> None:
        super().__init__(inputs, outputs, side, padding=side // 2)

    def forward(self, maps: Tensor) -> Tensor:
        return functional.leaky_relu(super().forward(maps), 0.2, inplace=True)


def _extractor(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(Convolution(inputs, width), Convolution(width, width))


def _estimator(inputs: int, depth: int, width: int) -> nn.Sequential:
    """The motion from one picture's features to those of another beside them."""
    sizes = pairwise((inputs, *[width] * depth))
    narrow = width // 2
    return nn.Sequential(
        *(Convolution(*size) for size in sizes),
        Convolution(width, narrow, 1),
        nn.Conv2d(narrow, _MOTION, 1),
    )


class Fusion(nn.Module):
    """Puts a level's picture together from that of the coarser one and what has been aligned on this one."""

    def __init__(self, coarser: int, aligned: int, width: int) -> None:
        super().__init__()
        self.enlarge = nn.Conv2d(coarser, width, 2)
        self.join = Convolution(aligned + width, width)
        self.refine = Convolution(width, width)

    def forward(self, coarser: Tensor, aligned: Tensor) -> Tensor:
        large = functional.interpolate(coarser, scale_factor=2, mode="nearest")
        # TensorFlow puts the odd row and column of a kernel of two at the end.
        large = self.enlarge(functional.pad(large, (0, 1, 0, 1)))
        made: Tensor = self.refine(self.join(torch.cat([aligned, large], 1)))
        return made


def _aligned(pictures: Tensor, features: Tensor, flow: Tensor) -> Tensor:
    """Pictures and features of both (2B, …), moved half of the way; with the motion to (B, …).

    Each is fetched along the motion that starts at the other.
    """
    onward, back = flow.chunk(2)
    moved = warped(torch.cat([pictures, features], 1), torch.cat([back, onward]))
    return torch.cat([*moved.chunk(2), back.to(moved.dtype), onward.to(moved.dtype)], 1)


def _margins(height: int, width: int, multiple: int) -> tuple[int, int, int, int]:
    """What is put above, left, below and right; of an odd number, more comes below and right."""
    high, wide = -height % multiple, -width % multiple
    return high // 2, wide // 2, high - high // 2, wide - wide // 2


_PARTS = ("enlarge", "join", "refine")

_LISTED = re.compile(r"(?:trainable_)?variables/(\d+)")
"""How a variable is called in a model that Keras saved: by its number."""


def names(
    state: Mapping[str, Tensor], flow_depths: Sequence[int] = FLOW_DEPTHS, fused: int = FUSED
) -> dict[str, Tensor]:
    """A published checkpoint under our names: Google's, or that of dajes/frame-interpolation-pytorch.

    flow_depths, fused: of the network.
    """
    if any(_LISTED.fullmatch(name) for name in state):
        return _from_tensorflow(state, flow_depths, fused)
    return {_from_port(name, len(flow_depths), fused): tensor for name, tensor in state.items()}


def _from_port(name: str, own: int, fused: int) -> str:
    """The port counts the estimators from the shared one on, and fusion from the coarsest level on."""
    kind = name.rsplit(".", 1)[-1]
    match name.split("."):
        case ["extract", _, _, level, layer, *_]:
            return f"features.{level}.{layer}.{kind}"
        case ["predict_flow", "_predictor", _, layer, *_]:
            return f"flow.{own - 1}.{layer}.{kind}"
        case ["predict_flow", "_predictors", number, _, layer, *_]:
            return f"flow.{own - 2 - int(number)}.{layer}.{kind}"
        case ["fuse", "convs", number, part, *_]:
            return f"fusion.{fused - 2 - int(number)}.{_PARTS[int(part)]}.{kind}"
        case ["fuse", "output_conv", _]:
            return f"colour.{kind}"
    return name


def published(
    state: Mapping[str, Tensor], flow_depths: Sequence[int] = FLOW_DEPTHS, fused: int = FUSED
) -> dict[str, Tensor]:
    """Our entries as Google publishes them."""
    held = {}
    for number, name in enumerate(_listed(flow_depths, fused)):
        tensor = state[name]
        held[f"variables/{number}"] = tensor.permute(2, 3, 1, 0) if tensor.ndim == 4 else tensor
    return held


def _from_tensorflow(
    state: Mapping[str, Tensor], flow_depths: Sequence[int], fused: int
) -> dict[str, Tensor]:
    ours = _listed(flow_depths, fused)
    held = {}
    for name, tensor in state.items():
        listed = _LISTED.fullmatch(name)
        number = int(listed[1]) if listed else len(ours)
        # A kernel is (height, width, inputs, outputs).
        turned = tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor
        held[ours[number] if number < len(ours) else name] = turned
    return held


def _listed(flow_depths: Sequence[int], fused: int) -> list[str]:
    """Our names in the order of variables: that in which layers are made, each its kernel before its bias."""
    layers = [
        *(f"features.{level}.{layer}" for level in range(len(flow_depths)) for layer in range(2)),
        *(f"flow.{level}.{layer}" for level, depth in enumerate(flow_depths) for layer in range(depth + 2)),
        *(f"fusion.{level}.{part}" for level in range(fused - 1) for part in _PARTS),
        "colour",
    ]
    return [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]

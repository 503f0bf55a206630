"""CoDeF: a video as one picture, and for every moment how it is deformed (Ouyang et al., arXiv 2308.07926).

Both are fields: small networks on a hash grid that answer for any point. Sizes are the authors'
(configs/hash.json); they fit a video of its own with them, so there are no weights to be loaded.

Positions are x, y in shares of the frame's width and height, 0 at its left and upper edge, 1 at the other;
times are shares of the clip's length. The authors put y first, which only changes who collides in the tables.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from moviola.nets.hash_grid import HashGrid

MARGIN = 0.3
"""How far the picture reaches beyond the frame on every side, in shares of the frame."""

_CALM = 5
"""What the deformation network's answer is divided by, so that a fit begins almost undeformed."""


class DeformationField(nn.Module):
    """Where in the picture that what is seen at a point of a frame lies.

    levels, log2_rows, base, growth: of the hash grid. width, depth: of the network's hidden layers.
    """

    def __init__(
        self,
        *,
        levels: int = 16,
        log2_rows: int = 19,
        base: int = 16,
        growth: float = 1.38,
        width: int = 64,
        depth: int = 8,
    ) -> None:
        super().__init__()
        self.grid = HashGrid(3, levels=levels, log2_rows=log2_rows, base=base, growth=growth)
        self.network = fused(3 + self.grid.width, width, depth, 2)

    def forward(self, points: Tensor, shown: Sequence[float] | None = None) -> Tensor:
        """points: (N, 3) of x, y, t. shown: weights of the grid's levels. Returns offsets (N, 2)."""
        features = self.grid(points, shown)
        seen = torch.cat([points.to(features.dtype), features], 1)
        offsets: Tensor = self.network(seen) / _CALM
        return offsets


class CanonicalField(nn.Module):
    """The picture. Its colours are not bounded; what they were fitted to is."""

    def __init__(
        self,
        *,
        levels: int = 16,
        log2_rows: int = 19,
        base: int = 16,
        growth: float = 1.44,
        width: int = 64,
        depth: int = 2,
    ) -> None:
        super().__init__()
        self.grid = HashGrid(2, levels=levels, log2_rows=log2_rows, base=base, growth=growth)
        self.network = fused(2 + self.grid.width, width, depth, 3)

    def forward(self, points: Tensor) -> Tensor:
        """points: (N, 2) of x, y, from -MARGIN to 1 + MARGIN. Returns R'G'B' (N, 3)."""
        inside = (points + MARGIN) / (1 + 2 * MARGIN)
        features = self.grid(inside)
        seen = torch.cat([inside.to(features.dtype), features], 1)
        colours: Tensor = self.network(seen)
        return colours


class CoDeF(nn.Module):
    """deformation, canonical: arguments of the two fields."""

    def __init__(
        self, deformation: dict[str, float] | None = None, canonical: dict[str, float] | None = None
    ) -> None:
        super().__init__()
        self.deformation = DeformationField(**(deformation or {}))  # type: ignore[arg-type]
        self.canonical = CanonicalField(**(canonical or {}))  # type: ignore[arg-type]

    def places(self, points: Tensor, t: float, shown: Sequence[float] | None = None) -> Tensor:
        """Where in the picture that lies what is at `points` (N, 2) of the frame of time t: (N, 2)."""
        moment = points.new_full((len(points), 1), t)
        offsets: Tensor = self.deformation(torch.cat([points, moment], 1), shown)
        return points + offsets

    def render(self, t: float, size: tuple[int, int]) -> Tensor:
        """The frame of time t, (3, H, W). size: width, height in pixels."""
        width, height = size
        points = pixels(width, height).to(next(self.parameters()).device)
        colours: Tensor = self.canonical(self.places(points, t))
        return colours.T.reshape(3, height, width)


def pixels(width: int, height: int) -> Tensor:
    """The centres of a frame's pixels, row by row, (H · W, 2)."""
    x = (torch.arange(width) + 0.5) / width
    y = (torch.arange(height) + 0.5) / height
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).view(-1, 2)


def fused(inputs: int, width: int, depth: int, outputs: int) -> nn.Sequential:
    """tiny-cuda-nn's `FullyFusedMLP`: `depth` hidden layers with ReLU and without biases.

    It fills its inputs up to a multiple of 16 with ones, so the first layer has a bias after all.
    """
    layers: list[nn.Module] = [nn.Linear(inputs, width), nn.ReLU()]
    for _ in range(depth - 1):
        layers += [nn.Linear(width, width, bias=False), nn.ReLU()]
    layers.append(nn.Linear(width, outputs, bias=False))
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
    return nn.Sequential(*layers)

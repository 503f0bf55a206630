"""Multi-resolution hash encoding: points become features looked up in grids of rising resolution.

Müller et al., "Instant neural graphics primitives", SIGGRAPH 2022 (arXiv 2201.05989). Resolutions, sizes of
tables, the hash and what becomes of points outside of the unit cube are those of tiny-cuda-nn's `HashGrid`,
whose defaults the paper's notation differs from by one vertex.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

PRIMES = (1, 2654435761, 805459861)
"""Factors of the hash along each axis; by the first, neighbours along x stay neighbours in memory."""

_WORD = 2**32 - 1
"""Indices are computed in unsigned 32-bit words, and points outside of the unit cube make them wrap."""

_ALIGNED = 8
"""A table's rows are rounded up to a multiple of this."""


class HashGrid(nn.Module):
    """Features of points in two or three dimensions.

    dims: 2 or 3. levels: how many grids. features: numbers per vertex. log2_rows: a grid with more vertices
    than 2 to this shares that many rows among them, by a hash. base: vertices along a side of the first grid.
    growth: how many times more the next one has.
    """

    def __init__(
        self,
        dims: int,
        *,
        levels: int = 16,
        features: int = 2,
        log2_rows: int = 19,
        base: int = 16,
        growth: float = 2.0,
    ) -> None:
        super().__init__()
        self.grids = nn.ModuleList(
            Grid(dims, features, 2**log2_rows, base * growth**level - 1) for level in range(levels)
        )
        self.width = levels * features

    def forward(self, points: Tensor, shown: Sequence[float] | None = None) -> Tensor:
        """points: (N, dims), meant for [0, 1]; outside, what is found there belongs to other places.

        shown: the weight of each level; one of weight 0 is not looked up. None: all count in full.
        Returns (N, levels · features) of the tables' type; positions within a grid are computed in float32.
        """
        points = points.float()
        weights = [1.0] * len(self.grids) if shown is None else shown
        return torch.cat(
            [weight * grid(points, weight > 0) for grid, weight in zip(self.grids, weights, strict=True)], 1
        )


class Grid(nn.Module):
    """One level. scale: cells along a side of the unit cube, a fraction too."""

    def __init__(self, dims: int, features: int, most_rows: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.features = features
        resolution = math.ceil(scale) + 1
        vertices = resolution**dims
        rows = min(math.ceil(vertices / _ALIGNED) * _ALIGNED, most_rows)
        self.hashed = rows < vertices
        self.factors = PRIMES[:dims] if self.hashed else tuple(resolution**axis for axis in range(dims))
        self.table = nn.Parameter(torch.empty(rows, features).uniform_(-1e-4, 1e-4))

    def forward(self, points: Tensor, shown: bool = True) -> Tensor:
        """points: (N, dims) float32. Returns (N, features), linear between the corners of a cell.

        shown: False for zeros, without looking.
        """
        if not shown:
            return self.table.new_zeros(len(points), self.features)
        # Half a cell off, so that the vertices of different levels do not coincide.
        position = points * self.scale + 0.5
        cell = position.detach().floor()
        within = position - cell
        rows, weights = self._corners(cell.long(), within)
        found = self.table.index_select(0, rows.flatten()).view(*rows.shape, self.features)
        return (found * weights.to(found.dtype)[..., None]).sum(1)

    def _corners(self, cell: Tensor, within: Tensor) -> tuple[Tensor, Tensor]:
        """The rows of the corners of each point's cell and their weights, (N, 2 ** dims)."""
        index = torch.zeros_like(cell[:, :1])
        weights = torch.ones_like(within[:, :1])
        joined = torch.bitwise_xor if self.hashed else torch.add
        for axis, factor in enumerate(self.factors):
            near = cell[:, axis, None] * factor
            index = torch.cat([joined(index, near), joined(index, near + factor)], 1)
            share = within[:, axis, None]
            weights = torch.cat([weights * (1 - share), weights * share], 1)
        return (index & _WORD) % len(self.table), weights


def annealed(levels: int, done: float) -> list[float]:
    """Weights of levels that are let in one after the other, the coarse ones first.

    done: 0 none yet, 1 all of them. Each rises from 0 to 1 as half a cosine (Park et al., "Nerfies", 2021).
    """
    return [
        (1 - math.cos(math.pi * min(1.0, max(0.0, done * levels - level)))) / 2 for level in range(levels)
    ]

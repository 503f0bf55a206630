"""Pictures too large for memory, made piece by piece."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Between = Callable[[Tensor, Tensor], Tensor]
"""Two pictures (B, 3, H, W) → one of the same size."""


def tiled(network: Between, side: int, overlap: int) -> Between:
    """The same network, which sees no more at once than a square of `side` pixels.

    Squares overlap by `overlap` pixels or more; there the answers fade into each other. So what moves by less
    is seen whole by at least one of the two. Raises ValueError where squares would not advance.
    """
    if not 0 < overlap < side:
        raise ValueError(f"tiles of {side} pixels cannot overlap by {overlap}")

    def made(first: Tensor, second: Tensor) -> Tensor:
        height, width = first.shape[-2:]
        if height <= side and width <= side:
            return network(first, second)
        rows, columns = _starts(height, side, overlap), _starts(width, side, overlap)
        total = torch.zeros(first.shape, dtype=torch.float32, device=first.device)
        weight = torch.zeros((height, width), dtype=torch.float32, device=first.device)
        for top in rows:
            for left in columns:
                place = (..., slice(top, top + side), slice(left, left + side))
                piece = network(first[place], second[place])
                down, across = (_ramp(size, overlap, first.device) for size in piece.shape[-2:])
                share = down[:, None] * across
                total[place] += share * piece
                weight[place] += share
        return (total / weight).to(first.dtype)

    return made


def _starts(size: int, side: int, overlap: int) -> list[int]:
    """Where pieces of an edge begin: as few as there can be, spread evenly."""
    rest = max(size - side, 0)
    steps = -(-rest // (side - overlap))
    return [rest * step // steps for step in range(steps + 1)] if steps else [0]


def _ramp(size: int, overlap: int, device: torch.device) -> Tensor:
    """Weights (size,) that rise from either edge over `overlap` pixels."""
    place = torch.arange(size, device=device) + 0.5
    return torch.minimum(place, size - place).clamp(max=overlap) / overlap

"""Stochastic depth: training leaves branches of a residual network out at random (Huang et al. 2016)."""

from __future__ import annotations

from torch import Tensor, nn


class DropPath(nn.Module):
    """What a branch adds; in training left out for a share of the samples and scaled up for the others.

    rate: the share, 0 to 1. Samples are counted along the first dimension.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training or not self.rate:
            return branch
        kept = branch.new_empty(len(branch), *(1,) * (branch.ndim - 1)).bernoulli_(1 - self.rate)
        return branch * kept / (1 - self.rate)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


def growing(rate: float, layers: int) -> list[DropPath]:
    """One for each of a network's layers, whose rates grow evenly from 0 to `rate`: deeper ones rest more."""
    return [DropPath(rate * depth / max(1, layers - 1)) for depth in range(layers)]

"""How something looks: its colours, and how likely a pixel belongs to it.

Colours are counted in 16 × 16 × 16 cells of R'G'B', smoothed over neighbouring cells so that a change of
light stays near.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moviola.frames import Pixels

Selected = NDArray[np.bool_]
Floats = NDArray[np.float32]

_CELLS = 16
_DOUBT = 0.02
"""The share of a distribution that is spread over all colours, so that none is impossible."""


@dataclass(frozen=True, slots=True, eq=False)
class Colours:
    """A distribution: (4096,) float32 that sum to 1."""

    shares: Floats

    @classmethod
    def of(cls, picture: Pixels, where: Selected) -> Colours:
        """Of the pixels selected; all colours alike where there are none."""
        if not where.any():
            return cls(np.full(_CELLS**3, 1 / _CELLS**3, np.float32))
        counts = np.bincount(_cells(picture)[where], minlength=_CELLS**3).astype(np.float32)
        counts = _smoothed(counts.reshape(_CELLS, _CELLS, _CELLS)).ravel()
        return cls(_with_doubt(counts / counts.sum()))

    def mixed(self, other: Colours, share: float) -> Colours:
        """This, with a share of another."""
        return Colours(self.shares + np.float32(share) * (other.shares - self.shares))

    def likeness(self, other: Colours) -> float:
        """Bhattacharyya coefficient: 1 for equal distributions, 0 for ones without a common colour."""
        return float(np.sqrt(self.shares * other.shares).sum())


def likelihood(picture: Pixels, thing: Colours, rest: Colours) -> Floats:
    """How likely each pixel is the thing's and not the rest's, (H, W) in 0–1: histogram back-projection of
    the ratio of both (Swain and Ballard, 1991), without regard to where a pixel is."""
    found: Floats = (thing.shares / (thing.shares + rest.shares))[_cells(picture)]
    return found


def _cells(picture: Pixels) -> NDArray[np.uint16]:
    coarse = (picture[..., :3] >> 4).astype(np.uint16)
    return np.asarray(coarse[..., 0] << 8 | coarse[..., 1] << 4 | coarse[..., 2], np.uint16)


def _smoothed(counts: NDArray[Any]) -> NDArray[Any]:
    """Half of each cell's count spread over both neighbours, along all axes; the ends keep theirs."""
    for axis in range(counts.ndim):
        padded = np.pad(counts, [(int(axis == other),) * 2 for other in range(counts.ndim)], mode="edge")
        below, above = (padded.take(range(at, at + _CELLS), axis) for at in (0, 2))
        counts = counts / 2 + (below + above) / 4
    return counts


def _with_doubt(shares: Floats) -> Floats:
    return shares * np.float32(1 - _DOUBT) + np.float32(_DOUBT / len(shares))

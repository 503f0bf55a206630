"""ProPainter's mask-guided sparse transformer and its overlapping patches (Zhou et al., ICCV 2023).

Patches are 7×7 positions, 3 apart. To cut them out and embed them is a convolution with that stride, and to
lay them over each other again is a transposed one: patches themselves are never held in memory, where they
would take 5.4 times the room of the maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional

PATCH = 7
STEP = 3
_MARGIN = 3

_AT_ONCE = 8
"""Windows attended to side by side, which bounds the memory that their keys take."""


def cut(width: int, out: int) -> nn.Conv2d:
    """Soft split: maps (B, width, H, W) → a vector for each patch, (B, out, h, w)."""
    return nn.Conv2d(width, out, PATCH, STEP, _MARGIN)


class Overlap(nn.Module):
    """Soft composition: each vector becomes a patch, and patches are added up where they overlap."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, out, PATCH, PATCH) * width**-0.5)
        self.bias = nn.Parameter(torch.zeros(out, PATCH, PATCH))

    def forward(self, patches: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, width, h, w) → (B, out, *size)."""
        one = patches.new_ones(1, 1, *patches.shape[-2:])
        return _laid(patches, self.weight, size) + _laid(one, self.bias[None], size)


def _laid(patches: Tensor, weight: Tensor, size: tuple[int, int]) -> Tensor:
    """The convolution does not say how many positions the last patch is short of."""
    height, width = patches.shape[-2:]
    short = (size[0] - (height - 1) * STEP - 1, size[1] - (width - 1) * STEP - 1)
    return functional.conv_transpose2d(patches, weight, None, STEP, _MARGIN, short)


class FeedForward(nn.Module):
    """Between its two layers the patches are laid out and averaged, so that neighbours exchange something.

    The activation is done on the maps: patches show the same values, and 0 beyond the border stays 0.
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.lay = Overlap(width, inner)
        self.cut = cut(inner, width)

    def forward(self, patches: Tensor, size: tuple[int, int]) -> Tensor:
        one = patches.new_ones(1, 1, *patches.shape[-2:])
        count = _laid(one, one.new_ones(1, 1, PATCH, PATCH), size)
        cut: Tensor = self.cut(functional.gelu(self.lay(patches, size) / count))
        return cut


@dataclass(frozen=True)
class Windows:
    """How a grid of vectors is divided, and where there is something to fill."""

    rows: int
    columns: int
    """Of the grid, padded to whole windows."""
    own: Tensor
    """(windows, P): places in the grid, row by row, of the vectors of each window."""
    near: Tensor
    """(windows, P + Q): the same, then those around the window as far as half its size."""
    masked: Tensor
    """(B, windows), bool: whether there is a hole in any local frame."""


def divided(holes: Tensor, size: tuple[int, int]) -> Windows:
    """holes: (B, h, w), above 0 where a patch has part in one in any local frame. size: of a window."""
    high, wide = size
    down, right = -holes.shape[-2] % high, -holes.shape[-1] % wide
    holes = functional.max_pool2d(functional.pad(holes, (0, right, 0, down))[:, None], size)
    rows, columns = holes.shape[-2] * high, holes.shape[-1] * wide

    device = holes.device
    inside = _pairs(torch.arange(high, device=device), torch.arange(wide, device=device))
    around = []
    for below, beside in product((1, -1), repeat=2):
        shift = torch.tensor((below * ((high + 1) // 2), beside * ((wide + 1) // 2)), device=device)
        around.append(inside + shift)
    # What a window moved into a corner shows of others; the grid goes on at its other end.
    others = torch.cat(around)
    limits = torch.tensor(size, device=device)
    others = others[((others < 0) | (others >= limits)).any(-1)]
    corners = _pairs(
        torch.arange(0, rows, high, device=device), torch.arange(0, columns, wide, device=device)
    )
    grid = torch.tensor((rows, columns), device=device)
    places = (corners[:, None] + torch.cat((inside, others))) % grid
    near = places[..., 0] * columns + places[..., 1]
    return Windows(rows, columns, near[:, : high * wide], near, holes.flatten(1) > 0)


def _pairs(first: Tensor, second: Tensor) -> Tensor:
    return torch.cartesian_prod(first, second)


class SparseAttention(nn.Module):
    """Windows with a hole attend to themselves, to what is around, and to all patches pooled, of some frames.

    Others attend to themselves, frame by frame.
    """

    def __init__(self, width: int, heads: int, pool: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)
        self.pool = nn.Conv2d(width, width, pool, pool, groups=width)

    def forward(self, patches: Tensor, windows: Windows, frames: slice) -> Tensor:
        """(B, T, h, w, C) → the same. frames: those that windows with a hole attend to."""
        height, width = patches.shape[2:4]
        patches = functional.pad(patches, (0, 0, 0, windows.columns - width, 0, windows.rows - height))
        pooled = self.pool(patches[:, frames].flatten(0, 1).movedim(-1, 1)).flatten(2).transpose(1, 2)
        pooled = pooled.reshape(len(patches), -1, pooled.shape[-1])
        patches = patches.flatten(2, 3)
        query, key, value = self.query(patches), self.key(patches), self.value(patches)
        whole = (self.key(pooled), self.value(pooled))
        made = torch.empty_like(query)
        for clip, window in _some(windows.masked):
            own, near = windows.own[window], windows.near[window]
            asked = _taken(query, clip, own)
            known = (
                torch.cat((_taken(part[:, frames], clip, near).flatten(1, 2), pool[clip]), dim=1)
                for part, pool in zip((key, value), whole, strict=True)
            )
            found = self._attended(asked.flatten(1, 2), *known)
            made[clip[:, None], :, own] = found.unflatten(1, asked.shape[1:3])
        for clip, window in _some(~windows.masked):
            own = windows.own[window]
            parts = (_taken(part, clip, own).transpose(1, 2) for part in (query, key, value))
            made[clip[:, None], :, own] = self._attended(*parts).transpose(1, 2)
        made = made.unflatten(2, (windows.rows, windows.columns))[:, :, :height, :width]
        projected: Tensor = self.proj(made)
        return projected

    def _attended(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """(…, N, C)."""
        heads = (part.unflatten(-1, (self.heads, -1)).transpose(-3, -2) for part in (query, key, value))
        return functional.scaled_dot_product_attention(*heads).transpose(-3, -2).flatten(-2)


def _some(chosen: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Clips and windows of (B, windows) that are chosen, a few at once."""
    clips, windows = chosen.nonzero(as_tuple=True)
    return list(zip(clips.split(_AT_ONCE), windows.split(_AT_ONCE), strict=True)) if len(clips) else []


def _taken(patches: Tensor, clip: Tensor, places: Tensor) -> Tensor:
    """From (B, T, N, C), for each of M clips its P places: (M, P, T, C)."""
    return patches[clip[:, None], :, places]


class Block(nn.Module):
    def __init__(self, width: int, heads: int, pool: int, inner: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = SparseAttention(width, heads, pool)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width, inner)

    def forward(self, patches: Tensor, size: tuple[int, int], windows: Windows, frames: slice) -> Tensor:
        patches = patches + self.attention(self.norm1(patches), windows, frames)
        maps = self.norm2(patches).flatten(0, 1).movedim(-1, 1)
        more: Tensor = self.mlp(maps, size).movedim(1, -1).unflatten(0, patches.shape[:2])
        return patches + more


class SparseTransformer(nn.Module):
    """width: of a patch's vector. inner: channels of the maps between the layers of a feed-forward part.

    window: patches of a window, down and right. pool: patches along each side that are pooled into one.
    """

    def __init__(
        self, width: int, heads: int, depth: int, inner: int, window: tuple[int, int] = (5, 9), pool: int = 4
    ) -> None:
        super().__init__()
        self.window = window
        self.blocks = nn.ModuleList(Block(width, heads, pool, inner) for _ in range(depth))

    def forward(self, patches: Tensor, size: tuple[int, int], holes: Tensor, stride: int = 2) -> Tensor:
        """(B, T, h, w, C) → the same.

        size: of the maps that the patches were cut from.
        holes: (B, h, w), above 0 where a patch has part in a hole of any local frame.
        stride: a block attends to every frame out of so many, the next block to those after them.
        """
        windows = divided(holes, self.window)
        for index, block in enumerate(self.blocks):
            # A clip may be shorter than the stride.
            frames = slice(index % stride % patches.shape[1], None, stride)
            patches = block(patches, size, windows, frames)
        return patches

"""Video Swin Transformer (Liu et al. 2022, arXiv 2106.13230): attention inside windows of space and time.

Every second block shifts its windows by half their size, so that what one block holds apart meets in the
next. Between the four stages 2x2 neighbours in space are merged and the width doubled; time is never merged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, pairwise, product
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from moviola.nets.drop_path import DropPath

Extent = tuple[int, int, int]
"""Along time, height and width."""


class VideoSwin(nn.Module):
    """Takes any number of frames of any size: where patches do not divide a clip, zeros are put at its ends.

    width: of the first stage. depths, heads: blocks and attention heads of each stage.
    patch, window: time, height and width, in pixels and in tokens. drop_path: share of samples that skip the
    last block in training, rising evenly from 0 in the first. dropout: before the classifier, in training.
    """

    def __init__(
        self,
        *,
        width: int = 128,
        depths: Sequence[int] = (2, 2, 18, 2),
        heads: Sequence[int] = (4, 8, 16, 32),
        patch: Sequence[int] = (2, 4, 4),
        window: Sequence[int] = (8, 7, 7),
        classes: int = 400,
        drop_path: float = 0.2,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        blocks = sum(depths)
        skips = [drop_path * block / max(1, blocks - 1) for block in range(blocks)]
        self.patch_embed = PatchEmbedding(width, _extent(patch))
        self.layers = nn.ModuleList(
            Stage(
                width * 2**stage,
                heads[stage],
                _extent(window),
                skips[first:end],
                merges=stage < len(depths) - 1,
            )
            for stage, (first, end) in enumerate(pairwise(accumulate(depths, initial=0)))
        )
        last = width * 2 ** (len(depths) - 1)
        self.norm = nn.LayerNorm(last)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(last, classes)
        self.apply(_initialise)

    def features(self, video: Tensor) -> Tensor:
        """(B, 3, T, H, W) → (B, D): the mean of the last tokens."""
        tokens = self.patch_embed(video)
        for layer in self.layers:
            tokens = layer(tokens)
        mean: Tensor = self.norm(tokens).mean((1, 2, 3))
        return mean

    def forward(self, video: Tensor) -> Tensor:
        """(B, 3, T, H, W), normalised → (B, classes) logits."""
        logits: Tensor = self.head(self.dropout(self.features(video)))
        return logits


class PatchEmbedding(nn.Module):
    """(B, 3, T, H, W) → (B, t, h, w, C): one token for each patch."""

    def __init__(self, width: int, patch: Extent) -> None:
        super().__init__()
        self.patch = patch
        self.proj = nn.Conv3d(3, width, patch, stride=patch)
        self.norm = nn.LayerNorm(width)

    def forward(self, video: Tensor) -> Tensor:
        t, h, w = (-length % size for length, size in zip(video.shape[2:], self.patch, strict=True))
        if t or h or w:
            video = functional.pad(video, (0, w, 0, h, 0, t))
        tokens: Tensor = self.norm(self.proj(video).movedim(1, -1))
        return tokens


class Stage(nn.Module):
    """Blocks of one width, every second of them with shifted windows; then merging, but for the last stage.

    skips: for each block, the share of samples that skip it in training.
    """

    def __init__(
        self, width: int, heads: int, window: Extent, skips: Sequence[float], *, merges: bool
    ) -> None:
        super().__init__()
        self.window = window
        self.blocks = nn.ModuleList(Block(width, heads, window, skip) for skip in skips)
        self.downsample = PatchMerging(width) if merges else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, t, h, w, C) → (B, t, ⌈h/2⌉, ⌈w/2⌉, 2C), or as it was in the last stage."""
        grid = _extent(tokens.shape[1:4])
        layouts = [Layout(grid, self.window, shifts, tokens.device) for shifts in (False, True)]
        for index, block in enumerate(self.blocks):
            tokens = block(tokens, layouts[index % 2])
        merged: Tensor = self.downsample(tokens)
        return merged


class PatchMerging(nn.Module):
    """2x2 tokens of a frame become one of twice the width; beyond an odd edge lie zeros."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        h, w = tokens.shape[2:4]
        if h % 2 or w % 2:
            tokens = functional.pad(tokens, (0, 0, 0, w % 2, 0, h % 2))
        # Down the left column, then down the right one.
        four = torch.cat([tokens[:, :, y::2, x::2] for x in (0, 1) for y in (0, 1)], -1)
        merged: Tensor = self.reduction(self.norm(four))
        return merged


class Block(nn.Module):
    """Attention in windows, then a perceptron, each after a norm and added to what came in."""

    def __init__(self, width: int, heads: int, window: Extent, skip: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Perceptron(width)
        self.drop_path = DropPath(skip)

    def forward(self, tokens: Tensor, layout: Layout) -> Tensor:
        attended: Tensor = self.drop_path(self.attn(self.norm1(tokens), layout))
        tokens = tokens + attended
        changed: Tensor = self.drop_path(self.mlp(self.norm2(tokens)))
        return tokens + changed


class Perceptron(nn.Module):
    """Four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        changed: Tensor = self.fc2(functional.gelu(self.fc1(tokens)))
        return changed


class WindowAttention(nn.Module):
    """Attention among the tokens of a window, with a learned bias for every offset between two of them."""

    def __init__(self, width: int, heads: int, window: Extent) -> None:
        super().__init__()
        self.heads = heads
        offsets = prod(2 * size - 1 for size in window)
        self.relative_position_bias_table = nn.Parameter(torch.empty(offsets, heads))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, tokens: Tensor, layout: Layout) -> Tensor:
        """(B, t, h, w, C) → the same shape."""
        windows = layout.cut(tokens)
        bias = self.relative_position_bias_table.t()[:, layout.offsets]
        attended = torch.empty_like(windows)
        for place, apart in layout.regions:
            mask = bias if apart is None else bias.masked_fill(apart, -torch.inf)
            attended[place] = self._attended(windows[place], mask)
        return layout.joined(attended)

    def _attended(self, windows: Tensor, mask: Tensor) -> Tensor:
        """windows: (B, T/t, t, H/h, h, W/w, w, C). mask: (heads, t·h·w, t·h·w), added to the scores."""
        ordered = windows.permute(0, 1, 3, 5, 2, 4, 6, 7)
        tokens = ordered.reshape(-1, mask.shape[-1], ordered.shape[-1])
        q, k, v = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask[None])
        projected: Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return projected.view(ordered.shape).permute(0, 1, 4, 2, 5, 3, 6, 7)


class Region(NamedTuple):
    """Windows that share one mask.

    place: of them in what `Layout.cut` gives. apart: (N, N), true for two tokens of a window that may not
    see each other; None where all may.
    """

    place: tuple[slice, ...]
    apart: Tensor | None


class Layout:
    """How a grid of tokens is cut into windows.

    Along an axis that is no longer than a window, the window is as long as the axis and does not shift.
    Elsewhere the grid is filled up to whole windows at its ends. That is done with zeros after the norm; they
    are not masked, and get the biases of queries, keys and values like all others. Shifting rolls the grid,
    so that its last windows along an axis hold tokens of both ends: these are kept apart. All other windows
    need no mask, which is why the two kinds are told apart.

    offsets: (N, N), which row of the bias table belongs to two tokens of a window. In a window that is cut
    short these are the offsets of the first N tokens of a whole one, as the authors have it. Cut short in
    time they are its own; cut short in space they are not, but the published figures are those of this code.
    """

    def __init__(self, grid: Extent, window: Extent, shifts: bool, device: torch.device) -> None:
        self.grid = grid
        self.window = _extent(map(min, grid, window))
        self.padding = _extent(-length % size for length, size in zip(grid, self.window, strict=True))
        self.shift = _extent(
            size // 2 if shifts and length > size else 0 for length, size in zip(grid, window, strict=True)
        )
        inside = prod(self.window)
        self.offsets = _offsets(window, device)[:inside, :inside]
        ends = product(*((False, True) if step else (False,) for step in self.shift))
        self.regions = [self._region(far, device) for far in ends]

    def cut(self, tokens: Tensor) -> Tensor:
        """(B, *grid, C) → (B, T/t, t, H/h, h, W/w, w, C) for windows of (t, h, w), filled up and rolled."""
        t, h, w = self.padding
        if t or h or w:
            tokens = functional.pad(tokens, (0, 0, 0, w, 0, h, 0, t))
        if any(self.shift):
            tokens = tokens.roll([-step for step in self.shift], (1, 2, 3))
        return tokens.reshape(len(tokens), *self._cuts(), -1)

    def joined(self, windows: Tensor) -> Tensor:
        """The way back."""
        tokens = windows.flatten(5, 6).flatten(3, 4).flatten(1, 2)
        if any(self.shift):
            tokens = tokens.roll(self.shift, (1, 2, 3))
        t, h, w = self.grid
        return tokens[:, :t, :h, :w]

    def _cuts(self) -> list[int]:
        """How many windows there are and how long they are, along each axis."""
        lengths = (length + more for length, more in zip(self.grid, self.padding, strict=True))
        return [
            cut for length, size in zip(lengths, self.window, strict=True) for cut in (length // size, size)
        ]

    def _region(self, far: Sequence[bool], device: torch.device) -> Region:
        """far: for each axis, whether it is of the last windows; otherwise of all others where it shifts."""
        place = [slice(None)]
        from_start = []
        for last, step, size in zip(far, self.shift, self.window, strict=True):
            place += [slice(-1, None) if last else slice(None, -1) if step else slice(None), slice(None)]
            from_start.append(torch.arange(size, device=device) >= (size - step if last else size))
        if not any(far):
            return Region(tuple(place), None)
        side = torch.cartesian_prod(*from_start)
        return Region(tuple(place), (side[:, None] != side).any(-1))


def _offsets(window: Extent, device: torch.device) -> Tensor:
    """(N, N): the row of the bias table for two tokens of a whole window.

    The table lists offsets from -(size - 1) to size - 1 along each axis, width fastest. So a token's place,
    counted in the steps of the table, less another's, is a row, counted from the row of no offset.
    """
    t, h, w = (torch.arange(size, device=device) for size in window)
    places = ((t[:, None, None] * (2 * window[1] - 1) + h[:, None]) * (2 * window[2] - 1) + w).flatten()
    return places[:, None] - places + places[-1]


def _extent(sizes: Iterable[int]) -> Extent:
    t, h, w = sizes
    return t, h, w


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


_RENAMED: Sequence[tuple[str, str | Callable[[re.Match[str]], str]]] = (
    # The authors' code, and mmaction2's, which numbers the norm.
    (r"^backbone\.", ""),
    (r"^norm3\.", "norm."),
    (r"^cls_head\.fc_cls\.", "head."),
    # torchvision: blocks and mergings alternate in one list.
    (r"^features\.(\d+)\.(\d+)\.", lambda found: f"layers.{int(found[1]) // 2}.blocks.{found[2]}."),
    (r"^features\.(\d+)\.", lambda found: f"layers.{int(found[1]) // 2}.downsample."),
    (r"\.mlp\.0\.", ".mlp.fc1."),
    (r"\.mlp\.3\.", ".mlp.fc2."),
)

_NO_WEIGHTS = re.compile(r"(relative_position_index|attn_mask|^data_preprocessor\.(mean|std))$")


def names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint of the authors, of mmaction2 or of torchvision under the names of `VideoSwin`."""
    renamed = {}
    for name, value in state.items():
        if _NO_WEIGHTS.search(name):
            continue
        for pattern, replacement in _RENAMED:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    return renamed

"""InternVideo2: a plain vision transformer on all patches of a clip at once (Wang et al., arXiv 2403.15377).

Patches of each frame become tokens (no two frames share one), a class token goes before them, and one learnt
table gives all their positions. Blocks normalise first (RMSNorm), normalise queries and keys over the full
width, and scale what they add (LayerScale). The mean of all tokens attends to them: the clip's embedding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from moviola.nets.drop_path import DropPath

Grid = tuple[int, int, int]
"""Patches of a clip: frames, rows, columns."""


def grid_of(frames: int, size: Sequence[int], patch: int = 14) -> Grid:
    """Whole patches of a clip of `frames` frames of a size in pixels (height, width)."""
    height, width = size
    return frames, height // patch, width // patch


def resized(table: Tensor, grid: Grid, to: Grid) -> Tensor:
    """A position table (1, 1 + patches, D) for another grid.

    Linear in time, then bicubic in space, as the authors' fine-tuning does when it loads a checkpoint; the
    class token's position stays. Computed in float32.
    """
    frames, height, width = grid
    places = table[0, 1:].float().unflatten(0, (frames, height * width)).permute(1, 2, 0)
    places = functional.interpolate(places, size=to[0], mode="linear").permute(2, 1, 0)
    places = functional.interpolate(places.unflatten(2, (height, width)), size=to[1:], mode="bicubic")
    return torch.cat((table[:, :1], places.permute(0, 2, 3, 1).flatten(0, 2)[None].to(table.dtype)), 1)


def fitted(table: Tensor, grid: Grid) -> Tensor:
    """A checkpoint's position table (1, 1 + patches, D), resized to `grid` where it is for another.

    A checkpoint does not say what its table is for. The authors' loader takes it for 8 frames of a square and
    stops there; where that does not come out, ours takes it for frames of the grid's own height and width
    (4096 patches are 16 frames of 16x16). Where neither does, the table is left as it is.
    """
    patches = table.shape[1] - 1
    if patches == math.prod(grid):
        return table
    side = math.isqrt(patches // 8)
    if 8 * side**2 == patches:
        return resized(table, (8, side, side), grid)
    frames, left = divmod(patches, grid[1] * grid[2])
    return table if left else resized(table, (frames, *grid[1:]), grid)


class PatchEmbed(nn.Module):
    """A 3D convolution that touches no pixel twice, done as the matrix product that it is.

    video (B, 3, T, H, W) → (B, T, rows, columns, width). Pixels beyond the last whole patch are not seen.
    """

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.proj = nn.Conv3d(3, width, (1, patch, patch), stride=(1, patch, patch))

    def forward(self, video: Tensor) -> Tensor:
        side = self.patch
        rows, columns = (extent // side for extent in video.shape[3:])
        seen = video[..., : rows * side, : columns * side]
        patches = seen.unflatten(4, (columns, side)).unflatten(3, (rows, side)).permute(0, 2, 3, 5, 1, 4, 6)
        return functional.linear(patches.flatten(4), self.proj.weight.flatten(1), self.proj.bias)


class LayerScale(nn.Module):
    """One factor per channel. The authors multiply in float32 and round back, as a plain product does."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


def attended(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Scaled dot-product attention in `heads` equal parts of the width; all are (B, N, width)."""
    q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (query, key, value))
    return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class Attention(nn.Module):
    """Self-attention. Queries and keys are normalised over all heads together, before they are split."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_norm = nn.RMSNorm(width, eps=1e-6)
        self.k_norm = nn.RMSNorm(width, eps=1e-6)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        out: Tensor = self.proj(attended(self.q_norm(q), self.k_norm(k), v, self.heads))
        return out


class CrossAttention(nn.Module):
    """Attention of queries to keys and values of their own; (B, N, width) → (B, N, out)."""

    def __init__(self, width: int, heads: int, out: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, width, bias=False)
        self.v = nn.Linear(width, width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.k_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.proj = nn.Linear(width, out)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q, k, v = self.q(query) + self.q_bias, self.k(key) + self.k_bias, self.v(value) + self.v_bias
        out: Tensor = self.proj(attended(q, k, v, self.heads))
        return out


class AttentionPooling(nn.Module):
    """(B, N, width) → (B, out): the mean of the tokens attends to them."""

    def __init__(self, width: int, heads: int, out: int) -> None:
        super().__init__()
        self.norm1_q = nn.LayerNorm(width)
        self.norm1_k = nn.LayerNorm(width)
        self.norm1_v = nn.LayerNorm(width)
        self.cross_attn = CrossAttention(width, heads, out)

    def forward(self, tokens: Tensor) -> Tensor:
        query = self.norm1_q(tokens.mean(1, keepdim=True))
        pooled: Tensor = self.cross_attn(query, self.norm1_k(tokens), self.norm1_v(tokens))
        return pooled.squeeze(1)


class Mlp(nn.Module):
    def __init__(self, width: int, hidden: int, gelu: str) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = nn.GELU(approximate=gelu)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(self.act(self.fc1(x)))
        return out


class Block(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, gelu: str, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.RMSNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.ls1 = LayerScale(width)
        self.norm2 = nn.RMSNorm(width, eps=1e-6)
        self.mlp = Mlp(width, hidden, gelu)
        self.ls2 = LayerScale(width)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.ls1(self.attn(self.norm1(x))))
        out: Tensor = x + self.drop_path(self.ls2(self.mlp(self.norm2(x))))
        return out


class Encoder(nn.Module):
    """The vision encoder of all stages: tokens of a clip, and what they are pooled into.

    width, depth, heads: of the transformer. mlp: hidden width. patch: pixels a side.
    frames, size (height, width): what the position table is for; another clip gets the table resized.
    pool_heads, embedding: of the attention pooling.
    drop_path: the share of samples that the last block's branches are left out for in training; from block to
        block it grows evenly from 0.
    gelu: "tanh" or "none", as `torch.nn.GELU` has it. The authors trained and tested with a fused MLP, which
        has the tanh form; their fallback without it has the exact one.
    """

    def __init__(
        self,
        *,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        mlp: int = 3072,
        patch: int = 14,
        frames: int = 8,
        size: Sequence[int] = (224, 224),
        pool_heads: int = 16,
        embedding: int = 768,
        drop_path: float = 0.0,
        gelu: str = "tanh",
    ) -> None:
        super().__init__()
        self.grid = grid_of(frames, size, patch)
        self.patch_embed = PatchEmbed(width, patch)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + math.prod(self.grid), width))
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.blocks = nn.ModuleList(
            Block(width, heads, mlp, gelu, drop_path * index / max(1, depth - 1)) for index in range(depth)
        )
        self.clip_projector = AttentionPooling(width, pool_heads, embedding)

    def tokens(self, video: Tensor) -> Tensor:
        """video (B, 3, T, H, W) → (B, 1 + patches, width): the class token, then patches frame by frame."""
        patches = self.patch_embed(video)
        frames, rows, columns = patches.shape[1:4]
        grid = frames, rows, columns
        positions = self.pos_embed if grid == self.grid else resized(self.pos_embed, self.grid, grid)
        x = torch.cat((self.cls_token.expand(len(video), -1, -1), patches.flatten(1, 3)), 1) + positions
        for block in self.blocks:
            x = block(x)
        return x

    def pooled(self, video: Tensor) -> Tensor:
        """video (B, 3, T, H, W) → (B, embedding)"""
        embedding: Tensor = self.clip_projector(self.tokens(video))
        return embedding


class InternVideo2(Encoder):
    """The encoder with a classifier, as fine-tuned from stage 1. Other arguments are the encoder's."""

    def __init__(self, *, classes: int, embedding: int = 768, **encoder: Any) -> None:
        super().__init__(embedding=embedding, **encoder)
        self.fc_norm = nn.LayerNorm(embedding)
        self.head = nn.Linear(embedding, classes)

    def features(self, video: Tensor) -> Tensor:
        """video (B, 3, T, H, W) → (B, embedding), what the classifier is given"""
        features: Tensor = self.fc_norm(self.pooled(video))
        return features

    def forward(self, video: Tensor) -> Tensor:
        """video (B, 3, T, H, W), normalised → (B, classes) logits"""
        logits: Tensor = self.head(self.features(video))
        return logits

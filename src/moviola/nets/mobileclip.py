"""MobileCLIP's text encoder: a causal transformer over byte pairs (Vasu et al., arXiv 2311.17049).

Blocks normalise first; what the last token of a text has gathered, its end mark, is projected.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Self-attention to what came before."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv_proj(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.out_proj(attended.transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.pre_norm_mha = nn.Sequential(nn.LayerNorm(width), Attention(width, heads))
        # The third is the dropout of training, which the published names count.
        self.pre_norm_ffn = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Identity(),
            nn.Linear(4 * width, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.pre_norm_mha(x)
        out: Tensor = x + self.pre_norm_ffn(x)
        return out


class TextEncoder(nn.Module):
    """width, depth, heads: of the transformer. words: of the vocabulary. length: of a text, at most.
    out: numbers of an embedding. The defaults are MobileCLIP-B's.
    """

    def __init__(
        self,
        *,
        width: int = 512,
        depth: int = 12,
        heads: int = 8,
        words: int = 49408,
        length: int = 77,
        out: int = 512,
    ) -> None:
        super().__init__()
        self.embedding_layer = nn.Embedding(words, width)
        self.positions = nn.Parameter(torch.empty(1, length, width))
        self.transformer = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.final_layer_norm = nn.LayerNorm(width)
        self.projection_layer = nn.Parameter(torch.empty(width, out))
        nn.init.trunc_normal_(self.positions, std=width**-0.5)
        nn.init.trunc_normal_(self.projection_layer, std=width**-0.5)

    def forward(self, ids: Tensor) -> Tensor:
        """ids (N, L), L at most `length`; the highest of a row is its end mark → (N, out).

        What stands behind the end mark is not seen.
        """
        x = self.embedding_layer(ids) + self.positions[:, : ids.shape[1]]
        for block in self.transformer:
            x = block(x)
        x = self.final_layer_norm(x)
        out: Tensor = x[torch.arange(len(x), device=x.device), ids.argmax(-1)] @ self.projection_layer
        return out

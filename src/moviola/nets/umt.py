"""UMT, the vision encoder of VideoChat2: a plain vision transformer on all patches of a clip at once.

Taught by CLIP to fill in masked videos ("Unmasked Teacher", Li et al. 2023, arXiv 2303.16058). It has no
class token, and positions are a fixed table of sines and cosines. VideoChat2 (arXiv 2311.17005) leaves its
last block and its last norm out.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from moviola.nets.internvideo2 import Mlp, PatchEmbed, attended


def sines(count: int, width: int) -> Tensor:
    """(count, width) float32: at position p the sine and the cosine of p / 10000^(2i / width) in turn.

    The encoding of "Attention is all you need" (arXiv 1706.03762, 3.5), computed in float64.
    """
    rates = 10_000 ** (torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = torch.arange(count, dtype=torch.float64)[:, None] / rates
    return torch.stack((angles.sin(), angles.cos()), -1).flatten(1)[:, :width].float()


@lru_cache(maxsize=4)
def positions(frames: int, patches: int, width: int, trained: int) -> Tensor:
    """(frames × patches, width): the table of `trained` frames, resized to another number of frames.

    patches: of a frame. Linear in time, as the authors do it at test time. One frame is a picture, for which
    they take the first of the table's.
    """
    table = sines(trained * patches, width)
    if frames == trained:
        return table
    if frames == 1:
        return table[:patches]
    over_time = table.unflatten(0, (trained, patches)).permute(1, 2, 0)
    return functional.interpolate(over_time, size=frames, mode="linear").permute(2, 0, 1).flatten(0, 1)


class Attention(nn.Module):
    """Self-attention whose queries and values have a bias, and whose keys have none."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        out: Tensor = self.proj(attended(q + self.q_bias, k, v + self.v_bias, self.heads))
        return out


class Block(nn.Module):
    def __init__(self, width: int, heads: int, mlp: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, mlp, "none")

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class UMT(nn.Module):
    """The encoder. Entries of its checkpoint are under the authors' names.

    width, depth, heads: of the transformer; of UMT-L's 24 blocks VideoChat2 takes 23. mlp: hidden width.
    patch: pixels a side. frames: that the position table is for; any other number is taken too.
    """

    def __init__(
        self,
        *,
        width: int = 1024,
        depth: int = 23,
        heads: int = 16,
        mlp: int = 4096,
        patch: int = 16,
        frames: int = 4,
    ) -> None:
        super().__init__()
        self.width, self.frames = width, frames
        self.patch_embed = PatchEmbed(width, patch)
        self.blocks = nn.ModuleList(Block(width, heads, mlp) for _ in range(depth))

    def forward(self, video: Tensor) -> Tensor:
        """video (B, 3, T, H, W), normalised → (B, T × patches, width), frame by frame"""
        x = self.patch_embed(video)
        frames, rows, columns = x.shape[1:4]
        x = x.flatten(1, 3) + positions(frames, rows * columns, self.width, self.frames).to(x)
        for block in self.blocks:
            x = block(x)
        out: Tensor = x
        return out

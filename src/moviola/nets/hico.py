"""HiCo: the visual tokens of a clip, merged by likeness into a few.

Hierarchical compression as InternVideo2.5 and VideoChat-Flash have it (Wang et al., arXiv 2501.12386; Li et
al., arXiv 2501.00574), which merges as ToMe does (Bolya et al., arXiv 2210.09461): every second token looks
for the token between that is most like it, the likest pairs become one, and so on until few enough are left.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def joined(tokens: Tensor) -> Tensor:
    """Four neighbouring patches of a square picture as one token of four times the width (pixel shuffle).

    tokens (N, side², C), row by row → (N, side² / 4, 4 C). A token has, in this order, its upper left, upper
    right, lower left and lower right patch: InternVL's `ps_version` v2.
    """
    half = int(tokens.shape[1] ** 0.5) // 2
    cells: Tensor = tokens.unflatten(1, (half, 2, half, 2)).transpose(2, 3)
    return cells.flatten(3).flatten(1, 2)


def rounds(tokens: int, left: int) -> Iterator[int]:
    """How many tokens each round takes away until so many are `left`: half of them at most."""
    while tokens > left:
        taken = min(tokens - left, tokens // 2)
        yield taken
        tokens -= taken


def merged(tokens: Tensor, left: int, heads: int) -> Tensor:
    """tokens (N, L, C) → (N, left, C): each the mean of the tokens that went into it.

    heads: what is alike is told by the mean of so many equal parts of a token's width. Tokens do not stay in
    their order: after a round come first those of the even places that found no partner, the likest of them
    first, then those of the odd places.
    """
    sizes = torch.ones_like(tokens[..., :1])
    for taken in rounds(tokens.shape[1], left):
        tokens, sizes = _round(tokens, sizes, taken, heads)
    return tokens


def _round(tokens: Tensor, sizes: Tensor, taken: int, heads: int) -> tuple[Tensor, Tensor]:
    """sizes (N, L, 1): of how many tokens each is the mean already."""
    keys = tokens.unflatten(-1, (heads, -1)).mean(-2)
    keys = keys / keys.norm(dim=-1, keepdim=True)
    likeness, partner = (keys[:, ::2] @ keys[:, 1::2].mT).max(-1)
    order = likeness.argsort(-1, descending=True)
    going, staying = order[:, :taken, None], order[:, taken:, None]

    sums = torch.cat((tokens * sizes, sizes), -1)
    even, odd = sums[:, ::2], sums[:, 1::2]
    width = sums.shape[-1]
    goal = partner[..., None].gather(1, going).expand(-1, -1, width)
    odd = odd.scatter_add(1, goal, even.gather(1, going.expand(-1, -1, width)))
    sums = torch.cat((even.gather(1, staying.expand(-1, -1, width)), odd), 1)
    return sums[..., :-1] / sums[..., -1:], sums[..., -1:]

"""The Q-Former of BLIP-2 (Li et al. 2023, arXiv 2301.12597), told by a text what to look for.

A BERT whose first tokens are learnt queries. In every layer queries and text attend to one another, in every
second the queries alone then attend to what an encoder saw, and each of the two has a feed-forward layer of
its own. What becomes of the queries is what is seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from moviola.nets.internvideo2 import attended

_EPS = 1e-12
"""Of all norms, as in BERT."""


class Attention(nn.Module):
    """What tokens take from others, added to them and normalised. context: width of the others."""

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(context, width)
        self.value = nn.Linear(context, width)
        self.proj = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=_EPS)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        taken = attended(self.query(x), self.key(context), self.value(context), self.heads)
        out: Tensor = self.norm(self.proj(taken) + x)
        return out


class FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.norm = nn.LayerNorm(width, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.fc2(functional.gelu(self.fc1(x))) + x)
        return out


class Layer(nn.Module):
    """encoder_width: of what the queries look at here; None where they do not look."""

    def __init__(self, width: int, heads: int, mlp: int, encoder_width: int | None) -> None:
        super().__init__()
        self.attention = Attention(width, heads, width)
        self.looking = None if encoder_width is None else Attention(width, heads, encoder_width)
        self.query_mlp = FeedForward(width, mlp)
        self.text_mlp = FeedForward(width, mlp)

    def forward(self, queries: Tensor, text: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        together = torch.cat((queries, text), 1)
        together = self.attention(together, together)
        queries, text = together.split((queries.shape[1], text.shape[1]), 1)
        if self.looking is not None:
            queries = self.looking(queries, seen)
        return self.query_mlp(queries), self.text_mlp(text)


class QFormer(nn.Module):
    """encoder_width: of what is looked at. queries: how many, and so how many features come out.

    width, layers, heads, mlp (hidden width): of the BERT. looks: every so many layers the queries look, from
    the first. words, places: of the text's tables.
    """

    def __init__(
        self,
        *,
        encoder_width: int,
        queries: int = 32,
        width: int = 768,
        layers: int = 12,
        heads: int = 12,
        mlp: int = 3072,
        looks: int = 2,
        words: int = 30523,
        places: int = 512,
    ) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.empty(1, queries, width))
        nn.init.normal_(self.queries, std=0.02)
        self.words = nn.Embedding(words, width)
        self.places = nn.Embedding(places, width)
        self.norm = nn.LayerNorm(width, eps=_EPS)
        self.layers = nn.ModuleList(
            Layer(width, heads, mlp, None if number % looks else encoder_width) for number in range(layers)
        )

    def forward(self, seen: Tensor, text: Tensor) -> Tensor:
        """seen (B, N, encoder_width), text (L,) token ids, the same for all → (B, queries, width)"""
        words = self.words(text) + self.places.weight[: len(text)]
        queries: Tensor = self.norm(self.queries).expand(len(seen), -1, -1)
        told: Tensor = self.norm(words).expand(len(seen), -1, -1)
        for layer in self.layers:
            queries, told = layer(queries, told, seen)
        return queries


_RENAMED = [
    (re.compile(pattern), ours)
    for pattern, ours in (
        (r"embeddings\.word_embeddings\.", "words."),
        (r"embeddings\.position_embeddings\.", "places."),
        (r"embeddings\.LayerNorm\.", "norm."),
        (r"encoder\.layer\.(\d+)\.", r"layers.\1."),
        (r"crossattention\.", "looking."),
        (r"\.self\.", "."),
        (r"(attention|looking)\.output\.dense\.", r"\1.proj."),
        (r"(attention|looking)\.output\.LayerNorm\.", r"\1.norm."),
        (r"intermediate_query\.dense\.", "query_mlp.fc1."),
        (r"output_query\.dense\.", "query_mlp.fc2."),
        (r"output_query\.LayerNorm\.", "query_mlp.norm."),
        (r"intermediate\.dense\.", "text_mlp.fc1."),
        (r"(?<=\d\.)output\.dense\.", "text_mlp.fc2."),
        (r"(?<=\d\.)output\.LayerNorm\.", "text_mlp.norm."),
    )
]


def names(state: Mapping[str, Tensor], *queries: str, bert: str) -> dict[str, Tensor]:
    """A published Q-Former's entries under our names; all others are left out.

    queries: names of the entries that hold queries, in order; where one is missing there are none. bert: what
    the names of all else begin with.
    """
    named = {}
    if all(name in state for name in queries):
        named["queries"] = torch.cat([state[name] for name in queries], 1)
    for name, value in state.items():
        if not name.startswith(bert) or name.endswith("embeddings.position_ids"):
            continue
        ours = name.removeprefix(bert)
        for pattern, new in _RENAMED:
            ours = pattern.sub(new, ours)
        named[ours] = value
    return named

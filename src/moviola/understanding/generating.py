"""Draws the tokens of answers, one after the other, from what a network says comes next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from moviola.errors import ModelError
from moviola.understanding.speaker import Manner
from moviola.understanding.vision_language import VisionLanguage


def drawn(
    network: VisionLanguage, logits: Tensor, cache: Any, mask: Tensor | None, manner: Manner
) -> Iterator[Tensor]:
    """Tokens (B,) after a prompt that is in `cache`, step by step, until the consumer has enough.

    logits: (B, vocabulary) of the first. mask: of the prompt, as in `VisionLanguage.read`; grows by one token
    at each step. The newest token is in no cache yet: it is read when the next one is asked for.

    Raises ModelError where the network gives no numbers.
    """
    chance = torch.Generator().manual_seed(manner.seed) if manner.seed is not None else None
    nothing: list[Sequence[Any]] = [() for _ in range(len(logits))]
    while True:
        token = choose(logits, manner, chance)
        yield token
        if mask is not None:
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        logits = network.read(token[:, None], nothing, cache, mask)


def choose(logits: Tensor, manner: Manner, chance: torch.Generator | None = None) -> Tensor:
    """The next token of each row. logits: (B, vocabulary). Returns (B,) on the same device.

    Nucleus sampling is that of Holtzman et al. (arXiv 1904.09751): the smallest set of the likeliest tokens
    whose probabilities sum to `top_p` at least. Drawn on the CPU, so that a seed means the same everywhere.
    """
    if not bool(torch.isfinite(logits.amax(-1)).all()):
        raise ModelError("the model gave no numbers for the next word; try --dtype float32")
    if manner.temperature == 0:
        return logits.argmax(-1)
    shares = (logits.float() / manner.temperature).softmax(-1).cpu()
    if manner.top_p < 1:
        sorted_shares, order = shares.sort(dim=-1, descending=True)
        sorted_shares[sorted_shares.cumsum(-1) - sorted_shares >= manner.top_p] = 0
        shares = torch.zeros_like(shares).scatter(-1, order, sorted_shares)
    return torch.multinomial(shares, 1, generator=chance)[:, 0].to(logits.device)


class Speech:
    """The text of tokens as they come, as far as it can no longer change.

    decode: from all token ids of an answer to its text. stops: texts that end it and are no part of it.
    thoughts: text that ends what comes before the answer and is no part of it either; None: nothing does.
    """

    def __init__(
        self, decode: Callable[[list[int]], str], stops: Sequence[str] = (), thoughts: str | None = None
    ) -> None:
        self._decode = decode
        self._stops = stops
        self._thoughts = thoughts
        self._held_back = max((len(stop) - 1 for stop in stops), default=0)
        self._ids: list[int] = []
        self.text = ""
        """What was given out so far."""
        self.over = False
        """Whether one of the stops was said."""

    def add(self, token: int) -> str:
        """Take a token; returns what of the text is new and certain."""
        self._ids.append(token)
        whole = self._whole()
        if not self.over:
            # A character of several bytes is told once its last token is there.
            whole = whole[: len(whole) - self._held_back].rstrip("\ufffd")
        return self._told(whole)

    def end(self) -> str:
        """What was held back, as nothing more will come."""
        return self._told(self._whole())

    def _whole(self) -> str:
        whole = self._decode(self._ids)
        ends = [place for place in map(whole.find, self._stops) if place >= 0]
        self.over = bool(ends)
        if ends:
            whole = whole[: min(ends)]
        return whole if self._thoughts is None else whole.partition(self._thoughts)[2].lstrip("\n")

    def _told(self, text: str) -> str:
        new = text[len(self.text) :]
        self.text += new
        return new

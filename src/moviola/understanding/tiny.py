"""Small random checkpoints in the published layouts: they prove a family without its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
from torch import nn

from moviola.card import ModelCard
from moviola.weights.quiet import quiet

WIDTH = 32
"""Of every tiny language model."""


def saved(
    card: ModelCard,
    folder: Path,
    network: Any,
    processor: Any,
    parts: Mapping[str, nn.Module],
    **facts: Any,
) -> ModelCard:
    """Write network and processor as transformers does, and return the card that describes them.

    parts: the networks that the card's parts count, by name. facts: of `understanding`, where they
    differ.
    """
    with quiet():
        network.save_pretrained(str(folder), safe_serialization=True)
        processor.save_pretrained(str(folder))
    return described(card, parts, **facts)


def described(card: ModelCard, parts: Mapping[str, nn.Module], **facts: Any) -> ModelCard:
    """The card of a small checkpoint. parts, facts: as of `saved`."""
    assert card.understanding is not None
    counted = tuple(
        part.model_copy(update={"parameters": sum(p.numel() for p in parts[part.name].parameters())})
        for part in card.parts
    )
    return card.model_copy(
        update={"understanding": card.understanding.model_copy(update=facts), "parts": counted}
    )


def made(kind: Any, config: Any) -> Any:
    """A network of transformers with random weights that are the same each time.

    Of a language model left to transformers' own small initial weights all answers are alike; these are not.
    """
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(0)
        network = kind(config).eval()
        for parameter in network.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    return network


def bytes_tokenizer(kind: Any, *marks: str, **given: Any) -> Any:
    """A tokenizer of transformers whose pieces are single bytes. marks: special tokens beside them."""
    pieces = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    tokenizer = kind(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[], **given)
    tokenizer.add_special_tokens(
        {"additional_special_tokens": list(marks)}, replace_extra_special_tokens=False
    )
    return tokenizer


def converted(tokenizer: Any) -> Any:
    """The same with the marks that transformers' conversions of LLaVA's weights give it.

    They are special, and yet none of what transformers lists as a tokenizer's special tokens.
    """
    marks = (tokenizers.AddedToken(mark, special=True, normalized=False) for mark in ("<image>", "<video>"))
    tokenizer.add_tokens(list(marks), special_tokens=True)
    return tokenizer


def llama_tokenizer(words: Sequence[str]) -> Any:
    """A tokenizer of Llama's kind, with a space before each text: ASCII and a few words.

    Of the bytes that stand for all else there is only the end of a line: what a random network says would be
    no text.
    """
    special = ["<unk>", "<s>", "</s>"]
    single = ["<0x0A>", "\u2581", *map(chr, range(33, 127))]
    spaced = [f"\u2581{word}" for word in words]
    merges = dict.fromkeys((word[:end], word[end]) for word in spaced for end in range(1, len(word)))
    pieces = dict.fromkeys(special + single + ["".join(pair) for pair in merges])
    return transformers.LlamaTokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)}, merges=list(merges), add_bos_token=True
    )

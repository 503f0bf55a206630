"""Small random embedders in the published layouts: they prove a family's whole path without its weights."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from moviola.card import ModelCard
from moviola.recognition.checkpoint import save


def saved(
    card: ModelCard,
    folder: Path,
    network: Callable[[ModelCard], nn.Module],
    *,
    embedding: Mapping[str, Any],
    arguments: Mapping[str, Any],
    published: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]],
) -> ModelCard:
    """Write a random network of a small configuration, and return the card that describes it.

    embedding: what of the card's facts differs. arguments: of the network.
    published: from the network's names to those that its authors publish.
    """
    assert card.embedding is not None
    small = card.model_copy(
        update={"embedding": card.embedding.model_copy(update=embedding), "network": dict(arguments)}
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = network(small)
    save(published(made.state_dict()), folder / "model.safetensors", own=False)
    text = sum(weight.numel() for name, weight in made.named_parameters() if name.startswith("text_"))
    counts = {"text": text, "vision": sum(weight.numel() for weight in made.parameters()) - text}
    parts = tuple(part.model_copy(update={"parameters": counts[part.name]}) for part in card.parts)
    return small.model_copy(update={"parts": parts})


def clip_tokenizer(folder: Path) -> int:
    """Files of a CLIP tokenizer without a merged pair; returns how many tokens it knows."""
    letters = [*string.ascii_lowercase, *string.digits]
    names = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {name: number for number, name in enumerate(names)}
    transformers.CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)
    return len(names)


def bert_tokenizer(folder: Path) -> int:
    """Files of a BERT tokenizer that knows letters and digits; returns how many tokens it knows."""
    letters = [*string.ascii_lowercase, *string.digits]
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {name: number for number, name in enumerate(names)}
    transformers.BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    return len(names)

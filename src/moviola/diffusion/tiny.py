"""Small random networks in the published layouts, for checkpoints that prove a family without its weights.

Tokenizers are of the real classes, with every printable ASCII character as a piece.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers

from moviola.card import ModelCard
from moviola.diffusion.quiet import quiet

PIECES = string.ascii_letters + string.digits + string.punctuation
WIDTH = 32
"""Of every tiny text encoder's output."""


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Random weights that are the same each time; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def saved(
    pipeline: Any, folder: Path, card: ModelCard, *, limits: Mapping[str, Any], native: Mapping[str, Any]
) -> ModelCard:
    """Write a pipeline in the diffusers layout, as safetensors, and return the card that describes it.

    limits, native: what the tiny model has otherwise than the published one. Its parts are counted.
    """
    with quiet():
        pipeline.save_pretrained(str(folder), safe_serialization=True)
    assert card.native is not None
    parts = [
        part.model_copy(update={"parameters": _count(pipeline.components[part.name])}) for part in card.parts
    ]
    return card.model_copy(
        update={
            "limits": card.limits.model_copy(update=dict(limits)),
            "native": card.native.model_copy(update=dict(native)),
            "parts": tuple(parts),
        }
    )


def _count(network: Any) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def t5() -> tuple[Any, Any]:
    """Tokenizer and encoder as CogVideoX, LTX and Mochi have them."""
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0)]
    vocabulary += [(piece, -2.0) for piece in PIECES]
    tokenizer = transformers.T5Tokenizer(vocab=vocabulary, extra_ids=0)
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=WIDTH, d_kv=8, d_ff=37, num_layers=2, num_heads=4
    )
    return tokenizer, transformers.T5EncoderModel(config)

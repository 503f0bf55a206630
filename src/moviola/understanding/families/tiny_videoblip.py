"""A small random VideoBLIP as published: pickled weights, and settings of transformers 4.28."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn

from moviola.card import ModelCard
from moviola.understanding import tiny

_QUERIES = 4
_SIZE = {"height": 28, "width": 28}

_VISION = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "initializer_range": 0.02,
}
_LOOKING = {
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "vocab_size": 8,
}


def saved(card: ModelCard, folder: Path, *, decoder: bool) -> ModelCard:
    """Write the checkpoint, and return the card that describes it. decoder: whether the words are OPT's."""
    assert card.understanding is not None
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _of_opt() if decoder else _of_t5()
    tokenizer.save_pretrained(folder)
    transformers.BlipImageProcessor(size=_SIZE).save_pretrained(folder)
    # Room for the placeholder, which is not in the published vocabularies, as in theirs.
    words = _opt(len(tokenizer) + 8) if decoder else _t5(len(tokenizer) + 8)
    config: dict[str, Any] = {
        "vision_config": _VISION,
        "qformer_config": _LOOKING,
        "text_config": words,
        "num_query_tokens": _QUERIES,
    }
    network = tiny.made(transformers.Blip2ForConditionalGeneration, transformers.Blip2Config(**config))
    if not decoder:
        # Flan-T5 has words of its own to speak.
        head = network.language_model.lm_head
        head.weight = nn.Parameter(torch.randn(head.weight.shape, generator=torch.Generator().manual_seed(1)))
    torch.save(network.state_dict(), folder / "pytorch_model.bin")
    named = {"architectures": ["VideoBlipForConditionalGeneration"], "model_type": "blip-2"}
    (folder / "config.json").write_text(json.dumps(named | config, indent=2) + "\n")
    parts = {
        "vision": [*network.vision_model.parameters()],
        "qformer": [
            network.query_tokens,
            *network.qformer.parameters(),
            *network.language_projection.parameters(),
        ],
        "language": [*network.language_model.parameters()],
    }
    facts = {"video_tokens": _QUERIES, "layers": 2, "key_width": 32, "parameters_billions": None}
    return card.model_copy(
        update={
            "understanding": card.understanding.model_copy(update=facts),
            "parts": tuple(
                part.model_copy(update={"parameters": sum(each.numel() for each in parts[part.name])})
                for part in card.parts
            ),
        }
    )


def _of_opt() -> Any:
    ends = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}
    return tiny.bytes_tokenizer(transformers.GPT2Tokenizer, add_bos_token=True, **ends)


def _of_t5() -> Any:
    ends = [(mark, 0.0) for mark in ("<pad>", "</s>", "<unk>")]
    letters = [(letter, -2.0) for letter in ("\u2581", *map(chr, range(33, 127)))]
    return transformers.T5Tokenizer(vocab=ends + letters, extra_ids=0)


def _opt(words: int) -> dict[str, Any]:
    return {
        "model_type": "opt",
        "vocab_size": words,
        "hidden_size": tiny.WIDTH,
        "word_embed_proj_dim": tiny.WIDTH,
        "num_hidden_layers": 2,
        "ffn_dim": 48,
        "num_attention_heads": 2,
        "max_position_embeddings": 2048,
    }


def _t5(words: int) -> dict[str, Any]:
    return {
        "model_type": "t5",
        "vocab_size": words,
        "d_model": tiny.WIDTH,
        "d_kv": 16,
        "d_ff": 48,
        "num_layers": 2,
        "num_decoder_layers": 2,
        "num_heads": 2,
        "feed_forward_proj": "gated-gelu",
        "decoder_start_token_id": 0,
        "tie_word_embeddings": False,
    }

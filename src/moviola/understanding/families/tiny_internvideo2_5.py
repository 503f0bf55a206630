"""A small random InternVideo2.5 in the published layout, with a tokenizer of the published kind."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sentencepiece
from safetensors.torch import save_file
from torch import nn

from moviola.card import ModelCard
from moviola.understanding import tiny
from moviola.understanding.families.internvideo2_5 import CONTEXT, Network, published

_MARKS = ("<|im_end|>", "<|im_start|>", "<img>", "</img>", CONTEXT)

KNOWN = (
    "Frame1: what happens in the video? A dog runs over the meadow, and a man throws a ball.",
    "Describe this video in detail. How many people appear, and what do they do one after the other?",
)
"""Has the pieces of ordinary words; all else is spelt in bytes."""


def saved(card: ModelCard, folder: Path) -> ModelCard:
    """Write the checkpoint, and return the card that describes it."""
    assert card.understanding is not None
    folder.mkdir(parents=True, exist_ok=True)
    pieces = sentencepiece_model(folder / "tokenizer.model", KNOWN)
    tokenizer_config(folder, "InternLM2Tokenizer", _MARKS, pieces)
    vocabulary = pieces + len(_MARKS)
    config = configuration(vocabulary)
    per_frame = int(card.network["tokens"]) // 32  # of the 4 that a tiny frame has, and not all of them
    network = dict(card.network) | {"tokens": 4 * max(1, per_frame // 4)}
    made = tiny.made(lambda given: Network(given, **network), config)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    state = {name: value.contiguous() for name, value in published(made).items()}
    # A head that InternVideo2.5 was trained with, and that answers need not.
    state["track_embed.weight"] = nn.Linear(2, 2).weight.detach()
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    parts = {"vision": made.vision_model, "projector": made.mlp1, "language": made.language_model}
    facts = {
        "frames": 8,
        "min_frames": 4,
        "max_frames": 16,
        "frame_tokens": network["tokens"] // 4 + 9,
        "context": config["llm_config"]["max_position_embeddings"],
        "layers": 2,
        "key_width": 16,
        "parameters_billions": None,
        "scores": (),
    }
    return card.model_copy(
        update={
            "understanding": card.understanding.model_copy(update=facts),
            "network": network,
            "parts": tuple(
                part.model_copy(update={"parameters": sum(p.numel() for p in parts[part.name].parameters())})
                for part in card.parts
            ),
        }
    )


def configuration(vocabulary: int) -> dict[str, Any]:
    """In the words of the published `config.json`, whose other entries nothing depends on."""
    return {
        "architectures": ["InternVLChatModel"],
        "model_type": "internvl_chat",
        "template": "internvl2_5",
        "ps_version": "v2",
        "select_layer": -1,
        "downsample_ratio": 0.5,
        "force_image_size": 56,
        "vision_config": {
            "model_type": "intern_vit_6b",
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 24,
            "qkv_bias": True,
            "qk_normalization": False,
            "hidden_act": "gelu",
            "norm_type": "layer_norm",
            "layer_norm_eps": 1e-6,
            "image_size": 56,
            "patch_size": 14,
        },
        "llm_config": {
            "architectures": ["InternLM2ForCausalLM"],
            "model_type": "internlm2",
            "vocab_size": vocabulary,
            "hidden_size": tiny.WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "intermediate_size": 40,
            "hidden_act": "silu",
            "bias": False,
            "rms_norm_eps": 1e-5,
            "max_position_embeddings": 2048,
            "rope_theta": 1_000_000,
            "rope_scaling": {"type": "dynamic", "factor": 2.0},
            "tie_word_embeddings": False,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 2,
        },
    }


def sentencepiece_model(
    file: Path, texts: Sequence[str], *, marks: Sequence[str] = (), prefix: bool = False
) -> int:
    """Write a small SentencePiece model of pairs of letters, with bytes for all else; returns its pieces.

    marks: pieces that no text has. prefix: whether a space is put before each text.
    """
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=written,
        model_type="bpe",
        vocab_size=344,
        byte_fallback=True,
        num_threads=1,
        minloglevel=2,
        hard_vocab_limit=False,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        control_symbols=list(marks),
        add_dummy_prefix=prefix,
    )
    file.write_bytes(written.getvalue())
    return int(sentencepiece.SentencePieceProcessor(model_proto=written.getvalue()).get_piece_size())


def tokenizer_config(folder: Path, kind: str, marks: Sequence[str], first: int, **more: Any) -> None:
    """Special tokens as a published `tokenizer_config.json` says them. first: of the marks' numbers."""
    told = ("<unk>", "<s>", "</s>")
    numbered = list(enumerate(told)) + list(enumerate(marks, start=first))
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    config = {
        "tokenizer_class": kind,
        "added_tokens_decoder": {str(number): {"content": text} | flags for number, text in numbered},
        "additional_special_tokens": list(marks),
        "unk_token": "<unk>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "</s>",
        "clean_up_tokenization_spaces": False,
        "sp_model_kwargs": None,
        **more,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")

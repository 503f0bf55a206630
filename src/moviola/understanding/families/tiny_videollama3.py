"""A small random VideoLLaMA3 in its authors' layout."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor

from moviola.card import ModelCard
from moviola.understanding import tiny
from moviola.understanding.families.videollama3 import config_of, processor_in

_MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<|image_pad|>", "<|video_pad|>")

_PUBLISHED = (
    (re.compile(r"^model\.language_model\."), "model."),
    (re.compile(r"^model\.vision_model\."), "model.vision_encoder."),
    (re.compile(r"^model\.projector\."), "model.mm_projector."),
)
"""The names of transformers, and what the authors have for them."""


def saved(card: ModelCard, folder: Path) -> ModelCard:
    """Write the checkpoint, and return the card that describes it."""
    assert card.understanding is not None
    folder.mkdir(parents=True, exist_ok=True)
    ends = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    tokenizer = tiny.bytes_tokenizer(transformers.Qwen2Tokenizer, *_MARKS, **ends)
    tokenizer.save_pretrained(folder)
    _write(folder / "preprocessor_config.json", _PICTURES)
    config = _config(tokenizer, tied=card.id.endswith("-2b"))
    _write(folder / "config.json", config)
    processor = processor_in(folder, pruned=True)
    network = tiny.made(transformers.VideoLlama3ForConditionalGeneration, config_of(config, processor))
    # No trained network says a mark that stands for pictures.
    marks = tokenizer.convert_tokens_to_ids(list(_MARKS[3:]))
    with torch.no_grad():
        network.lm_head.weight[marks] = 0
    save_file(
        published(network.state_dict(), tied=config["tie_word_embeddings"]), folder / "model.safetensors"
    )
    seeing = [network.model.vision_model, network.model.projector]
    vision = sum(each.numel() for part in seeing for each in part.parameters())
    whole = sum(each.numel() for each in network.parameters())
    counted = {"vision": vision, "language": whole - vision}
    facts = {
        "frames": 8,
        "max_frames": 64,
        "context": 4096,
        "layers": 2,
        "key_width": 16,
        "parameters_billions": None,
        "scores": (),
    }
    return card.model_copy(
        update={
            "understanding": card.understanding.model_copy(update=facts),
            "parts": tuple(part.model_copy(update={"parameters": counted[part.name]}) for part in card.parts),
        }
    )


def published(state: Mapping[str, Tensor], *, tied: bool) -> dict[str, Tensor]:
    """Weights of transformers' network under the authors' names. tied: whether it speaks what it reads."""
    named = {}
    for name, value in state.items():
        if tied and name == "lm_head.weight":
            continue
        for pattern, theirs in _PUBLISHED:
            name = pattern.sub(theirs, name)
        named[name] = value.contiguous()
    return named


def _write(file: Path, facts: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(facts, indent=2) + "\n")


_PICTURES = {
    "auto_map": {"AutoProcessor": "processing_videollama3.Videollama3Qwen2Processor"},
    "image_processor_type": "Videollama3ImageProcessor",
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "min_tokens": 4,
    "max_tokens": 64,
    "patch_size": 14,
    "resample": 3,
}


def _config(tokenizer: Any, *, tied: bool) -> dict[str, Any]:
    return {
        "architectures": ["Videollama3Qwen2ForCausalLM"],
        "auto_map": {"AutoConfig": "configuration_videollama3.Videollama3Qwen2Config"},
        "model_type": "videollama3_qwen2",
        "vocab_size": len(tokenizer),
        "hidden_size": tiny.WIDTH,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "rope_theta": 1e6,
        "rope_scaling": None,
        "tie_word_embeddings": tied,
        "eos_token_id": tokenizer.eos_token_id,
        "image_token_index": tokenizer.convert_tokens_to_ids("<image>"),
        "mm_projector_type": "mlp2x_gelu",
        "use_token_compression": True,
        "vision_encoder": None,
        "vision_encoder_config": {
            "model_type": "videollama3_vision_encoder",
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "patch_size": 14,
        },
    }

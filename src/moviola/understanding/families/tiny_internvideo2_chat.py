"""A small random InternVideo2-Chat in the published layout, with a tokenizer of the published kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from moviola.card import ModelCard
from moviola.understanding import tiny
from moviola.understanding.families import tiny_videochat2
from moviola.understanding.families.internvideo2_chat import Network
from moviola.understanding.families.tiny_internvideo2_5 import KNOWN, sentencepiece_model, tokenizer_config

_MARKS = ("[INST]", "[/INST]")
_RANK, _ALPHA = 2, 4


def saved(card: ModelCard, folder: Path) -> ModelCard:
    """Write the checkpoint, and return the card that describes it."""
    assert card.understanding is not None
    folder.mkdir(parents=True, exist_ok=True)
    pieces = sentencepiece_model(folder / "tokenizer.model", KNOWN, marks=_MARKS, prefix=True)
    tokenizer_config(folder, "LlamaTokenizer", _MARKS, first=3, legacy=False)
    network = _sizes(card, pieces)
    made = tiny.made(lambda given: Network(**given), {part: network[part] for part in _NETWORKS})
    state = _published(made) | _adapters(made)
    save_file({name: value.contiguous() for name, value in state.items()}, folder / "model.safetensors")
    told = {"model_cls": "InternVideo2_VideoChat2", "model_config": {"llm": _LORA}}
    (folder / "config.json").write_text(json.dumps(told, indent=2) + "\n")
    parts = {
        "vision": [made.seeing.encoder, made.seeing.norm],
        "qformer": [made.seeing.qformer, made.seeing.proj],
        "language": [made.language],
    }
    facts = {
        "frames": 4,
        "max_frames": 8,
        "video_tokens": 3 * 6 if card.network["hd"] else 6,
        "context": 2048,
        "layers": 2,
        "key_width": 16,
        "scores": (),
    }
    return card.model_copy(
        update={
            "understanding": card.understanding.model_copy(update=facts),
            "network": network,
            "parts": tuple(
                part.model_copy(update={"parameters": sum(map(_count, parts[part.name]))})
                for part in card.parts
            ),
        }
    )


_NETWORKS = ("vision", "queries", "words")

_LORA = {
    "name": "mistral_7b",
    "pretrained_llm_path": "mistralai/Mistral-7B-Instruct-v0.3",
    "use_lora": True,
    "lora_r": _RANK,
    "lora_alpha": _ALPHA,
    "lora_dropout": 0.1,
}


def _sizes(card: ModelCard, pieces: int) -> dict[str, Any]:
    vision = {"width": 32, "depth": 2, "heads": 2, "mlp": 48, "frames": 4, "size": [28, 28]}
    words = {
        "vocab_size": pieces,
        "hidden_size": tiny.WIDTH,
        "intermediate_size": 40,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
    }
    return {
        "hd": card.network["hd"],
        "vision": {**card.network["vision"], **vision},
        "queries": {
            "queries": 6,
            "width": 24,
            "layers": 3,
            "heads": 2,
            "mlp": 32,
            "words": 20,
            "places": 12,
        },
        "words": {**card.network["words"], **words},
    }


def _published(network: Network) -> dict[str, Tensor]:
    told = {}
    for name, value in tiny_videochat2.published(network.seeing.state_dict(), "mistral").items():
        name = name.replace("vision_encoder.encoder.", "vision_encoder.").removesuffix(".gamma")
        told[name.replace("mistral_proj.", "project_up.")] = value
    back = nn.Linear(tiny.WIDTH, 24)
    told |= {f"project_down.{name}": value for name, value in back.state_dict().items()}
    adapted = {f"{name}.weight" for name, _ in _adapted(network)}
    for name, value in network.language.state_dict().items():
        told[_wrapped(name.replace(".weight", ".base_layer.weight") if name in adapted else name)] = value
    return told


def _wrapped(name: str) -> str:
    return f"lm.base_model.model.{name}"


def _adapted(network: Network) -> list[tuple[str, nn.Linear]]:
    """All linear layers of the language model, its head too."""
    return [(name, layer) for name, layer in network.language.named_modules() if isinstance(layer, nn.Linear)]


def _adapters(network: Network) -> dict[str, Tensor]:
    held = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for name, layer in _adapted(network):
            down, up = torch.randn(_RANK, layer.in_features), torch.randn(layer.out_features, _RANK)
            held[_wrapped(f"{name}.lora_A.default.weight")] = down / layer.in_features**0.5
            held[_wrapped(f"{name}.lora_B.default.weight")] = up / 64
    return held


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())

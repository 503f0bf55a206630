"""A small random VideoChat2 in the published layout, with tokenizers of the published kinds."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
from tokenizers import decoders, normalizers, processors
from torch import Tensor, nn

from moviola.card import ModelCard
from moviola.recognition.checkpoint import save
from moviola.understanding import tiny
from moviola.understanding.families.videochat2 import OBSERVE, PARTS, WATCH, bridge
from moviola.weights.quiet import quiet

_MARKS: Mapping[str, tuple[str, ...]] = {
    "mistral": (),
    "phi3": ("<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"),
}
_ADAPTED: Mapping[str, tuple[str, ...]] = {
    "mistral": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head"),
    "phi3": ("qkv_proj", "o_proj", "gate_up_proj", "down_proj", "lm_head"),
}
"""Layers that have adapters. PEFT 0.4 takes names by their end: `v_proj` is `qkv_proj` too."""

_RANK = 4

_BYTES = slice(3, 3 + 256)
"""Tokens that stand for bytes."""


def saved(card: ModelCard, folder: Path) -> ModelCard:
    """Write the checkpoint, in one folder for each of `PARTS`, and return the card that describes it."""
    assert card.understanding is not None
    kind = card.network["language"]
    own, base, bert = (folder / part for part in PARTS)
    with quiet():
        tokenizer = sentencepiece_like(_MARKS[kind])
        tokenizer.save_pretrained(str(base))
        _say_llama(base / "tokenizer_config.json")
        language = _language(kind, tokenizer)
        language.save_pretrained(str(base))
        words = bert_like(WATCH, OBSERVE)
        words.save_pretrained(str(bert))
    network: dict[str, Any] = {
        **card.network,
        "side": 32,
        "encoder": {"width": 32, "depth": 2, "heads": 2, "mlp": 48, "patch": 16},
        "qformer": {
            "queries": 6,
            "width": 24,
            "layers": 3,
            "heads": 2,
            "mlp": 32,
            "words": len(words),
            "places": 32,
        },
    }
    seeing = tiny.made(lambda given: bridge(given, tiny.WIDTH), network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        state = published(seeing.state_dict(), kind) | _adapters(language, kind)
    save(state, own / "model.safetensors", own=False)
    counted = {
        "vision": [seeing.encoder, seeing.norm],
        "qformer": [seeing.qformer, seeing.proj],
        "language": [language],
    }
    facts = {
        "frames": 4,
        "max_frames": 8,
        "video_tokens": 6 * (1 if card.network["tiles"] == 1 else 3),
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
                part.model_copy(update={"parameters": sum(map(_count, counted[part.name]))})
                for part in card.parts
            ),
        }
    )


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _language(kind: str, tokenizer: Any) -> Any:
    shape: dict[str, Any] = {
        "vocab_size": len(tokenizer) + 5,  # as Phi-3 has more rows than tokens
        "hidden_size": tiny.WIDTH,
        "intermediate_size": 40,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": None,
    }
    if kind == "mistral":
        config: Any = transformers.MistralConfig(sliding_window=None, **shape)
    else:
        config = transformers.Phi3Config(**shape)
    language = tiny.made(transformers.AutoModelForCausalLM.from_config, config)
    language.lm_head.weight.data[_BYTES] = 0  # bytes drawn at random are no text
    return language


def _adapters(language: Any, kind: str) -> dict[str, Tensor]:
    held = {}
    for name, module in language.named_modules():
        if isinstance(module, nn.Linear) and name.rpartition(".")[2] in _ADAPTED[kind]:
            layer = f"{kind.removesuffix('3')}_model.base_model.model.{name}"
            held[f"{layer}.lora_A.default.weight"] = torch.randn(_RANK, module.in_features) / _RANK
            up = torch.randn(module.out_features, _RANK) / 64
            if name == "lm_head":
                up[_BYTES] = 0
            held[f"{layer}.lora_B.default.weight"] = up
    return held


_BERT = (
    ("words.", "embeddings.word_embeddings."),
    ("places.", "embeddings.position_embeddings."),
    ("layers.", "encoder.layer."),
    (".looking.", ".crossattention."),
    (".query_mlp.fc1.", ".intermediate_query.dense."),
    (".query_mlp.fc2.", ".output_query.dense."),
    (".query_mlp.", ".output_query."),
    (".text_mlp.fc1.", ".intermediate.dense."),
    (".text_mlp.fc2.", ".output.dense."),
    (".text_mlp.", ".output."),
    ("attention.proj.", "attention.output.dense."),
    ("attention.norm.", "attention.output.norm."),
    *((f"attention.{part}.", f"attention.self.{part}.") for part in ("query", "key", "value")),
    (".norm.", ".LayerNorm."),
)
"""Our names of a Q-Former's entries, and its authors'; one after the other."""


def published(state: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """A bridge's entries under its authors' names."""
    told = {}
    for name, value in state.items():
        part, _, rest = name.partition(".")
        if rest == "queries":
            told["query_tokens"], told["extra_query_tokens"] = (
                half.clone() for half in value.split((2, 4), 1)
            )
        elif part == "encoder":
            told[f"vision_encoder.encoder.{rest}"] = value
        elif part == "norm":
            told[f"vision_layernorm.{rest}"] = value
        elif part == "proj":
            told[f"{kind.removesuffix('3')}_proj.{rest}"] = value
        elif rest.startswith("norm."):
            told[f"qformer.bert.embeddings.LayerNorm.{rest.removeprefix('norm.')}"] = value
        else:
            for ours, theirs in _BERT:
                rest = rest.replace(ours, theirs)
            told[f"qformer.bert.{rest}"] = value
    places = state["qformer.places.weight"]
    told["qformer.bert.embeddings.position_ids"] = torch.arange(len(places))[None]
    return told


def sentencepiece_like(marks: tuple[str, ...]) -> Any:
    """A tokenizer as `tokenizer.json` of Llama 2, Mistral and Phi-3 has it: a space before each text, letters
    as pieces, and bytes for all else. marks: special tokens, which swallow the white space behind them."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    pieces += string.ascii_letters + string.digits + string.punctuation
    cutter = tokenizers.Tokenizer(
        tokenizers.models.BPE(
            vocab={piece: number for number, piece in enumerate(pieces)},
            merges=[],
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    cutter.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    cutter.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    cutter.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    cutter.add_special_tokens(["<unk>", "<s>", "</s>"])
    cutter.add_special_tokens([tokenizers.AddedToken(mark, rstrip=True, normalized=False) for mark in marks])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=cutter, unk_token="<unk>", bos_token="<s>", eos_token=marks[0] if marks else "</s>"
    )


def _say_llama(file: Path) -> None:
    """As the published configurations do, though `tokenizer.json` says what is to be done."""
    config = json.loads(file.read_text())
    config |= {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False}
    file.write_text(json.dumps(config, indent=2) + "\n")


def bert_like(*texts: str) -> Any:
    """A tokenizer of BERT that knows the words of some texts."""
    words = sorted({word for text in texts for word in text.lower().replace(".", " .").split()})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    return transformers.BertTokenizer(vocab={word: number for number, word in enumerate(vocabulary)})

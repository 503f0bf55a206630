"""InternLM2 and 2.5: Llama by another name (Cai et al., arXiv 2403.17297), which transformers runs as such.

A checkpoint has queries, keys and values in one matrix, in groups: the queries that share a key, that key,
its value, then the next group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers.tokenization_utils_sentencepiece import SentencePieceBackend

_NAMES = (
    ("output.weight", "lm_head.weight"),
    (".tok_embeddings.", ".embed_tokens."),
    (".attention_norm.", ".input_layernorm."),
    (".ffn_norm.", ".post_attention_layernorm."),
    (".attention.wo.", ".self_attn.o_proj."),
    (".feed_forward.w1.", ".mlp.gate_proj."),
    (".feed_forward.w3.", ".mlp.up_proj."),
    (".feed_forward.w2.", ".mlp.down_proj."),
)
"""Published, and Llama's."""


def configured(config: Mapping[str, Any]) -> transformers.LlamaConfig:
    """Llama's configuration from a published InternLM2's.

    `rope_scaling` of type dynamic stretches positions only beyond `max_position_embeddings`.
    """
    scaling = config.get("rope_scaling") or {"type": "default"}
    rope = {"rope_type": scaling["type"], "rope_theta": float(config["rope_theta"])}
    if "factor" in scaling:
        rope["factor"] = float(scaling["factor"])
    return transformers.LlamaConfig(
        vocab_size=config["vocab_size"],
        hidden_size=config["hidden_size"],
        intermediate_size=config["intermediate_size"],
        num_hidden_layers=config["num_hidden_layers"],
        num_attention_heads=config["num_attention_heads"],
        num_key_value_heads=config["num_key_value_heads"],
        hidden_act=config["hidden_act"],
        max_position_embeddings=config["max_position_embeddings"],
        rms_norm_eps=config["rms_norm_eps"],
        rope_parameters=rope,
        attention_bias=config["bias"],
        tie_word_embeddings=config["tie_word_embeddings"],
        bos_token_id=config["bos_token_id"],
        eos_token_id=config["eos_token_id"],
        pad_token_id=config["pad_token_id"],
    )


def renamed(name: str, value: Tensor, config: transformers.LlamaConfig) -> Iterator[tuple[str, Tensor]]:
    """An entry of an InternLM2 checkpoint as what a Llama has."""
    for theirs, ours in _NAMES:
        name = name.replace(theirs, ours)
    if ".attention.wqkv." not in name:
        yield name, value
        return
    groups: Any = config.num_key_value_heads
    queries = config.num_attention_heads // groups
    # A bias has no second dimension, and is split as the rows of a weight are.
    grouped = value.unflatten(0, (groups, queries + 2, -1))
    parts = {"q": grouped[:, :queries], "k": grouped[:, -2], "v": grouped[:, -1]}
    for part, rows in parts.items():
        into = name.replace(".attention.wqkv.", f".self_attn.{part}_proj.")
        yield into, rows.reshape(-1, *value.shape[1:])


def published(state: Mapping[str, Tensor], config: transformers.LlamaConfig) -> dict[str, Tensor]:
    """The other way round: a Llama's entries as an InternLM2 checkpoint has them."""
    groups: Any = config.num_key_value_heads
    told: dict[str, Tensor] = {}
    for name, value in state.items():
        if ".self_attn.k_proj." in name or ".self_attn.v_proj." in name:
            continue
        if ".self_attn.q_proj." in name:
            rows = [
                state[name.replace("q_proj", part)].unflatten(0, (groups, -1, config.head_dim))
                for part in ("q_proj", "k_proj", "v_proj")
            ]
            value = torch.cat(rows, 1).flatten(0, 2)
            name = name.replace(".self_attn.q_proj.", ".attention.wqkv.")
        for theirs, ours in _NAMES:
            name = name.replace(ours, theirs)
        told[name] = value
    return told


class InternLM2Tokenizer(SentencePieceBackend):
    """The published one, which is code beside the checkpoint: SentencePiece, with `<s>` before a text."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["sp_model_kwargs"] = kwargs.get("sp_model_kwargs") or {}
        super().__init__(special_tokens_pattern="bos", **kwargs)  # type: ignore[no-untyped-call]

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """By SentencePiece itself, which joins the bytes of a character that is no piece."""
        text: str = self.sp_model.decode(tokens)
        return text

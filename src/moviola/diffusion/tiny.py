"""Small random networks in the published layouts, for checkpoints that prove a family without its weights.

Tokenizers are of the real classes, with every printable ASCII character as a piece.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import tokenizers
import torch
import transformers

from moviola.card import ModelCard
from moviola.weights.quiet import quiet

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

    limits, native: what the tiny model has otherwise than the published one. Its parts are counted; what a
    pass of the published ones costs is left out.
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
            "denoiser": None,
            "codec": None,
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


_LLAMA_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"
"""How Llama 3 cuts a text into words, short of English contractions."""


def llama(known: str, *marks: str) -> tuple[Any, Any]:
    """Tokenizer and configuration of Llama 3's kind. known: a text whose every word is one token.

    marks: special tokens beside the text's begin and its padding.
    """
    begin, padding = "<|begin_of_text|>", "<pad>"
    cutter = tokenizers.Tokenizer(tokenizers.models.BPE())
    cutter.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Split(tokenizers.Regex(_LLAMA_WORDS), "isolated"),
            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    cutter.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=10_000,
        special_tokens=[begin, padding, *marks],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    cutter.train_from_iterator([known], trainer)
    cutter.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, 0)]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=cutter, bos_token=begin, pad_token=padding, padding_side="right"
    )
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=37,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=None,
        pad_token_id=tokenizer.pad_token_id,
    )
    return tokenizer, config


def qwen2() -> tuple[Any, Any]:
    """Tokenizer, with the chat template of its family, and text model of Qwen2.5-VL."""
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    tokenizer = transformers.Qwen2Tokenizer(
        vocab={letter: index for index, letter in enumerate(letters)}, merges=[], padding_side="right"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    config = transformers.Qwen2_5_VLTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=37,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6, "mrope_section": [1, 1, 2]},
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=tokenizer.pad_token_id,
    )
    return tokenizer, transformers.Qwen2_5_VLTextModel(config)


def byt5() -> tuple[Any, Any]:
    """Tokenizer and encoder of ByT5, which reads bytes."""
    tokenizer = transformers.ByT5Tokenizer()
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=WIDTH, d_kv=8, d_ff=37, num_layers=2, num_heads=4
    )
    return tokenizer, transformers.T5EncoderModel(config)


def siglip(side: int) -> tuple[Any, Any]:
    """Image processor and vision model of SigLIP, for pictures of `side` pixels in 2 × 2 patches."""
    config = transformers.SiglipVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=side,
        patch_size=side // 2,
    )
    processor = transformers.SiglipImageProcessor(size={"height": side, "width": side})
    return processor, transformers.SiglipVisionModel(config)


def umt5() -> tuple[Any, Any]:
    """Tokenizer and encoder as Wan and what is built on it have them."""
    tokenizer, _ = t5()
    config = transformers.UMT5Config(
        vocab_size=len(tokenizer), d_model=WIDTH, d_kv=8, d_ff=37, num_layers=2, num_heads=4
    )
    return tokenizer, transformers.UMT5EncoderModel(config)


CLIP_TOKENS = 5
"""Of a picture in `clip_vision`: 2 × 2 patches and one for the whole."""


def clip_vision() -> tuple[Any, Any]:
    """Processor and encoder of pictures as Wan 2.1 has them."""
    side = {"height": 32, "width": 32}
    processor = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=side)
    config = transformers.CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=37,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=32,
        patch_size=16,
    )
    return processor, transformers.CLIPVisionModel(config)


WAN: Mapping[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "text_dim": WIDTH,
    "freq_dim": 16,
    "ffn_dim": 32,
    "num_layers": 2,
    "rope_max_seq_len": 1024,
}
"""What every denoiser built as Wan's shares."""


def wan_vae(*, strided: bool = False) -> Any:
    """Wan's codec of 4 × 8 × 8 pixels in its own channels; `strided` that of 4 × 16 × 16 in few."""
    common: dict[str, Any] = {"base_dim": 4, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}
    if strided:
        common |= {
            "is_residual": True,
            "in_channels": 12,
            "out_channels": 12,
            "patch_size": 2,
            "scale_factor_spatial": 16,
            "z_dim": 4,
            "latents_mean": [-0.3, -0.1, 0.1, 0.3],
            "latents_std": [0.4, 0.6, 0.8, 1.2],
        }
    return diffusers.AutoencoderKLWan(**common)


def wan_schedule() -> Any:
    return diffusers.UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )


def clip_text(*, projected: bool = False) -> tuple[Any, Any]:
    """Tokenizer and text model of CLIP, with its projection as Stable Diffusion XL has the second."""
    pieces = ["<|startoftext|>", "<|endoftext|>", *(piece + end for end in ("", "</w>") for piece in PIECES)]
    tokenizer = transformers.CLIPTokenizer(
        vocab={piece: index for index, piece in enumerate(pieces)}, merges=[], model_max_length=77
    )
    config = transformers.CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=37,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    kind = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
    return tokenizer, kind(config)


def gemma3() -> tuple[Any, Any]:
    """Tokenizer and model of Gemma 3, the one that also sees, of which LTX-2 reads the text's states."""
    words = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *PIECES)
    tokenizer = transformers.GemmaTokenizer(
        vocab={word: index for index, word in enumerate(words)}, merges=[], add_bos_token=True
    )
    text = transformers.Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        sliding_window=8,
    )
    vision = transformers.SiglipVisionConfig(
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
    )
    config = transformers.Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
    return tokenizer, transformers.Gemma3ForConditionalGeneration(config)

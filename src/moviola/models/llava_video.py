"""LLaVA-Video (arXiv 2410.02713): LLaVA-OneVision trained on videos, told when each frame is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from moviola.card import ModelCard, Part, Score, Understanding, Weights
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from moviola.understanding.vision_language import Dialect, VisionLanguage

_PAPER = "https://arxiv.org/abs/2410.02713"
_QIANWEN = (
    "Apache-2.0; its language model is under the Tongyi Qianwen LICENSE AGREEMENT (commercial up to 100 "
    "million users a month)"
)
_SIGLIP = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 26,
    "num_attention_heads": 16,
    "image_size": 384,
    "patch_size": 14,
}
"""SigLIP-SO400M without its last layer."""


def _card(
    size: str,
    vision: int,
    language: int,
    layers: int,
    key_width: int,
    licence: str,
    scores: tuple[float, ...],
    **facts: str,
) -> ModelCard:
    billions = round((vision + language) / 1e9, 3)
    return ModelCard(
        id=f"llava-video-{size.lower()}",
        tasks=("ask", "caption"),
        summary=f"Questions about videos, told the times of 64 frames, with Qwen2-{size}, {billions:.3g} B.",
        licence=licence,
        extra="local",
        understanding=Understanding(
            frames=64,
            max_frames=128,
            frame_tokens=210,
            context=32_768,
            timed=True,
            layers=layers,
            key_width=key_width,
            parameters_billions=billions,
            scores=tuple(
                Score(benchmark=name, value=value, setting=setting, source=_PAPER)
                for (name, setting), value in zip(_BENCHMARKS, scores, strict=True)
            ),
        ),
        weights=(Weights(repo=f"lmms-lab/LLaVA-Video-{size}-Qwen2"),),
        network=_SIGLIP,
        parts=(
            Part(name="vision", parameters=vision, role="image"),
            Part(name="language", parameters=language, role="text"),
        ),
        source=_PAPER,
        facts={
            "pooling": "as the checkpoint's config.json says; where that is bilinear a frame takes 14 rows "
            "of 15 tokens. The authors' command for evaluation takes the mean instead, 13 rows of 14 tokens",
            "times": "a video counts as lasting up to the end of the stretch that is looked at, so that all "
            "times are those of its own clock",
            "prompt": "as in the authors' training; their example leaves out the line end before the times",
            "data": "the authors point to OpenAI's terms of use for what it was trained on",
            **facts,
        },
    )


_BENCHMARKS: tuple[tuple[str, str | None], ...] = (
    ("ActivityNet-QA", None),
    ("EgoSchema", None),
    ("MLVU", "M-Avg"),
    ("MVBench", None),
    ("NExT-QA", "multiple choice"),
    ("PerceptionTest", "validation"),
    ("LongVideoBench", "validation"),
)

CARDS: tuple[ModelCard, ...] = (
    _card(
        "72B",
        474_318_368,
        72_706_203_648,
        80,
        1024,
        _QIANWEN,
        (63.4, 65.6, 74.4, 64.1, 85.4, 74.3, 61.9),
        packing="the paper's scores are those of a packing with two of three frames in fewer tokens",
    ),
    _card(
        "7B",
        414_732_320,
        7_615_616_512,
        28,
        512,
        "Apache-2.0, its language model too",
        (56.5, 57.3, 70.8, 58.6, 83.2, 67.9, 58.2),
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(card: ModelCard, setup: Setup) -> Model:
    from moviola.understanding.build import speaker

    def network() -> VisionLanguage:
        from moviola.understanding.families.llava_video import read_from

        assert setup.plan is not None, f"{card.id} is loaded without a plan"
        return read_from(setup.folders[0], setup.plan, _dialect(), card.network)

    return speaker(card, setup, network)


def _dialect() -> Dialect:
    from moviola.understanding.families.qwen import chatml

    return chatml(system="You are a helpful assistant.")


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import safetensors.torch
    import torch
    import transformers

    from moviola.understanding import tiny
    from moviola.understanding.families.llava_video import placeholders

    marks = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    tokenizer = tiny.bytes_tokenizer(transformers.Qwen2Tokenizer, *marks, eos_token="<|im_end|>")
    tokenizer.save_pretrained(str(folder))
    language: dict[str, Any] = {
        "hidden_size": tiny.WIDTH,
        "intermediate_size": 48,
        "max_position_embeddings": 32_768,
        "num_attention_heads": 4,
        "num_hidden_layers": 3,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1e6,
        "tie_word_embeddings": False,
        "vocab_size": len(tokenizer) + 5,
    }
    ours = {
        "add_faster_video": False,
        "add_time_instruction": True,
        "architectures": ["LlavaQwenForCausalLM"],
        "mm_newline_position": "grid",
        "mm_patch_merge_type": "spatial_unpad",
        "mm_spatial_pool_mode": "bilinear",
        "mm_vision_tower": "google/siglip-so400m-patch14-384",
        "model_type": "llava",
    }
    (folder / "config.json").write_text(json.dumps(language | ours))
    vision: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "image_size": 42,
        "patch_size": 14,
    }
    config = transformers.LlavaOnevisionConfig(
        text_config=transformers.Qwen2Config(**language),
        vision_config=transformers.SiglipVisionConfig(vision_use_head=False, **vision),
        **placeholders(tokenizer),
    )
    network = tiny.made(transformers.LlavaOnevisionForConditionalGeneration, config)
    state = {_published(name): value.contiguous() for name, value in network.state_dict().items()}
    safetensors.torch.save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    model = network.model
    counted = {
        "vision": torch.nn.ModuleList([model.vision_tower, model.multi_modal_projector]),
        "language": torch.nn.ModuleList([model.language_model, network.lm_head]),
    }
    return tiny.described(card, counted, max_frames=64, frames=8, context=8192).model_copy(
        update={"network": vision}
    )


def _published(name: str) -> str:
    """What an entry of transformers' LLaVA-OneVision is called in the published checkpoints."""
    for ours, theirs in (
        ("model.vision_tower.", "model.vision_tower.vision_tower.vision_model."),
        ("model.multi_modal_projector.linear_1.", "model.mm_projector.0."),
        ("model.multi_modal_projector.linear_2.", "model.mm_projector.2."),
        ("model.language_model.", "model."),
    ):
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name

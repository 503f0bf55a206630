"""LLaVA-OneVision (arXiv 2408.03326): 196 tokens for a frame, read by Qwen2."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from moviola.card import ModelCard, Part, Score, Understanding, Weights
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from moviola.understanding.library import Build

_PAPER = "https://arxiv.org/abs/2408.03326"
_LATER = "https://arxiv.org/abs/2410.02713"
_APACHE = "Apache-2.0, its language model too"
_QIANWEN = (
    "Apache-2.0; its language model is under the Tongyi Qianwen LICENSE AGREEMENT (commercial up to 100 "
    "million users a month)"
)


def _card(
    size: str,
    vision: int,
    language: int,
    layers: int,
    key_width: int,
    *,
    chat: bool = False,
    licence: str = _APACHE,
    scores: tuple[Score, ...] = (),
) -> ModelCard:
    billions = round((vision + language) / 1e9, 3)
    tuned = "; tuned on preferences" if chat else ""
    return ModelCard(
        id=f"llava-onevision-{size.lower()}{'-chat' if chat else ''}",
        tasks=("ask", "caption"),
        summary=f"Questions about videos from 32 frames, with Qwen2-{size}, {billions:.3g} B{tuned}.",
        licence=licence,
        extra="local",
        understanding=Understanding(
            frames=32,
            max_frames=128,
            frame_tokens=196,
            context=32_768,
            videos=8,
            layers=layers,
            key_width=key_width,
            parameters_billions=billions,
            scores=scores,
        ),
        weights=(
            Weights(repo=f"llava-hf/llava-onevision-qwen2-{size.lower()}-ov{'-chat' if chat else ''}-hf"),
        ),
        parts=(
            Part(name="vision", parameters=vision, role="image"),
            Part(name="language", parameters=language, role="text"),
        ),
        dtype="float16",
        source=_PAPER,
        facts={
            "prompt": "as in the authors' code and in transformers' conversion of the weights; transformers' "
            "own tests have a template without system prompt and without line ends between turns",
            "frames": "trained and tested with 32 at most; the context holds 160",
            "data": "the authors point to OpenAI's terms of use for what it was trained on",
        },
    )


def _scores(*values: tuple[str, float, str | None], source: str = _LATER) -> tuple[Score, ...]:
    return tuple(
        Score(benchmark=name, value=value, setting=setting, source=source) for name, value, setting in values
    )


CARDS: tuple[ModelCard, ...] = (
    _card("7B", 414_732_320, 7_616_075_264, 28, 512, chat=True),
    _card("72B", 474_318_368, 72_707_252_224, 80, 1024, chat=True, licence=_QIANWEN),
    _card("0.5B", 399_585_440, 494_090_112, 24, 128),
    _card(
        "7B",
        414_732_320,
        7_616_075_264,
        28,
        512,
        scores=_scores(
            ("ActivityNet-QA", 56.6, None),
            ("EgoSchema", 60.1, None),
            ("MLVU", 64.7, "M-Avg"),
            ("MVBench", 56.7, None),
            ("NExT-QA", 79.4, "multiple choice"),
            ("PerceptionTest", 57.1, None),
            ("LongVideoBench", 56.5, None),
        )
        + _scores(("Video-MME", 58.2, "without subtitles; quoted by others"), source=_PAPER),
    ),
    _card(
        "72B",
        474_318_368,
        72_707_252_224,
        80,
        1024,
        licence=_QIANWEN,
        scores=_scores(
            ("ActivityNet-QA", 62.3, None),
            ("EgoSchema", 62.0, None),
            ("MLVU", 68.0, "M-Avg"),
            ("MVBench", 59.4, None),
            ("NExT-QA", 80.2, "multiple choice"),
            ("PerceptionTest", 66.9, None),
            ("LongVideoBench", 61.3, None),
        )
        + _scores(("Video-MME", 66.2, "without subtitles; quoted by others"), source=_PAPER),
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(card: ModelCard, setup: Setup) -> Model:
    from moviola.understanding.build import load

    return load(card, setup, _build)


def _build() -> Build:
    from moviola.understanding.families.qwen import chatml
    from moviola.understanding.library import Build

    return Build(
        network="LlavaOnevisionForConditionalGeneration",
        dialect=chatml(system="You are a helpful assistant.", video="{video}\n"),
    )


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import torch
    import transformers

    from moviola.understanding import tiny

    marks = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    tokenizer = tiny.converted(
        tiny.bytes_tokenizer(transformers.Qwen2Tokenizer, *marks, eos_token="<|im_end|>")
    )
    config = transformers.LlavaOnevisionConfig(
        text_config=transformers.Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=tiny.WIDTH,
            intermediate_size=48,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
        ),
        vision_config=transformers.SiglipVisionConfig(
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=42,
            patch_size=14,
            vision_use_head=False,
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
    )
    # The published processors have SigLIP's statistics, not the CLIP's that are their classes' own.
    how: dict[str, Any] = {
        "size": {"height": 42, "width": 42},
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    processor = transformers.LlavaOnevisionProcessor(
        transformers.LlavaOnevisionImageProcessor(**how),
        tokenizer,
        transformers.LlavaOnevisionVideoProcessor(**how),
        num_image_tokens=9,
        vision_feature_select_strategy="full",
    )
    network = tiny.made(transformers.LlavaOnevisionForConditionalGeneration, config)
    model = network.model
    parts = {
        "vision": torch.nn.ModuleList([model.vision_tower, model.multi_modal_projector]),
        "language": torch.nn.ModuleList([model.language_model, network.lm_head]),
    }
    return tiny.saved(card, folder, network, processor, parts, max_frames=64, frames=8, context=4096)

"""Qwen2.5-VL (arXiv 2502.13923): time as one of the three axes of rotary positions, in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from moviola.card import ModelCard, Part, Score, Understanding, Weights
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from torch import Tensor

    from moviola.understanding.library import Build

_REPORT = "https://arxiv.org/abs/2502.13923"
_RESEARCH = "Qwen RESEARCH LICENSE AGREEMENT (no commercial use)"
_QWEN = "Qwen LICENSE AGREEMENT (commercial up to 100 million users a month, named as built with Qwen)"


def _card(
    size: str,
    vision: int,
    language: int,
    layers: int,
    key_width: int,
    licence: str = "Apache-2.0",
    scores: tuple[Score, ...] = (),
) -> ModelCard:
    repo = f"Qwen/Qwen2.5-VL-{size}-Instruct"
    billions = round((vision + language) / 1e9, 3)
    return ModelCard(
        id=f"qwen2.5-vl-{size.lower()}",
        tasks=("ask", "caption"),
        summary=f"Questions about videos, told the seconds between frames, {billions:.3g} B.",
        licence=licence,
        commercial=licence != _RESEARCH,
        extra="local",
        understanding=Understanding(
            frames=64,
            fps=2.0,
            min_frames=4,
            max_frames=768,
            group=2,
            frame_tokens=360,
            context=32_768,
            videos=8,
            layers=layers,
            key_width=key_width,
            parameters_billions=billions,
            scores=scores,
        ),
        weights=(Weights(repo=repo),),
        parts=(
            Part(name="vision", parameters=vision, role="image"),
            Part(name="language", parameters=language, role="text"),
        ),
        source=_REPORT,
        facts={
            "context": "trained with 32768 tokens; the model cards advise against stretching them with YaRN",
            "pixels": "4 × 28 × 28 to 768 × 28 × 28 a frame; 24576 tokens for all frames of a video at most, "
            "as in the authors' evaluation and their advice for qwen-vl-utils, whose own default is 115200",
            "times": "frames count as equally far apart; an uneven choice is told as its mean, and no prompt "
            "says when the first is shown",
        },
    )


def _scores(*values: tuple[str, float, str]) -> tuple[Score, ...]:
    return tuple(
        Score(benchmark=name, value=value, setting=setting, source=_REPORT) for name, value, setting in values
    )


CARDS: tuple[ModelCard, ...] = (
    _card(
        "3B",
        668_684_288,
        3_085_938_688,
        36,
        256,
        _RESEARCH,
        scores=_scores(("Video-MME", 61.5, "without subtitles")),
    ),
    _card(
        "7B",
        676_550_144,
        7_615_616_512,
        28,
        512,
        scores=_scores(("Video-MME", 65.1, "without subtitles"), ("Video-MME", 71.6, "with subtitles")),
    ),
    _card("32B", 688_841_984, 32_763_876_352, 64, 1024),
    _card(
        "72B",
        704_573_696,
        72_706_203_648,
        80,
        1024,
        _QWEN,
        scores=_scores(
            ("Video-MME", 73.3, "without subtitles"),
            ("Video-MME", 79.1, "with subtitles"),
            ("MVBench", 70.4, "quoted by others"),
            ("LVBench", 47.3, "quoted by others"),
            ("MLVU", 74.6, "quoted by others"),
            ("EgoSchema", 76.2, "quoted by others"),
        ),
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(card: ModelCard, setup: Setup) -> Model:
    from moviola.understanding.build import load

    return load(card, setup, _build)


def _build() -> Build:
    from transformers.image_utils import SizeDict

    from moviola.understanding.families.qwen import chatml
    from moviola.understanding.library import Build, dynamic

    return Build(
        network="Qwen2_5_VLForConditionalGeneration",
        dialect=chatml(system="You are a helpful assistant.", video="<|vision_start|>{video}<|vision_end|>"),
        kept=("video_grid_thw", "second_per_grid_ts"),
        # The published preprocessor_config.json is one for pictures; videos went through qwen-vl-utils. It
        # takes 0.9 of these tokens, for two frames each, for all frames together.
        settings={
            "size": SizeDict(shortest_edge=4 * 28 * 28, longest_edge=768 * 28 * 28),
            "cap_pixels_per_frame": True,
            "max_video_tokens": 24_576 / 0.9,
        },
        fit=dynamic,
        prepare=_timed,
    )


def _timed(processor: Any, pictures: Any, metadata: Any, **given: Any) -> tuple[str, Mapping[str, Tensor]]:
    """With the seconds from one pair of frames to the next, as `Qwen2_5_VLProcessor` tells them."""
    import torch

    from moviola.understanding.library import as_video

    text, inputs = as_video(processor, pictures, metadata, **given)
    seconds = processor.video_processor.temporal_patch_size / metadata.sampled_fps
    return text, {**inputs, "second_per_grid_ts": torch.tensor([seconds])}


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import transformers

    from moviola.understanding import tiny
    from moviola.understanding.families import qwen

    tokenizer = qwen.tiny_tokenizer(transformers.Qwen2Tokenizer)
    config = partial(
        transformers.Qwen2_5_VLConfig,
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": tiny.WIDTH,
            "intermediate_size": 48,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [1, 1, 2]},
        },
        vision_config={
            "depth": 3,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "out_hidden_size": tiny.WIDTH,
            "fullatt_block_indexes": [2],
            "tokens_per_second": 2,
        },
    )
    pictures = transformers.Qwen2VLImageProcessor(min_pixels=3136, max_pixels=12845056)
    processor = transformers.Qwen2_5_VLProcessor(
        pictures, tokenizer, transformers.Qwen2VLVideoProcessor(min_pixels=3136, max_pixels=12845056)
    )
    network = qwen.tiny_network(transformers.Qwen2_5_VLForConditionalGeneration, config, tokenizer)
    parts = {"vision": network.model.visual, "language": network.model.language_model}
    return tiny.saved(card, folder, network, processor, parts, max_frames=64, frames=8, context=4096)

"""InternVL3 (arXiv 2504.10479) and InternVL3.5 (arXiv 2508.18265): a video is a row of numbered pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from moviola.card import ModelCard, Part, Score, Understanding, Weights
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from torch import Tensor

    from moviola.understanding.library import Build

_REPORTS = {"3": "https://arxiv.org/abs/2504.10479", "3.5": "https://arxiv.org/abs/2508.18265"}
_300M = 304_012_288
"""InternViT-300M-448px-V2.5."""
_6B = 5_536_496_000
"""InternViT-6B-448px-V2.5."""
_QWEN = "Qwen LICENSE AGREEMENT (commercial up to 100 million users a month, named as built with Qwen)"


@dataclass(frozen=True, slots=True)
class _Size:
    """version: 3 or 3.5. size: as it is published. eye, projector, language: parameters.

    layers, key_width: of the language model. billions: published parameters; None where they are rounded by
    more than 1 %, or count otherwise. scores: Video-MME without and with subtitles, MVBench, MLVU,
    LongVideoBench.
    """

    version: str
    size: str
    eye: int
    projector: int
    language: int
    layers: int
    key_width: int
    billions: float | None
    scores: tuple[float, float, float, float, float]


_SIZES = (
    _Size("3", "1B", _300M, 4_482_816, 629_697_920, 24, 128, None, (51.0, 53.0, 63.1, 53.0, 48.1)),
    _Size("3", "2B", _300M, 8_662_016, 1_776_283_136, 28, 256, None, (58.9, 61.4, 70.4, 64.2, 55.4)),
    _Size("3", "8B", _300M, 27_540_480, 7_612_820_992, 28, 512, None, (66.3, 68.9, 75.4, 71.4, 58.8)),
    _Size("3", "14B", _300M, 47_204_352, 14_766_040_064, 48, 1024, 15.1, (70.4, 73.0, 76.6, 73.3, 63.9)),
    _Size("3", "38B", _6B, 91_786_240, 32_759_882_752, 64, 1024, 38.4, (72.7, 75.0, 76.9, 77.8, 67.3)),
    _Size("3", "78B", _6B, 172_008_448, 72_699_813_888, 80, 1024, 78.4, (72.7, 75.7, 78.7, 79.5, 65.7)),
    _Size("3.5", "1B", _300M, 5_253_120, 751_632_384, 28, 1024, 1.06, (52.4, 55.0, 61.0, 56.6, 53.0)),
    _Size("3.5", "2B", _300M, 12_595_200, 2_031_739_904, 28, 1024, None, (58.4, 61.9, 65.9, 64.4, 57.4)),
    _Size("3.5", "4B", _300M, 17_052_672, 4_411_424_256, 36, 1024, 4.7, (65.4, 68.6, 71.2, 70.4, 60.8)),
    _Size("3.5", "8B", _300M, 33_570_816, 8_190_735_360, 36, 1024, 8.5, (66.0, 68.6, 72.1, 70.2, 62.1)),
    _Size("3.5", "14B", _300M, 47_204_352, 14_768_307_200, 40, 1024, 15.1, (67.9, 71.0, 72.8, 72.1, 62.7)),
    _Size("3.5", "38B", _6B, 91_786_240, 32_762_123_264, 64, 1024, 38.4, (70.9, 74.2, 75.0, 77.0, 65.7)),
    _Size("3.5", "30B-A3B", _300M, 12_595_200, 30_532_122_624, 48, 512, 30.8, (68.7, 71.8, 72.1, 73.0, 63.8)),
    _Size(
        "3.5", "241B-A28B", _6B, 69_239_808, 235_093_634_560, 94, 512, 240.7, (72.9, 76.0, 76.5, 78.2, 67.1)
    ),
)


def _card(size: _Size) -> ModelCard:
    later = size.version == "3.5"
    vision = size.eye + size.projector
    billions = (vision + size.language) / 1e9
    active = f", {size.size.partition('-A')[2]} of them at a time" if "-A" in size.size else ""
    facts: dict[str, Any] = {
        "language": ("qwen3_moe" if active else "qwen3") if later else "qwen2",
        "pixels": "448 × 448, whatever the shape of the video: one tile for each frame",
        "times": "no prompt says when a frame is shown, only which one of them it is",
        "system": "the published template writes no system prompt; the authors' own code, which is not in "
        "transformers, wrote one of one line in Chinese",
        "frames": "8 to 32 in training of InternVL3.5; the reports tested with 16, 32, 48 and 64",
    }
    if later:
        facts["answers"] = (
            "it thinks before it answers where --system holds the authors' words for that; the thoughts are "
            "then part of the answer"
        )
        licence = "Apache-2.0"
    else:
        facts["positions"] = "V2PE with a step of 1, as in transformers; smaller steps are for longer prompts"
        facts["parameters"] = (
            "with the head, which is stored apart; the report rounds otherwise for 2B and 8B"
        )
        licence = f"MIT; its language model {_QWEN if size.size == '78B' else 'Apache-2.0'}"
        if size.size != "78B":
            facts["licence"] = (
                "the model cards name the Qwen License for the language model, while Qwen2.5 of this size is "
                "itself published under Apache-2.0"
            )
    return ModelCard(
        id=f"internvl{size.version}-{size.size.lower()}",
        tasks=("ask", "caption"),
        summary=f"Questions about videos as numbered pictures, {billions:.3g} B{active}.",
        licence=licence,
        extra="local",
        understanding=Understanding(
            frames=32,
            max_frames=64,
            # 256 features, 2 marks around them, and "Frame12: " and a line's end, which are 6.
            frame_tokens=264,
            context=32_768,
            videos=8,
            layers=size.layers,
            key_width=size.key_width,
            parameters_billions=size.billions,
            scores=_scores(size),
        ),
        weights=(
            Weights(
                repo=f"OpenGVLab/InternVL3_5-{size.size}-HF"
                if later
                else f"OpenGVLab/InternVL3-{size.size}-hf"
            ),
        ),
        parts=(
            Part(name="vision", parameters=vision, role="image"),
            Part(name="language", parameters=size.language, role="text"),
        ),
        source=_REPORTS[size.version],
        facts=facts,
    )


def _scores(size: _Size) -> tuple[Score, ...]:
    best = "best of 16, 32, 48 and 64 frames"
    settings = (
        ("Video-MME", f"without subtitles; {best}"),
        ("Video-MME", f"with subtitles; {best}"),
        ("MVBench", "16 frames"),
        ("MLVU", f"M-Avg; {best}"),
        ("LongVideoBench", f"validation; {best}"),
    )
    return tuple(
        Score(benchmark=benchmark, value=value, setting=setting, source=_REPORTS[size.version])
        for (benchmark, setting), value in zip(settings, size.scores, strict=True)
    )


CARDS: tuple[ModelCard, ...] = tuple(map(_card, _SIZES))


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(card: ModelCard, setup: Setup) -> Model:
    from moviola.understanding.build import load

    return load(card, setup, _build)


def _build() -> Build:
    from moviola.understanding.families.qwen import chatml
    from moviola.understanding.library import Build

    return Build(
        network="InternVLForConditionalGeneration",
        dialect=chatml(video="{video}\n"),
        modality="image",
        prepare=_as_pictures,
    )


def _as_pictures(
    processor: Any, pictures: Tensor, metadata: Any, **given: Any
) -> tuple[str, Mapping[str, Tensor]]:
    """A video's frames as pictures (N, 3, 448, 448), which is what `InternVLProcessor` makes of them."""
    from moviola.understanding.library import as_video

    text, inputs = as_video(processor, pictures, metadata, **given)
    return text, {"pixel_values": inputs["pixel_values_videos"].flatten(0, 1)}


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import transformers
    from torch import nn

    from moviola.understanding import tiny

    marks = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokenizer = tiny.bytes_tokenizer(
        transformers.Qwen2Tokenizer,
        "<|im_start|>",
        "<|im_end|>",
        eos_token="<|im_end|>",
        extra_special_tokens=marks,
    )
    text = {
        "model_type": card.facts["language"],
        "vocab_size": len(tokenizer),
        "hidden_size": tiny.WIDTH,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "tie_word_embeddings": False,
    }
    if card.facts["language"] != "qwen2":
        text["head_dim"] = 8
    if card.facts["language"] == "qwen3_moe":
        text |= {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    large = card.parts[0].parameters > 2 * _300M
    config = transformers.InternVLConfig(
        text_config=text,
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": [28, 28],
            "patch_size": [7, 7],
            "attention_bias": not large,
            "use_qk_norm": large,
            "norm_type": "rms_norm" if large else "layer_norm",
        },
        image_seq_length=4,
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        tie_word_embeddings=False,
    )
    sizes: dict[str, Any] = {
        "size": {"height": 28, "width": 28},
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    processor = transformers.InternVLProcessor(
        transformers.GotOcr2ImageProcessor(**sizes),
        tokenizer,
        transformers.InternVLVideoProcessor(**sizes),
        image_seq_length=4,
    )
    network = tiny.made(transformers.InternVLForConditionalGeneration, config)
    model = network.model
    parts = {
        "vision": nn.ModuleList([model.vision_tower, model.multi_modal_projector]),
        "language": nn.ModuleList([model.language_model, network.lm_head]),
    }
    return tiny.saved(card, folder, network, processor, parts, max_frames=64, frames=8, context=4096)

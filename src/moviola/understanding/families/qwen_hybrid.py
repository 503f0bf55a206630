"""Qwen3.5 and what came after it: language and vision trained as one, three of four layers with linear
attention (Gated DeltaNet, arXiv 2412.06464)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from moviola.card import ModelCard, Part, Score, Understanding, Weights

DENSE, MIXTURE = "Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForConditionalGeneration"


@dataclass(frozen=True, slots=True)
class Size:
    """vision, language: parameters. keys: numbers of the keys of one of the layers that keep any."""

    network: str
    vision: int
    language: int
    layers: int
    keys: int


SIZES = {
    "0.8B": Size(DENSE, 100_592_896, 752_393_024, 24, 512),
    "2B": Size(DENSE, 331_416_576, 1_881_825_088, 24, 512),
    "4B": Size(DENSE, 333_514_240, 4_205_751_296, 32, 1024),
    "9B": Size(DENSE, 456_010_480, 8_953_803_264, 32, 1024),
    "27B": Size(DENSE, 460_730_096, 26_895_998_464, 64, 1024),
    "35B-A3B": Size(MIXTURE, 446_571_248, 34_660_610_688, 40, 512),
    "122B-A10B": Size(MIXTURE, 451_290_864, 122_111_526_912, 48, 512),
    "397B-A17B": Size(MIXTURE, 456_010_480, 396_346_350_336, 60, 512),
}
"""The same from one version to the next."""

_BENCHMARKS = {
    "mme": ("Video-MME", "thinking, without subtitles"),
    "mme_subtitles": ("Video-MME", "thinking, with subtitles"),
    "mmmu": ("VideoMMMU", "thinking"),
    "mlvu": ("MLVU", "thinking, M-Avg"),
    "mvbench": ("MVBench", "thinking"),
    "lvbench": ("LVBench", "thinking"),
}


def card(version: str, size: str, **scores: float) -> ModelCard:
    """version: 3.5 … scores: as the authors' model cards say."""
    repo = f"Qwen/Qwen{version}-{size}"
    source = f"https://huggingface.co/{repo}"
    made = SIZES[size]
    billions = round((made.vision + made.language) / 1e9, 3)
    active = f", {size.partition('-A')[2]} of them at a time" if "-A" in size else ""
    return ModelCard(
        id=f"qwen{version}-{size.lower()}",
        tasks=("ask", "caption"),
        summary=f"Questions about long videos, told the times of the frames, {billions:.3g} B{active}.",
        licence="Apache-2.0",
        extra="local",
        understanding=Understanding(
            frames=64,
            fps=2.0,
            min_frames=4,
            max_frames=768,
            group=2,
            frame_tokens=187,
            context=262_144,
            timed=True,
            videos=8,
            layers=made.layers,
            key_width=made.keys // 4,
            parameters_billions=billions,
            scores=tuple(
                Score(benchmark=benchmark, value=scores[name], setting=setting, source=source)
                for name, (benchmark, setting) in _BENCHMARKS.items()
                if name in scores
            ),
        ),
        weights=(Weights(repo=repo),),
        parts=(
            Part(name="vision", parameters=made.vision, role="image"),
            Part(name="language", parameters=made.language, role="text"),
        ),
        source=source,
        facts={
            "network": made.network,
            "layers": "every fourth keeps keys and values; key_width is their mean over all layers",
            "published": "the files hold one more layer, for multi-token prediction, which is not loaded",
            "pixels": "768 × 32 × 32 a frame and 25165824 a video at most (video_preprocessor_config.json); "
            "for long videos the authors advise up to 469762048",
            "times": "vision_start and vision_end stand around each two frames and not around the whole "
            "video, as in transformers 4.57; those from 5.10 on have a second pair around the video",
            "thinking": "scores are of answers that were thought over, which needs -O thinking=true; from 4B "
            "on that is the authors' default",
        },
    )


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    """As a family's `tiny`."""
    import transformers

    from moviola.understanding.families import qwen
    from moviola.understanding.tiny import WIDTH, saved

    tokenizer = qwen.tiny_tokenizer(transformers.Qwen3_5Tokenizer)
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": WIDTH,
        "intermediate_size": 48,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 1e7,
            "partial_rotary_factor": 0.25,
            "mrope_section": [2, 1, 1],
            "mrope_interleaved": True,
        },
    }
    experts = {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16,
    }
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "out_hidden_size": WIDTH,
        "num_position_embeddings": 16,
    }
    name = card.facts["network"]
    kind: Any = transformers.Qwen3_5MoeConfig if name == MIXTURE else transformers.Qwen3_5Config
    text |= experts if name == MIXTURE else {}
    config = partial(kind, text_config=text, vision_config=vision)
    size = {"shortest_edge": 4096, "longest_edge": 64 * 32 * 32}
    processor = transformers.Qwen3VLProcessor(
        transformers.Qwen2VLImageProcessor(size=size),
        tokenizer,
        transformers.Qwen3VLVideoProcessor(size=size),
    )
    network = qwen.tiny_network(getattr(transformers, name), config, tokenizer)
    parts = {"vision": network.model.visual, "language": network.model.language_model}
    return saved(card, folder, network, processor, parts, max_frames=64, frames=8, context=4096)

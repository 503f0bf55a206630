"""InternVideo2-Chat: InternVideo2-1B, a Q-Former and Mistral-7B (Wang et al. 2024, arXiv 2403.15377)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from moviola.card import ModelCard, Part, Score, Understanding, Weights
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from moviola.understanding.vision_language import VisionLanguage

_SOURCE = "huggingface.co/OpenGVLab/InternVideo2_chat_8B_HD, README.md"

_VISION: dict[str, Any] = {
    "width": 1408,
    "depth": 39,
    "heads": 16,
    "mlp": 6144,
    "patch": 14,
    "frames": 8,
    "size": [224, 224],
    "gelu": "none",
}

_MISTRAL: dict[str, Any] = {
    "vocab_size": 32_768,
    "hidden_size": 4096,
    "intermediate_size": 14_336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 32_768,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
}
"""Mistral-7B-Instruct-v0.3, by whose configuration the authors' code builds it."""

_FACTS = {
    "network": "checked against the authors' code with random weights; the weights themselves, and the "
    "tokenizer beside them, could not be had",
    "gelu": "the exact one, as in the authors' code for this checkpoint; their fused one has the tanh form",
    "instruction": "the Q-Former is told nothing, as in the authors' examples",
    "system": "stands before all else, as their code puts an instruction",
    "beginning": "`<s>` stands before the text behind a video again: so their code reads a prompt",
    "frames": "8; the positions of others are interpolated, as there",
    "siblings": "no card for InternVideo2_Chat_8B_InternLM2_5, whose code could not be seen",
}


def _card(
    id: str, repo: str, summary: str, scores: tuple[float, float], *, hd: bool, **facts: str
) -> ModelCard:
    """scores: on MVBench and Video-MME without subtitles."""
    return ModelCard(
        id=f"internvideo2-chat-{id}",
        tasks=("ask", "caption"),
        summary=summary,
        licence="MIT; its language model, Mistral-7B-Instruct-v0.3, is Apache-2.0",
        extra="local",
        understanding=Understanding(
            frames=8,
            max_frames=64,
            video_tokens=3 * 96 if hd else 96,
            context=32_768,
            layers=32,
            key_width=1024,
            scores=tuple(
                Score(benchmark=name, value=value, setting=setting, source=_SOURCE)
                for (name, setting), value in zip(
                    (("MVBench", None), ("Video-MME", "without subtitles")), scores, strict=True
                )
            ),
        ),
        network={"hd": hd, "vision": _VISION, "queries": {"queries": 96}, "words": _MISTRAL},
        weights=(
            Weights(
                repo=repo,
                files=("*.safetensors", "config.json", "tokenizer*", "special_tokens_map.json"),
                gated=True,
            ),
        ),
        parts=(
            Part(name="vision", parameters=988_782_336, role="image"),
            Part(name="qformer", parameters=188_883_712, role="other"),
            Part(name="language", parameters=7_248_023_552, role="text"),
        ),
        source=f"https://huggingface.co/{repo}",
        facts=_FACTS | facts,
    )


CARDS: tuple[ModelCard, ...] = (
    _card(
        "8b",
        "OpenGVLab/InternVideo2-Chat-8B",
        "Questions about short videos, in 96 tokens: InternVideo2-1B, a Q-Former and Mistral-7B.",
        (60.3, 41.9),
        hd=False,
        pixels="scaled to 224 on the shorter side, with antialiasing, as torchvision does from 0.17 on; then "
        "cut to the middle",
    ),
    _card(
        "8b-hd",
        "OpenGVLab/InternVideo2_chat_8B_HD",
        "Questions about short videos, seen in two tiles and as a whole: InternVideo2-1B, a Q-Former and "
        "Mistral-7B.",
        (65.4, 46.1),
        hd=True,
        pixels="two tiles side by side, whatever a video's shape, and the whole, as in the authors' example",
        sixteen="67.5 and 49.4 are published for 16 frames, of a checkpoint that is not",
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(card: ModelCard, setup: Setup) -> Model:
    from moviola.understanding.build import speaker

    def network() -> VisionLanguage:
        from moviola.understanding.families.internvideo2_chat import InternVideo2Chat

        assert setup.plan is not None, f"{card.id} is loaded without a plan"
        return InternVideo2Chat.read_from(card, setup.folders[0], setup.plan)

    return speaker(card, setup, network)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    from moviola.understanding.families import tiny_internvideo2_chat

    return tiny_internvideo2_chat.saved(card, folder)

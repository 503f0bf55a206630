"""VideoChat2: a video encoder and a Q-Former before a language model (Li et al. 2023, arXiv 2311.17005)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from moviola.card import ModelCard, Part, Score, Understanding, Weights
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from moviola.understanding.vision_language import VisionLanguage

_SOURCE = "OpenGVLab/Ask-Anything@4dd8210, video_chat2/README.md"

_BENCHMARKS = (
    ("MVBench", None),
    ("Video-MME", "without subtitles"),
    ("Video-MME", "with subtitles"),
    ("NExT-QA", "whose training part it was trained with"),
    ("STAR", "32 frames"),
    ("TVQA", None),
    ("EgoSchema", "all of it"),
    ("IntentQA", "whose training part it was trained with; its test"),
)


@dataclass(frozen=True, slots=True)
class _Language:
    """A language model. bridge: parameters of the Q-Former with the projection to its width."""

    name: str
    repo: str
    licence: str
    gated: bool
    parameters: int
    bridge: int
    context: int
    key_width: int


_MISTRAL = _Language(
    name="mistral",
    repo="mistralai/Mistral-7B-Instruct-v0.2",
    licence="MIT; its language model, Mistral-7B-Instruct-v0.2, is Apache-2.0",
    gated=True,
    parameters=7_241_732_096,
    bridge=185_344_768,
    context=32_768,
    key_width=1024,
)
_PHI3 = _Language(
    name="phi3",
    repo="microsoft/Phi-3-mini-128k-instruct",
    licence="MIT, as its language model, Phi-3-mini-128k-instruct",
    gated=False,
    parameters=3_821_079_552,
    bridge=184_557_312,
    context=131_072,
    key_width=3072,
)

_FACTS = {
    "times": "told in the words of training; the notebooks that measured the scores leave them out",
    "instruction": "of the Q-Former: that of the authors' demos, whatever is asked; their measurements give "
    "it the benchmark's own",
    "length": "tuned on texts of up to 512 tokens; the context is the language model's",
    "siblings": "no card for VideoChat2 on Vicuna (MVBench 51.1): its language model is Vicuna-7B v0, of "
    "which only the differences to LLaMA's weights are published, and those are not",
    "weights": "could not be had: network, names and prompts are checked against the authors' code",
}
_CROPPED = "scaled to 224 pixels on the shorter side and cut to the middle, as in the authors' demo"


def _card(
    id: str,
    told: str,
    language: _Language,
    repo: str,
    scores: tuple[float | None, ...],
    *,
    statistics: str,
    tiles: int = 1,
    **facts: str,
) -> ModelCard:
    """scores: on `_BENCHMARKS`. statistics: by which pixels are normalised. tiles: of a frame at most."""
    return ModelCard(
        id=f"videochat2-{id}",
        tasks=("ask", "caption"),
        summary=told,
        licence=language.licence,
        extra="local",
        understanding=Understanding(
            frames=16,
            max_frames=32,
            # At 1280 × 720 HD sees two tiles and the whole.
            video_tokens=96 if tiles == 1 else 3 * 96,
            context=language.context,
            timed=True,
            layers=32,
            key_width=language.key_width,
            scores=tuple(
                Score(benchmark=name, value=value, setting=setting, source=_SOURCE)
                for (name, setting), value in zip(_BENCHMARKS, scores, strict=True)
                if value is not None
            ),
        ),
        network={"language": language.name, "statistics": statistics, "side": 224, "tiles": tiles},
        weights=(
            Weights(repo=repo, files=("*.pth",)),
            Weights(
                repo=language.repo,
                files=("model*.safetensors", "model.safetensors.index.json", "config.json", "token*.json"),
                gated=language.gated,
            ),
            Weights(repo="google-bert/bert-base-uncased", files=("tokenizer*.json", "vocab.txt")),
        ),
        parts=(
            Part(name="vision", parameters=290_479_104, role="image"),
            Part(name="qformer", parameters=language.bridge, role="other"),
            Part(name="language", parameters=language.parameters, role="text"),
        ),
        source=f"https://huggingface.co/{repo}",
        facts=_FACTS | facts,
    )


CARDS: tuple[ModelCard, ...] = (
    _card(
        "mistral",
        "Questions about short videos, in 96 tokens: UMT-L, a Q-Former and Mistral-7B.",
        _MISTRAL,
        "OpenGVLab/VideoChat2_stage3_Mistral_7B",
        (60.4, 42.3, 54.6, 78.6, 63.8, 46.4, 54.4, 81.9),
        statistics="clip",
        pixels=f"{_CROPPED}; normalised by CLIP's mean and deviation as there, in training by ImageNet's",
    ),
    _card(
        "hd-mistral",
        "Questions about short videos, each frame seen in up to six tiles: UMT-L, a Q-Former and Mistral-7B.",
        _MISTRAL,
        "OpenGVLab/VideoChat2_HD_stage4_Mistral_7B",
        (62.3, 45.3, 55.7, 79.5, 63.9, 50.6, 55.8, 83.4),
        statistics="imagenet",
        tiles=6,
        misquoted="54.8 on Video-MME, which is an earlier figure with subtitles",
        pixels="up to 6 tiles as in training and in the measurements; the demo's video is cut into up to 12",
        repository="the same with code of its own is OpenGVLab/VideoChat2_HD_stage4_Mistral_7B_hf",
    ),
    _card(
        "phi3",
        "Questions about short videos, in 96 tokens: UMT-L, a Q-Former and Phi-3-mini.",
        _PHI3,
        "OpenGVLab/VideoChat2_stage3_Phi3",
        (55.1, None, None, 73.1, 63.3, 40.1, 56.7, 71.6),
        statistics="imagenet",
        pixels=f"{_CROPPED}; normalised by ImageNet's mean and deviation as there and in training",
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(card: ModelCard, setup: Setup) -> Model:
    """A checkpoint of one's own is a folder that holds the folders videochat2, language and bert."""
    from moviola.understanding.build import speaker

    def network() -> VisionLanguage:
        from moviola.understanding.families.videochat2 import PARTS, VideoChat2

        assert setup.plan is not None, f"{card.id} is loaded without a plan"
        folders = setup.folders
        if setup.own:
            folders = tuple(folders[0] / part for part in PARTS)
        return VideoChat2.read_from(card, folders, setup.plan)

    return speaker(card, setup, network)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    from moviola.understanding.families import tiny_videochat2

    return tiny_videochat2.saved(card, folder)

"""VideoLLaMA3 (arXiv 2501.13106): videos in tokens of which those are left out where nothing changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from moviola.card import ModelCard, Part, Score, Understanding, Weights
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from moviola.understanding.vision_language import VisionLanguage

_SOURCE = "https://github.com/DAMO-NLP-SG/VideoLLaMA3"

_FACTS = {
    "licence": "Apache-2.0 stands on code, weights and Qwen2.5; the authors' README says beside it that the "
    "service is a research preview for non-commercial use only, subject to the terms of OpenAI and Gemini, "
    "of whose answers the data were made",
    "layout": "that of the authors' own code, which is not run: names and settings are read into the network "
    "that transformers has. Converted for it are VideoLLaMA3-2B-Image and -7B-Image alone "
    "(lkhl/VideoLLaMA3-2B-Image-HF), which lack the training on videos; --weights takes them too",
    "sampling": "one frame a second and 180 at most, as in the authors' examples and measurements; the 4 at "
    "least are of transformers",
    "pixels": "16384 tokens of 28 × 28 pixels for all frames of a video; in the authors' code for those of "
    "all videos of a question",
    "pruning": "a token is left out where its pixels, from -1 to 1, differ in the mean from those of the "
    "frame before by 0.1 of 255 or less; the authors reckon it in bfloat16, here it is float32",
    "tokens": "as many as where everything moves, when frames are counted before they are seen",
    "context": "that of the configuration; in training texts had up to 16384 tokens, 10240 of them of videos",
    "attention": "each frame is seen for itself, as in the authors' code with FlashAttention; without it "
    "frames see each other there, by mistake",
    "weights": "could not be had: network, names, prompts and pruning are checked against the authors' code",
}

_BENCHMARKS: tuple[tuple[str, str | None], ...] = (
    ("MVBench", None),
    ("Video-MME", "without subtitles"),
    ("Video-MME", "with subtitles"),
    ("EgoSchema", "test"),
    ("PerceptionTest", "test"),
    ("ActivityNet-QA", None),
    ("MLVU", "dev"),
    ("LongVideoBench", "validation"),
    ("LVBench", None),
    ("TempCompass", None),
    ("NExT-QA", None),
    ("Charades-STA", "mIoU"),
)


def _card(
    size: str, words: str, vision: int, language: int, key_width: int, scores: tuple[float, ...]
) -> ModelCard:
    """words: which Qwen2.5 speaks. vision, language: parameters. scores: on `_BENCHMARKS`."""
    return ModelCard(
        id=f"videollama3-{size.lower()}",
        tasks=("ask", "caption"),
        summary=f"Questions about long videos, told the times of the frames; still pictures take few tokens; "
        f"SigLIP and {words}.",
        licence="Apache-2.0; the authors' README asks for non-commercial use",
        commercial=False,
        extra="local",
        understanding=Understanding(
            frames=180,
            fps=1.0,
            min_frames=4,
            max_frames=180,
            frame_tokens=93,
            context=32_768,
            timed=True,
            videos=4,
            layers=28,
            key_width=key_width,
            parameters_billions=round((vision + language) / 1e9, 3),
            scores=tuple(
                Score(benchmark=name, value=value, setting=setting, source=_SOURCE)
                for (name, setting), value in zip(_BENCHMARKS, scores, strict=True)
            ),
        ),
        weights=(
            Weights(
                repo=f"DAMO-NLP-SG/VideoLLaMA3-{size}",
                files=("*.safetensors", "*.json", "merges.txt"),
            ),
        ),
        parts=(
            Part(name="vision", parameters=vision, role="image"),
            Part(name="language", parameters=language, role="text"),
        ),
        source=_SOURCE,
        facts=_FACTS,
    )


CARDS: tuple[ModelCard, ...] = (
    _card(
        "2B",
        "Qwen2.5-1.5B",
        416_279_280,
        1_543_714_304,
        256,
        (65.5, 59.6, 63.4, 58.5, 68.0, 58.2, 65.4, 57.1, 40.4, 63.4, 81.1, 55.5),
    ),
    _card(
        "7B",
        "Qwen2.5-7B",
        429_128_432,
        7_615_616_512,
        512,
        (69.7, 66.2, 70.3, 63.3, 72.8, 61.3, 73.0, 59.8, 43.7, 68.1, 84.5, 60.7),
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(card: ModelCard, setup: Setup) -> Model:
    from moviola.understanding.build import speaker

    def network() -> VisionLanguage:
        from moviola.understanding.families.videollama3 import read_from

        assert setup.plan is not None, f"{card.id} is loaded without a plan"
        return read_from(setup.folders[0], setup.plan)

    return speaker(card, setup, network)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    from moviola.understanding.families import tiny_videollama3

    return tiny_videollama3.saved(card, folder)

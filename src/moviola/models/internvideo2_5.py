"""InternVideo2.5 and InternVL2.5 with HiCo: hundreds of frames at a few tokens each (arXiv 2501.12386)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from moviola.card import ModelCard, Part, Score, Understanding, Weights
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from moviola.understanding.vision_language import VisionLanguage

_SOURCE = "OpenGVLab/InternVideo@3965eef, InternVideo2.5/README.md"

_FILES = ("*.safetensors", "*.json", "tokenizer.model")

_FACTS = {
    "network": "checked against the authors' own code with random weights; the weights themselves could not "
    "be had: their config.json is taken to be that of InternVL2.5-8B, whose sizes these are",
    "tiles": "one for each frame, as the authors show videos",
    "frames": "128 to 512, one for each second, always a multiple of 4, as the authors' example has them",
}


def _card(
    id: str,
    repo: str,
    summary: str,
    scores: tuple[float | None, ...],
    *,
    per_frame: int = 16,
    max_frames: int = 512,
    **facts: str,
) -> ModelCard:
    """scores: on MVBench, Perception Test, LongVideoBench, MLVU, Video-MME without subtitles and LVBench."""
    names = ("MVBench", "Perception Test", "LongVideoBench", "MLVU", "Video-MME", "LVBench")
    return ModelCard(
        id=f"internvideo2.5-{id}",
        tasks=("ask", "caption"),
        summary=summary,
        licence="Apache-2.0",
        extra="local",
        understanding=Understanding(
            frames=128,
            fps=1.0,
            min_frames=128,
            max_frames=max_frames,
            group=4,
            frame_tokens=per_frame + 9,
            context=32_768,
            layers=32,
            key_width=1024,
            parameters_billions=8.08,
            scores=tuple(
                Score(
                    benchmark=name,
                    value=value,
                    setting="without subtitles" if name == "Video-MME" else None,
                    source=_SOURCE,
                )
                for name, value in zip(names, scores, strict=True)
                if value is not None
            ),
        ),
        network={"clip": 4, "tokens": 4 * per_frame},
        weights=(Weights(repo=repo, files=_FILES),),
        parts=(
            Part(name="vision", parameters=304_012_288, role="image"),
            Part(name="projector", parameters=33_570_816, role="other"),
            Part(name="language", parameters=7_737_782_272, role="text"),
        ),
        source=f"https://huggingface.co/{repo}",
        facts=_FACTS | facts,
    )


CARDS: tuple[ModelCard, ...] = (
    _card(
        "chat-8b",
        "OpenGVLab/InternVideo2_5_Chat_8B",
        "Questions about long videos, 16 tokens a frame, trained to see details too.",
        (75.7, 74.9, 60.6, 72.8, 65.1, 46.4),
        left_out="the heads it was trained with to track, to segment and to find moments in time",
    ),
    _card(
        "hico-r16",
        "OpenGVLab/InternVL_2_5_HiCo_R16",
        "Questions about long videos, 16 tokens a frame.",
        (74.0, 71.4, 59.6, 71.5, 64.9, None),
    ),
    _card(
        "hico-r64",
        "OpenGVLab/InternVL_2_5_HiCo_R64",
        "Questions about videos of some minutes, 64 tokens a frame.",
        (74.4, 71.9, 62.7, 72.6, 66.4, None),
        per_frame=64,
        max_frames=400,
        clip="its own code could not be seen: that the tokens of 4 frames are merged together, into 256, is "
        "taken from the other two; published is that it has 64 tokens a frame",
        most_frames="400, as more do not fit the 32768 tokens of InternLM2.5",
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(card: ModelCard, setup: Setup) -> Model:
    from moviola.understanding.build import speaker

    def network() -> VisionLanguage:
        from moviola.understanding.families.internvideo2_5 import InternVideo25

        assert setup.plan is not None, f"{card.id} is loaded without a plan"
        return InternVideo25.read_from(setup.folders[0], setup.plan, **card.network)

    return speaker(card, setup, network)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    from moviola.understanding.families import tiny_internvideo2_5

    return tiny_internvideo2_5.saved(card, folder)

"""VideoBLIP: BLIP-2 for videos of what a person sees (github.com/yukw777/VideoBLIP)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from moviola.card import ModelCard, Part, Understanding, Weights
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from moviola.understanding.vision_language import VisionLanguage

_FACTS = {
    "asked": "tuned on one question alone, `Question: What is the camera wearer doing? Answer:`, and on "
    "Ego4D's narrations: videos from a camera that somebody wears",
    "caption": "nothing is asked where no --prompt is given: so BLIP-2 is told to describe what it sees; "
    "--prompt 'What is the camera wearer doing?' asks what it was tuned on",
    "frames": "8 of 8 seconds in training; the authors' demo takes one of every 30 frames of the first 10 "
    "seconds. Nothing tells the network their order",
    "talk": "the authors' demo talks by writing all that was said before into the prompt; no such talks were "
    "in training, and here each question stands alone",
    "beams": "the authors' demo searches with 4 beams; here words are drawn one by one",
    "pixels": "in the authors' script that extracts frames for training, normalised pictures are written as "
    "whole numbers of 8 bits; here, as in their demo, they are normalised and stay as they are",
    "successor": "the authors go on with EILeV (github.com/yukw777/EILEV)",
    "weights": "could not be had: network and names are checked against the authors' code",
}


def _card(
    id: str, words: str, language: Part, *, licence: str, commercial: bool, queries: int, **facts: Any
) -> ModelCard:
    """words: which language model it is. queries: parameters of the Q-Former. facts: of `Understanding`."""
    parts = (
        Part(name="vision", parameters=985_952_256, role="image"),
        Part(name="qformer", parameters=queries, role="other"),
        language,
    )
    return ModelCard(
        id=f"videoblip-{id}",
        tasks=("ask", "caption"),
        summary=f"Short answers about short videos, in 32 tokens: EVA-CLIP's ViT-g, a Q-Former and {words}.",
        licence=licence,
        commercial=commercial,
        extra="local",
        understanding=Understanding(
            frames=8, fps=1.0, min_frames=8, max_frames=32, video_tokens=32, chat=False, **facts
        ),
        weights=(
            Weights(
                repo=f"kpyu/video-blip-{id}-ego4d",
                files=(
                    "pytorch_model*",
                    "config.json",
                    "preprocessor_config.json",
                    "*token*.json",
                    "vocab.json",
                    "merges.txt",
                ),
            ),
        ),
        parts=parts,
        source="https://github.com/yukw777/VideoBLIP",
        facts=_FACTS,
    )


CARDS: tuple[ModelCard, ...] = (
    _card(
        "flan-t5-xl",
        "Flan-T5 XL",
        Part(name="language", parameters=2_849_757_184, role="text"),
        licence="MIT; its language model, Flan-T5, is Apache-2.0",
        commercial=True,
        queries=106_737_152,
        # 512 of a prompt, and as many of an answer.
        context=1024,
        layers=24,
        key_width=2048,
        parameters_billions=3.94,
    ),
    _card(
        "opt-2.7b",
        "OPT-2.7B",
        Part(name="language", parameters=2_651_596_800, role="text"),
        licence="MIT; its language model is under the OPT-175B licence, for research and nothing commercial",
        commercial=False,
        queries=107_130_880,
        context=2048,
        layers=32,
        key_width=2560,
        parameters_billions=3.745,
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(card: ModelCard, setup: Setup) -> Model:
    from moviola.understanding.build import speaker

    def network() -> VisionLanguage:
        from moviola.understanding.families.videoblip import VideoBlip, dialect

        assert setup.plan is not None, f"{card.id} is loaded without a plan"
        # OPT goes on to another question behind the end of a line, which BLIP-2 takes for that of an answer.
        stops = ("\u010a",) if "-opt-" in card.id else ()
        return VideoBlip.read_from(setup.folders[0], setup.plan, dialect(*stops))

    return speaker(card, setup, network)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    from moviola.understanding.families import tiny_videoblip

    return tiny_videoblip.saved(card, folder, decoder="-opt-" in card.id)

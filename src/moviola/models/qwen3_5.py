"""Qwen3.5 (2026): told the times of the frames; thinks before it answers, where that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import ModelCard
from moviola.model import Model, Setup
from moviola.understanding.families import qwen_hybrid

if TYPE_CHECKING:
    from moviola.understanding.vision_language import Dialect

CARDS: tuple[ModelCard, ...] = tuple(
    qwen_hybrid.card("3.5", size, **scores)
    for size, scores in {
        "0.8B": {},
        "2B": {},
        "4B": {"mme": 76.9, "mme_subtitles": 83.5, "mlvu": 82.8, "lvbench": 66.4},
        "9B": {"mme": 78.4, "mme_subtitles": 84.5, "lvbench": 70.0},
        "27B": {
            "mme": 82.8,
            "mme_subtitles": 87.0,
            "mmmu": 82.3,
            "mlvu": 85.9,
            "mvbench": 74.6,
            "lvbench": 73.6,
        },
        "35B-A3B": {
            "mme": 82.5,
            "mme_subtitles": 86.6,
            "mmmu": 80.4,
            "mlvu": 85.6,
            "mvbench": 74.8,
            "lvbench": 71.4,
        },
        "122B-A10B": {"mme": 83.9, "mme_subtitles": 87.3, "lvbench": 74.4},
        "397B-A17B": {
            "mme": 83.7,
            "mme_subtitles": 87.5,
            "mmmu": 84.7,
            "mlvu": 86.7,
            "mvbench": 77.6,
            "lvbench": 75.5,
        },
    }.items()
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    thinking: bool = Field(
        False, description="think before the answer; give it --max-tokens 8192 or more for that"
    )
    thoughts: bool = Field(False, description="show what was thought")

    def dialect(self, usual: Dialect) -> Dialect:
        from moviola.understanding.families.qwen import chatml

        return chatml(thinking="open" if self.thinking else "shut", aloud=self.thoughts)


def load(card: ModelCard, setup: Setup) -> Model:
    from moviola.understanding.build import load
    from moviola.understanding.families.qwen import chatml, stamped

    return load(card, setup, lambda: stamped(card.facts["network"], chatml(thinking="shut")))


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    return qwen_hybrid.tiny(card, folder)

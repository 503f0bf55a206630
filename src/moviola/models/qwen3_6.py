"""Qwen3.6 (2026): the networks of Qwen3.5, trained further."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import ModelCard
from moviola.model import Model, Setup
from moviola.understanding.families import qwen_hybrid

if TYPE_CHECKING:
    from moviola.understanding.vision_language import Dialect

CARDS: tuple[ModelCard, ...] = (
    qwen_hybrid.card("3.6", "27B", mme_subtitles=87.7, mmmu=84.4, mlvu=86.6),
    qwen_hybrid.card(
        "3.6",
        "35B-A3B",
        mme=82.5,
        mme_subtitles=86.6,
        mmmu=83.7,
        mlvu=86.2,
        mvbench=74.6,
        lvbench=71.4,
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    thinking: bool = Field(
        False, description="think before the answer; give it --max-tokens 8192 or more for that"
    )
    thoughts: bool = Field(False, description="show what was thought")
    preserve: bool = Field(
        False, description="keep what was thought before earlier answers of a talk (preserve_thinking)"
    )

    def dialect(self, usual: Dialect) -> Dialect:
        from moviola.understanding.families.qwen import chatml

        return chatml(thinking="open" if self.thinking else "shut", kept=self.preserve, aloud=self.thoughts)


def load(card: ModelCard, setup: Setup) -> Model:
    from moviola.understanding.build import load
    from moviola.understanding.families.qwen import chatml, stamped

    return load(card, setup, lambda: stamped(card.facts["network"], chatml(thinking="shut")))


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    return qwen_hybrid.tiny(card, folder)

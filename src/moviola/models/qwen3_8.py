"""Qwen3.8 (2026): a network like that of Qwen3.6, told how hard to think, which keeps what it thought."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import ModelCard
from moviola.model import Model, Setup
from moviola.understanding.families import qwen_hybrid

if TYPE_CHECKING:
    from moviola.understanding.vision_language import Dialect

_CARD = qwen_hybrid.card("3.8", "27B")

CARDS: tuple[ModelCard, ...] = (
    _CARD.model_copy(
        update={
            "facts": {
                **_CARD.facts,
                "sizes": "said by others (27.781 B with the layer for multi-token prediction, 64 layers, 16 "
                "of them with 4 heads of 256 for keys): those of Qwen3.6-27B",
                "scores": "none for videos was found",
                "thinking": "the authors let it think before it answers unless told not to, which here needs "
                "-O thinking=true",
            }
        }
    ),
)

_EFFORTS = {
    "low": "Reasoning effort is set to low. Keep your thinking brief and focused, moving directly to the "
    "conclusion without unnecessary elaboration.",
    "medium": "",
    "xhigh": "Reasoning effort is set to xhigh. Please think carefully through the task, validate key "
    "assumptions, consider plausible alternatives, and prioritize correctness, consistency, and clarity in "
    "the final answer.",
}
"""What its chat template begins with, before a system prompt."""


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    thinking: bool = Field(
        False, description="think before the answer; give it --max-tokens 8192 or more for that"
    )
    effort: Literal["low", "medium", "xhigh"] = Field("xhigh", description="of the thinking")
    thoughts: bool = Field(False, description="show what was thought")

    def dialect(self, usual: Dialect) -> Dialect:
        from moviola.understanding.families.qwen import chatml

        if not self.thinking:
            return usual
        told = _EFFORTS[self.effort]
        dialect = chatml(system=told, thinking="open", kept=True, aloud=self.thoughts)
        return (
            replace(dialect, system=f"<|im_start|>system\n{told}\n\n{{system}}<|im_end|>\n")
            if told
            else dialect
        )


def load(card: ModelCard, setup: Setup) -> Model:
    from moviola.understanding.build import load
    from moviola.understanding.families.qwen import chatml, stamped

    return load(card, setup, lambda: stamped(card.facts["network"], chatml(thinking="shut", kept=True)))


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    return qwen_hybrid.tiny(card, folder)

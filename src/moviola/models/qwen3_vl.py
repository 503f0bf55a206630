"""Qwen3-VL (arXiv 2511.21631): videos as frames with their times written between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import ModelCard, Part, Score, Understanding, Weights
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from moviola.understanding.library import Build
    from moviola.understanding.vision_language import Dialect

_DENSE, _MIXTURE = "Qwen3VLForConditionalGeneration", "Qwen3VLMoeForConditionalGeneration"

_REPORT = "https://arxiv.org/abs/2511.21631"
_SMALL_CARD, _LARGE_CARD = (f"https://huggingface.co/Qwen/Qwen3.5-{size}" for size in ("4B", "397B-A17B"))
_QUOTED = "quoted by others; not read in the report"
_LATER = "in a card of Qwen3.5, which does not say whether of Thinking"


def _score(benchmark: str, value: float, setting: str, source: str) -> Score:
    return Score(benchmark=benchmark, value=value, setting=setting, source=source)


_SCORES = {
    "qwen3-vl-8b": (_score("LVBench", 58.0, _QUOTED, _REPORT),),
    "qwen3-vl-235b-a22b": (_score("Video-MME", 79.2, f"without subtitles; {_QUOTED}", _REPORT),),
    "qwen3-vl-30b-a3b-thinking": (
        _score("Video-MME", 73.3, f"without subtitles; {_LATER}", _SMALL_CARD),
        _score("Video-MME", 79.9, f"with subtitles; {_LATER}", _SMALL_CARD),
        _score("MLVU", 78.9, f"M-Avg; {_LATER}", _SMALL_CARD),
        _score("LVBench", 59.2, _LATER, _SMALL_CARD),
    ),
    "qwen3-vl-235b-a22b-thinking": (
        _score("Video-MME", 79.0, f"without subtitles; {_LATER}", _LARGE_CARD),
        _score("Video-MME", 83.8, f"with subtitles; {_LATER}", _LARGE_CARD),
        _score("MLVU", 83.8, f"M-Avg; {_LATER}", _LARGE_CARD),
        _score("MVBench", 75.2, _LATER, _LARGE_CARD),
        _score("LVBench", 63.6, _LATER, _LARGE_CARD),
    ),
}


@dataclass(frozen=True, slots=True)
class _Size:
    """vision, language: parameters. key_width: numbers of the keys of a layer."""

    network: str
    vision: int
    language: int
    layers: int
    key_width: int = 1024


_SIZES = {
    "2B": _Size(_DENSE, 406_957_056, 1_720_574_976, 28),
    "4B": _Size(_DENSE, 415_347_712, 4_022_468_096, 36),
    "8B": _Size(_DENSE, 576_388_336, 8_190_735_360, 36),
    "32B": _Size(_DENSE, 595_266_800, 32_762_123_264, 64),
    "30B-A3B": _Size(_MIXTURE, 538_631_408, 30_532_122_624, 48, 512),
    "235B-A22B": _Size(_MIXTURE, 576_388_336, 235_093_634_560, 94, 512),
}


def _card(size: str, thinking: bool) -> ModelCard:
    id = f"qwen3-vl-{size.lower()}{'-thinking' if thinking else ''}"
    repo = f"Qwen/Qwen3-VL-{size}-{'Thinking' if thinking else 'Instruct'}"
    made = _SIZES[size]
    billions = round((made.vision + made.language) / 1e9, 3)
    active = f", {size.partition('-A')[2]} of them at a time" if "-A" in size else ""
    facts: dict[str, Any] = {
        "network": made.network,
        "thinking": thinking,
        "pixels": "768 × 32 × 32 a frame and 25165824 a video at most (video_preprocessor_config.json)",
        "times": "vision_start and vision_end stand around each two frames and not around the whole video, "
        "as in transformers 4.57; those from 5.10 on have a second pair around the video",
        "sampling": "the authors draw answers with temperature 0.7 and top_p 0.8 (Thinking: 0.6 and 0.95)",
    }
    if thinking:
        facts["answers"] = "it thinks at length before it answers; give it --max-tokens 8192 or more"
        facts["template"] = "only its last lines were read; of earlier answers it repeats what Qwen3's does"
    return ModelCard(
        id=id,
        tasks=("ask", "caption"),
        summary=f"Questions about long videos, told the times of the frames, {billions:.3g} B{active}"
        + ("; thinks before it answers." if thinking else "."),
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
            key_width=made.key_width,
            parameters_billions=billions,
            scores=_SCORES.get(id, ()),
        ),
        weights=(Weights(repo=repo),),
        parts=(
            Part(name="vision", parameters=made.vision, role="image"),
            Part(name="language", parameters=made.language, role="text"),
        ),
        source=_REPORT,
        facts=facts,
    )


CARDS: tuple[ModelCard, ...] = tuple(_card(size, thinking) for thinking in (True, False) for size in _SIZES)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    thoughts: bool = Field(False, description="show what a Thinking model thinks before it answers")

    def dialect(self, usual: Dialect) -> Dialect:
        return replace(usual, aloud=self.thoughts)


def load(card: ModelCard, setup: Setup) -> Model:
    from moviola.understanding.build import load

    return load(card, setup, lambda: _build(card))


def _build(card: ModelCard) -> Build:
    from moviola.understanding.families.qwen import chatml, stamped

    return stamped(card.facts["network"], chatml(thinking="open" if card.facts["thinking"] else "never"))


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import transformers

    from moviola.understanding import tiny
    from moviola.understanding.families import qwen

    tokenizer = qwen.tiny_tokenizer(transformers.Qwen2Tokenizer)
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": tiny.WIDTH,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "rope_parameters": {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [4, 2, 2]},
    }
    mixture = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    vision = {
        "depth": 3,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "out_hidden_size": tiny.WIDTH,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0, 1],
    }
    name = card.facts["network"]
    kind = transformers.Qwen3VLMoeConfig if name == _MIXTURE else transformers.Qwen3VLConfig
    text |= mixture if name == _MIXTURE else {}
    config = partial(kind, text_config=text, vision_config=vision)
    sizes: dict[str, Any] = {"shortest_edge": 4096, "longest_edge": 64 * 32 * 32}
    processor = transformers.Qwen3VLProcessor(
        transformers.Qwen2VLImageProcessor(size=sizes),
        tokenizer,
        transformers.Qwen3VLVideoProcessor(size=sizes),
    )
    network = qwen.tiny_network(getattr(transformers, name), config, tokenizer)
    parts = {"vision": network.model.visual, "language": network.model.language_model}
    return tiny.saved(card, folder, network, processor, parts, max_frames=64, frames=8, context=4096)

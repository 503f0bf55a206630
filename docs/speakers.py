# ruff: noqa: E501  (rows of tables)
"""Writes docs/speakers.md from the cards: `python docs/speakers.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from moviola import registry
from moviola.card import ModelCard

PAGE = Path(__file__).parent / "speakers.md"

HEAD = """\
# Models that answer questions, and models that find

Parameters are counted on the networks themselves. *Frames* are those a model is shown where nothing is said, and
the most it takes; *tokens* are those of one frame of 1280 × 720, or of a whole video. Models that are *told times*
know when each frame is shown. Scores are published ones, in percent, none of them is ours; their sources and
settings, the terms of licences and what is unsure are on the cards (`moviola models show ID`).

| model | parameters, B | frames | tokens | context | told times | videos | published | licence |
|---|---|---|---|---|---|---|---|---|
"""

EMBEDDERS = """
| embedder | parameters, B | frames | size | width | licence |
|---|---|---|---|---|---|
"""

_SHOWN = 2
"""Scores in a row."""


def speakers() -> Iterator[str]:
    for card in registry.cards():
        if card.understanding is not None and not card.hosted:
            yield speaker(card)


def speaker(card: ModelCard) -> str:
    facts = card.understanding
    assert facts is not None
    pace = f"{facts.fps:g}/s" if facts.fps else str(facts.frames)
    most = "" if facts.fixed else f", at most {facts.max_frames}"
    tokens = f"{facts.video_tokens} a video" if facts.video_tokens else str(facts.frame_tokens or "–")
    # The first of a benchmark is its plain setting: without subtitles.
    first = {score.benchmark: score for score in reversed(facts.scores)}
    scores = ", ".join(f"{name} {first[name].value:g}" for name in sorted(first, key=_rank)[:_SHOWN])
    return _row(
        card.id,
        _billions(card),
        pace + most,
        tokens,
        str(facts.context),
        "yes" if facts.timed else "no",
        str(facts.videos),
        scores or "–",
        _licence(card),
    )


def embedders() -> Iterator[str]:
    for card in registry.cards():
        if card.embedding is not None:
            yield embedder(card)


def embedder(card: ModelCard) -> str:
    facts = card.embedding
    assert facts is not None
    size = "×".join(map(str, facts.size))
    return _row(card.id, _billions(card), str(facts.frames), size, str(facts.width), _licence(card))


def _rank(benchmark: str) -> tuple[bool, str]:
    """Video-MME before all others: most models have it."""
    return benchmark != "Video-MME", benchmark


def _billions(card: ModelCard) -> str:
    return f"{sum(part.parameters for part in card.parts) / 1e9:.3g}"


def _licence(card: ModelCard) -> str:
    return re.split(r"[;:,(]| for | of ", card.licence)[0].strip() + (
        "" if card.commercial else " (non-commercial)"
    )


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def page() -> str:
    return HEAD + "\n".join(speakers()) + "\n" + EMBEDDERS + "\n".join(embedders()) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())

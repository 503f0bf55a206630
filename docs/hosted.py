# ruff: noqa: E501  (rows of tables)
"""Writes docs/hosted-models.md from the cards: `python docs/hosted.py`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from itertools import groupby
from pathlib import Path

from moviola import registry
from moviola.card import ModelCard, Price

PAGE = Path(__file__).parent / "hosted-models.md"

HEAD = """\
# Models at providers

Prices are in US dollars, as their lists said on the day that is on the card, which also says who was read and what is
unsure (`moviola models show ID`); with `–` nobody knows here, and `--max-cost` refuses. Where a price depends on
resolution, sound or length, the least and the most are given. Of questions, prices are of a million tokens read, and
of a million answered.

| model | does | length, s | price | key |
|---|---|---|---|---|
"""

ENDED = """
| ended, or will | on | in its place |
|---|---|---|
"""

_KEYS = {
    "fal": "FAL_KEY",
    "gemini": "GEMINI_API_KEY",
    "gemini-omni": "GEMINI_API_KEY",
    "kling": "KLING_ACCESS_KEY, KLING_SECRET_KEY",
    "luma": "LUMA_AGENTS_API_KEY",
    "openai-chat": "OPENAI_API_KEY",
    "openai-compatible": "MOVIOLA_SERVER_KEY",
    "openai-videos": "MOVIOLA_SERVER_KEY",
    "pika": "FAL_KEY",
    "replicate": "REPLICATE_API_TOKEN",
    "runway": "RUNWAYML_API_SECRET",
    "veo": "GOOGLE_ACCESS_TOKEN, or google-auth",
}
_OLD_LUMA = ("luma/ray-2", "luma/ray-flash-2")


def hosted() -> list[ModelCard]:
    return [card for card in registry.cards() if card.hosted]


def row(card: ModelCard) -> str:
    """The line of a model."""
    return _row(card.id, ", ".join(card.tasks), _lengths(card), _price(card), _key(card))


def end(card: ModelCard) -> str:
    """The line of one that has ended or will."""
    assert card.retired is not None
    return _row(card.id, card.retired.date, card.retired.successor or "nothing")


def has_ended(card: ModelCard) -> bool:
    return card.retired is not None and date.fromisoformat(card.retired.date) <= date.today()


def _lengths(card: ModelCard) -> str:
    durations = card.limits.durations
    if not durations:
        return "–"
    least, most = min(durations), max(durations)
    return (
        f"{least:g}"
        if least == most
        else f"{least:g} to {most:g}"
        if len(durations) > 2
        else f"{least:g}, {most:g}"
    )


def _price(card: ModelCard) -> str:
    tokens = {price.when["of"]: price.usd for price in card.prices if "of" in price.when}
    if tokens:
        return f"{tokens['prompt'].normalize():f} read, {tokens['answer'].normalize():f} answered"
    groups = groupby(sorted(card.prices, key=_unit), key=_unit)
    return ", ".join(f"{_range(price.usd for price in prices)} a {unit}" for unit, prices in groups) or "–"


def _unit(price: Price) -> str:
    return price.per


def _range(prices: Iterable[Decimal]) -> str:
    every = sorted(prices)
    least, most = every[0].normalize(), every[-1].normalize()
    return f"{least:f}" if least == most else f"{least:f} to {most:f}"


def _key(card: ModelCard) -> str:
    return "LUMAAI_API_KEY" if card.id in _OLD_LUMA else _KEYS[card.id.partition("/")[0]]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def page() -> str:
    """Models that have ended stand in the second table alone, those that will in both."""
    offered = [row(card) for card in hosted() if not has_ended(card)]
    ended = [end(card) for card in hosted() if card.retired is not None]
    return HEAD + "\n".join(offered) + "\n" + ENDED + "\n".join(ended) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())

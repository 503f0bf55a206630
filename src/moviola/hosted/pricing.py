"""What a request will cost, by the price list on the card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from moviola.card import ModelCard, Price
from moviola.errors import RequestError


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """US dollars, exactly."""

    usd: Decimal

    def __str__(self) -> str:
        """To the cent, or as fine as it takes to tell it from nothing: $0.20, $1,204.50, $0.0004."""
        step = Decimal("0.01")
        while self.usd and self.usd.quantize(step, ROUND_HALF_UP) != self.usd and step > Decimal("0.0001"):
            step /= 10
        return f"${self.usd.quantize(step, ROUND_HALF_UP):,}"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens. prompt: that were read; of them, cached were found in the provider's cache, and written put
    there. answer: that were said."""

    prompt: int
    answer: int
    cached: int = 0
    written: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt + other.prompt,
            self.answer + other.answer,
            self.cached + other.cached,
            self.written + other.written,
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """prices: the lines of the list that it is made by. count: how many videos."""

    money: Money
    prices: tuple[Price, ...]
    count: int = 1

    def __str__(self) -> str:
        """One line, with where the price is from: lists change."""
        many = f" for {self.count} videos" if self.count > 1 else ""
        lines = " and ".join(map(_line, self.prices))
        return f"about {self.money}{many} ({lines}, as of {self.prices[0].date})"


def _line(price: Price) -> str:
    of = f" of {price.when['of']}" if "of" in price.when else ""
    return f"${price.usd} a {price.per}{of}"


def estimate(card: ModelCard, asked: Mapping[str, Any], count: int = 1) -> Estimate | None:
    """What `count` videos cost that are asked for by `asked`, as the card's prices name it (`seconds`, …).

    The first price whose every condition holds is taken. None where the card has none, so nobody knows.
    """
    for price in card.prices:
        if all(asked.get(name) == value for name, value in price.when.items()):
            return Estimate(Money(price.usd * _units(price, asked) * count), (price,), count)
    return None


def _units(price: Price, asked: Mapping[str, Any]) -> Decimal:
    match price.per:
        case "second":
            return Decimal(str(asked["seconds"]))
        case "million tokens":
            return Decimal(asked["tokens"]) / 10**6
    return Decimal(1)


def talking(card: ModelCard, used: Usage) -> Estimate | None:
    """What tokens cost that are read and said. None where the card has no price for them."""
    fresh = max(0, used.prompt - used.cached - used.written)
    kinds = {
        "prompt": fresh,
        "cached prompt": used.cached,
        "written prompt": used.written,
        "answer": used.answer,
    }
    money, prices = Decimal(0), list[Price]()
    for kind, tokens in kinds.items():
        if not tokens:
            continue
        # What has no price of its own has that of its kind.
        names = (kind, kind.split()[-1])
        one = next(filter(None, (estimate(card, {"of": name, "tokens": tokens}) for name in names)), None)
        if one is None:
            return None
        money += one.money.usd
        prices += one.prices
    if not prices:
        prices = [price for price in card.prices if price.per == "million tokens"]
    return Estimate(Money(money), tuple(prices)) if prices else None


def check_affordable(card: ModelCard, told: Estimate | None, most_usd: Decimal | None) -> None:
    """Raises RequestError where it may cost more than the user allows."""
    if most_usd is None:
        return
    if told is None:
        raise RequestError(
            f"what {card.id} costs is not known here, so a max_cost of {Money(most_usd)} cannot be kept; "
            "leave it out where you know the price"
        )
    if told.money > Money(most_usd):
        raise RequestError(f"{card.id} would cost {told}, above the max_cost of {Money(most_usd)}")

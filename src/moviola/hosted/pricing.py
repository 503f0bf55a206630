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
class Estimate:
    """price: the line of the list that it is made by. count: how many videos."""

    money: Money
    price: Price
    count: int

    def __str__(self) -> str:
        """One line, with where the price is from: lists change."""
        many = f" for {self.count} videos" if self.count > 1 else ""
        return f"about {self.money}{many} (${self.price.usd} a {self.price.per}, as of {self.price.date})"


def estimate(card: ModelCard, asked: Mapping[str, Any], count: int = 1) -> Estimate | None:
    """What `count` videos cost that are asked for by `asked`, as the card's prices name it (`seconds`, …).

    The first price whose every condition holds is taken. None where the card has none, so nobody knows.
    """
    for price in card.prices:
        if all(asked.get(name) == value for name, value in price.when.items()):
            units = Decimal(str(asked["seconds"])) if price.per == "second" else Decimal(1)
            return Estimate(Money(price.usd * units * count), price, count)
    return None


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

"""What a request will cost, said before it does."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.card import ModelCard, Price
from moviola.errors import RequestError
from moviola.hosted.pricing import Money, check_affordable, estimate


def price(usd, per="second", **when):
    return Price(usd=Decimal(usd), per=per, when=when, source="https://acme.example", date="2026-11-22")


CARD = ModelCard(
    id="acme",
    tasks=("generate",),
    summary="A test.",
    licence="acme",
    prices=(
        price("0.09", resolution="1080p"),
        price("0.04", resolution="720p"),
        price("0.5", "video", draft=True),
    ),
)


def test_the_price_that_fits_is_taken():
    assert estimate(CARD, {"seconds": 5, "resolution": "720p"}).money == Money(Decimal("0.20"))
    assert estimate(CARD, {"seconds": 10, "resolution": "1080p"}, 3).money == Money(Decimal("2.70"))
    assert estimate(CARD, {"draft": True}).money == Money(Decimal("0.5"))


def test_without_a_price_that_fits_nobody_knows():
    assert estimate(CARD, {"seconds": 5, "resolution": "4k"}) is None


def test_an_estimate_says_where_it_is_from():
    told = str(estimate(CARD, {"seconds": 5, "resolution": "720p"}, 2))
    assert told == "about $0.40 for 2 videos ($0.04 a second, as of 2026-11-22)"


def test_money_is_told_to_the_cent_or_as_fine_as_it_takes():
    told = [str(Money(Decimal(usd))) for usd in ("0.2", "1204.5", "0.0004", "0.125", "0", "0.333333")]
    assert told == ["$0.20", "$1,204.50", "$0.0004", "$0.125", "$0.00", "$0.3333"]


@given(st.integers(1, 60), st.integers(1, 100))
def test_many_seconds_lose_no_cent(seconds, count):
    told = estimate(CARD, {"seconds": seconds, "resolution": "720p"}, count)
    assert told.money.usd == Decimal("0.04") * seconds * count


def test_more_than_is_allowed_is_refused():
    told = estimate(CARD, {"seconds": 5, "resolution": "720p"})
    check_affordable(CARD, told, Decimal("0.20"))
    check_affordable(CARD, None, None)
    with pytest.raises(RequestError, match=r"\$0\.20.*above the max_cost of \$0\.19"):
        check_affordable(CARD, told, Decimal("0.19"))


def test_what_nobody_knows_the_price_of_keeps_to_no_limit():
    with pytest.raises(RequestError, match="not known"):
        check_affordable(CARD, None, Decimal(100))

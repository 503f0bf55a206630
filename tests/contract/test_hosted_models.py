"""What every model at a provider states on its card, and what its family does with it."""

from datetime import date
from pathlib import Path

import pytest

from moviola import registry
from moviola.errors import RequestError
from moviola.model import HostedFamily, HostedSpeakerFamily, Setup
from moviola.roads.video import FILES
from moviola.tasks import TASKS
from moviola.understanding.served import CARD

# A server of the user's own is asked without all this; see tests/understanding.
CARDS = [card for card in registry.cards() if card.hosted and card.id != CARD]
MAKERS = [card for card in CARDS if {"generate", "edit"} & set(card.tasks)]
FIELDS = {name for task in TASKS for name in task.model_fields}


def named(card):
    return card.id


@pytest.mark.parametrize("card", CARDS, ids=named)
def test_its_family_speaks_for_it(card):
    family, found = registry.find(card.id)
    assert found == card
    assert isinstance(family, HostedFamily if card in MAKERS else HostedSpeakerFamily)
    default = getattr(family, "DEFAULT", None)
    if default is not None:
        assert default in {other.id for other in family.CARDS if other.retired is None}


@pytest.mark.parametrize("card", CARDS, ids=named)
def test_it_says_where_its_key_comes_from_and_where_it_was_read(card):
    assert card.retired is not None or "key" in card.facts
    assert card.source is None or card.source.startswith("https://")
    assert card.licence


@pytest.mark.parametrize("card", [card for card in CARDS if card.prices], ids=named)
def test_every_price_has_a_source_and_a_day(card):
    for price in card.prices:
        assert price.usd > 0
        assert price.source.startswith("https://")
        assert date.fromisoformat(price.date) <= date.today()


@pytest.mark.parametrize("card", [card for card in CARDS if card.retired], ids=named)
def test_what_takes_the_place_of_one_that_ends_is_there(card):
    date.fromisoformat(card.retired.date)
    if card.retired.successor is not None:
        _, successor = registry.find(card.retired.successor)
        assert successor.retired is None
        assert set(successor.tasks) & set(card.tasks)


@pytest.mark.parametrize("card", MAKERS, ids=named)
def test_it_speaks_of_fields_that_there_are(card):
    assert set(card.takes) | set(card.needs) <= FIELDS
    assert set(card.limits.files) <= {*FILES, "references"}
    assert set(card.limits.files) - {"video", "references"} <= set(card.takes)


@pytest.mark.parametrize("card", MAKERS, ids=named)
def test_nothing_of_it_is_loaded(card):
    family, _ = registry.find(card.id)
    with pytest.raises(RequestError, match="not loaded"):
        family.load(card, Setup())


def test_the_page_of_hosted_models_is_what_the_cards_say(monkeypatch):
    docs = Path(__file__).parents[2] / "docs"
    monkeypatch.syspath_prepend(str(docs))
    from hosted import PAGE, end, has_ended, row

    lines = PAGE.read_text().splitlines()
    for card in CARDS:
        assert has_ended(card) or row(card) in lines, "run: python docs/hosted.py"
        assert card.retired is None or end(card) in lines, "run: python docs/hosted.py"

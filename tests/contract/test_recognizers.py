"""What every recognizer owes its user: costs that agree with the published ones, and labels that fit."""

from pathlib import Path

import pytest

from moviola import registry
from moviola.card import ModelCard
from moviola.recognition.cost import Cost, cost
from moviola.recognition.recognizer import names_of

CARDS = {card.id: card for card in registry.cards() if card.recognition is not None}


@pytest.fixture(scope="module", params=CARDS)
def card(request: pytest.FixtureRequest) -> ModelCard:
    return CARDS[request.param]


@pytest.fixture(scope="module")
def counted(card: ModelCard) -> Cost:
    family, _ = registry.find(card.id)
    return cost(card, family.network, size=card.recognition.gmacs_input)


def test_parameters_are_those_on_the_card_and_within_2_percent_of_the_published(card, counted):
    (part,) = card.parts
    assert counted.parameters == part.parameters
    published = card.recognition.parameters_millions
    if published is not None:
        # Published in whole millions, or with two decimals.
        assert counted.parameters / 1e6 == pytest.approx(published, rel=0.02, abs=0.5)


def test_multiply_adds_are_within_2_percent_of_the_published(card, counted):
    published = card.recognition.gmacs
    # For InternVideo2's classifiers and a few others no primary source gives any.
    if published is not None:
        assert card.recognition.cost_source
        assert counted.macs / 1e9 == pytest.approx(published, rel=0.02)


def test_the_page_of_recognizers_has_its_line(card, counted, monkeypatch):
    docs = Path(__file__).parents[2] / "docs"
    monkeypatch.syspath_prepend(str(docs))
    from recognizers import PAGE, row

    assert row(card, counted) in PAGE.read_text().splitlines(), "run: python docs/recognizers.py"


def test_there_is_a_label_for_every_class(card):
    assert len(names_of(card)) == card.recognition.classes
    assert len(set(names_of(card))) == card.recognition.classes


def test_figures_of_accuracy_have_a_source_and_are_percentages(card):
    for accuracy in card.recognition.accuracy:
        assert accuracy.source
        assert 20 < accuracy.top1 < 100
        assert accuracy.top5 is None or accuracy.top1 < accuracy.top5 < 100

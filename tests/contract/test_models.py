"""What every registered model owes the house, whatever family it comes from."""

import pytest
from pydantic import BaseModel

from moviola import registry
from moviola.selftest import selftest
from moviola.tasks import TASKS

CARDS = list(registry.cards())
VERBS = {task.verb for task in TASKS}


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_the_card_states_what_a_user_must_know(card):
    assert card.summary.endswith(".")
    assert card.licence
    assert card.tasks
    assert set(card.tasks) <= VERBS


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_options_are_described_and_have_defaults(card):
    family, _ = registry.find(card.id)
    assert issubclass(family.Options, BaseModel)
    for name, field in family.Options.model_fields.items():
        assert field.description, f"{card.id}: option {name} is not described"
        assert not field.is_required(), f"{card.id}: option {name} has no default"


def unlike(cards):
    """All cards, but one alone of those whose networks are made from the same arguments: weights differ."""
    seen, kept = set(), []
    for card in cards:
        built = registry.family_of(card) if card.network else card.id
        alike = built, card.model_dump_json(exclude={"id", "summary", "weights", "parts", "facts", "source"})
        if alike not in seen:
            seen.add(alike)
            kept.append(card)
    return kept


@pytest.mark.parametrize("card", unlike([c for c in CARDS if not c.hosted]), ids=lambda card: card.id)
def test_the_whole_path_runs(card):
    passed = selftest(card.id)
    assert [result.task for result in passed] == list(card.tasks)
    assert all(result.frames > 0 for result in passed)

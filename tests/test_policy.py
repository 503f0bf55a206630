"""What a user decided once about models and money holds for every request."""

from decimal import Decimal

import pytest

from moviola.card import ModelCard
from moviola.errors import RequestError
from moviola.policy import Policy, check_allowed, most, policy
from moviola.tasks import Ask, Generate, Remove, request


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes the user's policy."""
    path = tmp_path / "policy.toml"
    monkeypatch.setenv("MOVIOLA_POLICY", str(path))
    return path.write_text


def card(id, hosted=True):
    return ModelCard(id=id, tasks=("generate",), summary="A test.", licence="acme", hosted=hosted)


def test_without_a_file_nothing_is_decided(tmp_path, monkeypatch):
    monkeypatch.setenv("MOVIOLA_POLICY", str(tmp_path / "none.toml"))
    assert policy() == Policy()
    check_allowed(card("acme/1"))


def test_a_request_that_names_no_model_means_the_one_decided_on(written):
    usual = request(Generate, {"prompt": "a lake"}).model
    written('[default]\ngenerate = "pika/2.2"\nask = "openai-chat/gpt-5.4"\nremove = "propainter"')
    assert request(Generate, {"prompt": "a lake"}).model == "pika/2.2" != usual
    assert request(Generate, {"prompt": "a lake", "model": usual}).model == usual


def test_a_server_that_is_named_has_its_own_models(written):
    written('[default]\nask = "openai-chat/gpt-5.4"')
    asked = request(Ask, {"videos": ["a.mp4"], "question": "?", "server": "http://localhost:8000/v1"})
    assert asked.model != "openai-chat/gpt-5.4"


def test_what_another_field_decides_stays(written):
    written('[default]\nremove = "propainter"')
    kept = request(Remove, {"video": "a.mp4", "box": "1,1,9,9", "keep": "green"})
    assert kept.model == "cutout"


def test_only_what_is_allowed_may_be_asked_for_money(written):
    written('hosted = ["acme", "other/1"]')
    for allowed in (card("acme/1"), card("acme/2"), card("other/1"), card("local", hosted=False)):
        check_allowed(allowed)
    for other in ("other/2", "acme2/1"):
        with pytest.raises(
            RequestError, match=f"{other} is hosted.*policy.toml allows of those: acme, other/1"
        ):
            check_allowed(card(other))


def test_the_lower_limit_holds(written):
    written("max_cost = 0.1")
    assert most(None) == most(Decimal(5)) == Decimal("0.1")
    assert most(Decimal("0.05")) == Decimal("0.05")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("max_cost = -1", "max_cost: "),
        ("max_costs = 1", "max_costs: "),
        ("max_cost = ", "no TOML"),
        ('[default]\nfilm = "x"', "there is no verb film"),
    ],
)
def test_what_cannot_be_meant_stops_everything(written, text, why):
    written(text)
    with pytest.raises(RequestError, match=f"policy.toml.*{why}"):
        policy()
    with pytest.raises(RequestError):
        request(Generate, {"prompt": "a lake"})

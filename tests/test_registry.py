"""Families are found from the files alone, one at a time, and by what other packages name."""

import sys
import types
from importlib.metadata import EntryPoint

import pytest
from pydantic import BaseModel

from moviola import registry
from moviola.card import ModelCard
from moviola.errors import RequestError


def test_every_file_in_models_is_a_family_with_cards():
    ids = [card.id for card in registry.cards()]
    assert {"flow", "propagate"} <= set(ids)
    assert len(ids) == len(set(ids))


def test_an_id_begins_with_its_familys_name():
    for name in registry._families():
        for card in registry._family(name).CARDS:
            assert card.id.startswith(name)


def test_an_unknown_model_names_its_neighbours():
    with pytest.raises(RequestError, match=r"no model 'flwo'; try flow"):
        registry.find("flwo")


def test_a_model_that_does_other_work_names_those_that_do():
    with pytest.raises(RequestError, match="flow does not remove; these do: cutout, propagate"):
        registry.find("flow", task="remove")


@pytest.fixture
def third_party(monkeypatch):
    module = types.ModuleType("acme_video")
    module.CARDS = (
        ModelCard(id="acme-large", tasks=("interpolate",), summary="Acme's network.", licence="MIT"),
    )
    module.Options = BaseModel
    monkeypatch.setitem(sys.modules, "acme_video", module)
    entry = EntryPoint("acme", "acme_video", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda **_: [entry])
    registry._families.cache_clear()
    yield module
    registry._families.cache_clear()


def test_an_installed_package_adds_a_family_by_entry_point(third_party):
    family, card = registry.find("acme-large", task="interpolate")
    assert family is third_party
    assert card.licence == "MIT"
    assert "acme-large" in [card.id for card in registry.cards()]


def test_a_familys_bare_name_is_the_model_it_would_be_taken_for():
    assert registry.find("rife")[1].id == "rife-4.25"
    assert registry.find("film")[1].id == "film-style"
    assert registry.find("flow")[1].id == "flow"

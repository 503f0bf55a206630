"""One's own models: kept in folders, found by name, gone with their folder."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from moviola import registry, shelf, weights
from moviola.card import ModelCard
from moviola.errors import InputError, RequestError
from moviola.shelf import Own
from pulls import RECOGNITION


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MOVIOLA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def entry(name: str = "mine", family: str = "x3d") -> Own:
    card = ModelCard(
        id=name,
        tasks=("recognize", "watch"),
        summary="Three classes.",
        licence="one's own",
        recognition=RECOGNITION,
        network={"depths": [1, 2, 3, 4]},
    )
    return Own(family=family, base="x3d-m", card=card)


def put(entry: Own, content: bytes = b"weights") -> Path:
    made = shelf.work_folder(entry.card.id) / "made"
    made.mkdir(parents=True)
    (made / shelf.WEIGHTS).write_bytes(content)
    return shelf.put(made, entry)


def test_what_is_put_is_found_by_name_with_its_weights(home):
    folder = put(entry())
    assert folder == home / "models" / "mine"
    family, card = registry.find("mine", task="recognize")
    assert family is registry.find("x3d-m")[0]
    assert card.model_copy(update={"weights": ()}) == entry().card
    assert weights.folders(card) == (folder,)
    held = weights.on_disk(card)
    assert held is not None
    assert held.complete
    assert registry.family_of(card) == "x3d"


def test_the_list_ends_with_ones_own_by_name():
    for name in ("zebra", "ape"):
        put(entry(name))
    assert [card.id for card in registry.cards()][-2:] == ["ape", "zebra"]


def test_a_model_is_gone_with_its_folder():
    shutil.rmtree(put(entry()))
    assert "mine" not in [card.id for card in registry.cards()]
    with pytest.raises(RequestError, match="no model 'mine'"):
        registry.find("mine")


def test_a_renamed_folder_is_a_renamed_model(home):
    put(entry()).rename(home / "models" / "yours")
    card = registry.find("yours")[1]
    assert card.id == "yours"
    assert weights.folders(card) == (home / "models" / "yours",)


def test_what_is_put_takes_the_place_of_what_was_there(home):
    put(entry(), b"old")
    shutil.rmtree(shelf.work_folder("mine"))
    folder = put(entry(), b"new")
    assert (folder / shelf.WEIGHTS).read_bytes() == b"new"
    shutil.rmtree(shelf.work_folder("mine"))
    assert [path.name for path in (home / "models").iterdir()] == ["mine"]


def test_work_under_way_is_no_model():
    (shelf.work_folder("mine") / "made").mkdir(parents=True)
    assert not list(shelf.owns())
    assert shelf.own(".mine.training") is None


def test_a_published_model_of_the_same_name_is_found_first():
    put(entry("x3d-s"))
    assert registry.find("x3d-s")[1].summary != "Three classes."
    assert registry.is_published("x3d-s")
    assert not registry.is_published("mine")


@pytest.mark.parametrize(
    "text", ["", "[]", '{"family": "x3d"}', '{"family": "x3d", "base": "a", "card": {}}']
)
def test_a_broken_card_is_told_to_who_asks_and_hides_no_other(text):
    put(entry("fine"))
    (put(entry("broken")) / "card.json").write_text(text)
    with pytest.raises(InputError, match=r"card\.json: ") as caught:
        registry.find("broken")
    assert "\n" not in str(caught.value)
    assert [own.card.id for own in shelf.owns()] == ["fine"]


def test_a_family_that_is_not_installed_is_told():
    put(entry("mine", family="acme"))
    with pytest.raises(InputError, match="mine is of the family acme, which no installed package has"):
        registry.find("mine")
    assert "mine" not in [card.id for card in registry.cards()]


@pytest.mark.parametrize("name", ["../mine", "a/b", ".", "..", "", "Mine", "-x"])
def test_only_plain_names_are_looked_for(name, home):
    (home / "models").mkdir(parents=True)
    (home / "mine").mkdir()
    assert shelf.own(name) is None


def test_a_name_is_made_of_what_data_are_called():
    assert shelf.named_after("My Clips (2)") == "my-clips-2"
    assert shelf.named_after("_ÄÖ.v1.5_") == "v1.5"
    with pytest.raises(RequestError, match="makes no name; give one with --name"):
        shelf.named_after("___")


def test_without_a_word_of_the_users_they_lie_among_the_users_data(monkeypatch):
    monkeypatch.delenv("MOVIOLA_HOME")
    assert shelf.home().name == "moviola"
    assert shelf.folder_of("mine") == shelf.home() / "models" / "mine"


def test_listing_them_loads_no_network_library():
    put(entry())
    code = "import sys; from moviola import registry; print(registry.find('mine')[1].id, *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    name, *modules = done.stdout.split()
    assert name == "mine"
    assert not {"torch", "cv2", "transformers"} & set(modules)

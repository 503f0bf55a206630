"""A card may name a folder of this machine: what lies there is what there is."""

from pathlib import Path

import pytest

from moviola import weights
from moviola.card import ModelCard, Weights
from moviola.errors import InputError
from moviola.model import Note
from pulls import card, one_line, pulled


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tuned" / "deep").mkdir(parents=True)
    (tmp_path / "tuned" / "model.safetensors").write_bytes(b"abc")
    (tmp_path / "tuned" / "deep" / "labels.txt").write_bytes(b"de")
    return tmp_path / "tuned"


def made_of(folder: Path) -> ModelCard:
    return card(Weights(folder=folder))


def test_it_is_used_as_it_is(folder):
    assert weights.folders(made_of(folder)) == (folder,)
    assert weights.on_disk(made_of(folder)) == weights.OnDisk(5, True, ())
    assert weights.origins(made_of(folder), [folder]) == [{"folder": str(folder)}]


def test_there_is_nothing_to_pull(folder):
    assert pulled(made_of(folder)) == ([], (folder,))


def test_it_cannot_be_verified_and_that_is_said(folder):
    (note,), _ = pulled(made_of(folder), verify=True)
    assert isinstance(note, Note)
    assert "could not be checked" in note.text


def test_one_that_is_gone(tmp_path):
    gone = made_of(tmp_path / "gone")
    assert weights.folders(gone) is None
    assert weights.on_disk(gone) is None
    with one_line(InputError, str(tmp_path / "gone"), "is gone", "acme"):
        pulled(gone)

"""Results are kept once by what is in them, and come to the user whole."""

import hashlib

import pytest

from moviola.errors import InputError, OutputError
from moviola.jobs import assets


@pytest.fixture
def made(files, tmp_path):
    file = tmp_path / "0.mp4"
    file.write_bytes(b"a film")
    return file


def test_a_file_is_kept_under_its_hash(made):
    asset = assets.keep(made)
    assert asset.sha256 == hashlib.sha256(b"a film").hexdigest()
    assert asset.path.name == f"{asset.sha256}.mp4"
    assert assets.find(asset.sha256) == asset
    assert made.exists()


def test_what_is_the_same_is_kept_once(made, files):
    again = made.with_name("1.mp4")
    again.write_bytes(made.read_bytes())
    assert assets.keep(made) == assets.keep(again)
    assert len(list((files / "assets").glob("??/*"))) == 1


def test_a_file_that_is_another_is_not_taken(made, files):
    with pytest.raises(InputError, match="not what was fetched"):
        assets.keep(made, sha256="0" * 64)
    assert not (files / "assets").exists()


def test_a_link_is_the_file_itself(made, tmp_path):
    where = assets.link(assets.keep(made), tmp_path / "films" / "lake.mp4")
    assert where.read_bytes() == b"a film"
    assert where.samefile(made)
    assert [path.name for path in where.parent.iterdir()] == ["lake.mp4"]


def test_another_file_is_replaced_only_where_that_is_asked_for(made, tmp_path):
    asset, where = assets.keep(made), tmp_path / "lake.mp4"
    where.write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        assets.link(asset, where)
    assert where.read_bytes() == b"mine"
    assets.link(asset, where, overwrite=True)
    # It is the same now, and so nothing is lost.
    assets.link(asset, where)
    assert where.read_bytes() == b"a film"


def test_where_links_cannot_be_it_is_copied(made, tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(assets.os, "link", refused)
    where = assets.link(assets.keep(made), tmp_path / "lake.mp4")
    assert where.read_bytes() == b"a film"
    assert not where.samefile(made)


def test_a_full_disk_leaves_nothing_behind(made, tmp_path, monkeypatch):
    asset = assets.keep(made)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(assets.os, "link", full)
    with pytest.raises(OutputError, match="is full; make room"):
        assets.link(asset, tmp_path / "films" / "lake.mp4")
    assert list((tmp_path / "films").iterdir()) == []


def test_what_was_changed_since_is_not_found(made):
    asset = assets.keep(made)
    asset.path.write_bytes(b"another")
    assert assets.find(asset.sha256) is None


def test_pruning_removes_what_nobody_wants(made, tmp_path):
    asset = assets.keep(made)
    where = assets.link(asset, tmp_path / "lake.mp4")
    assert assets.prune({asset.sha256}) == 0
    assert assets.prune(()) == len(b"a film")
    assert assets.find(asset.sha256) is None
    assert where.read_bytes() == b"a film"

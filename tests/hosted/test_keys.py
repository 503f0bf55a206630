"""Where keys come from, and that nobody sees them."""

import sys
from types import SimpleNamespace

import pytest

from moviola.errors import InputError, NotAuthorizedError
from moviola.hosted import keys

SECRET = "fal-0123456789"


@pytest.fixture(autouse=True)
def ring(monkeypatch, tmp_path):
    """A keyring in memory, and a place for the file."""
    held = {}
    fake = SimpleNamespace(
        get_password=lambda service, name: held.get((service, name)),
        errors=SimpleNamespace(KeyringError=RuntimeError),
    )
    monkeypatch.setitem(sys.modules, "keyring", fake)
    monkeypatch.setenv("MOVIOLA_KEYS", str(tmp_path / "keys.toml"))
    monkeypatch.delenv("FAL_KEY", raising=False)
    return held


def write(text, mode=0o600):
    path = keys.file()
    path.write_text(text)
    path.chmod(mode)


def found():
    return keys.key("fal", ("FAL_KEY",))


def test_the_environment_wins_over_the_keyring_and_that_over_the_file(ring, monkeypatch):
    write('fal = "from-file"')
    assert found().secret == "from-file"
    ring["moviola", "fal"] = "from-ring"
    assert found().secret == "from-ring"
    monkeypatch.setenv("FAL_KEY", " from-environment\n")
    assert found().secret == "from-environment"


def test_without_a_key_the_three_ways_to_give_one_are_told():
    with pytest.raises(NotAuthorizedError, match=r"FAL_KEY.*keyring set moviola fal.*keys\.toml"):
        found()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(mode):
    write(f'fal = "{SECRET}"', mode)
    with pytest.raises(InputError, match="chmod 600"):
        found()


@pytest.mark.parametrize("text", [f"fal = {SECRET}", f'fal = ["{SECRET}"]', f'fal = "{SECRET} {SECRET}"'])
def test_what_is_wrong_with_a_file_is_told_without_the_key(text):
    write(text)
    with pytest.raises(InputError) as caught:
        found()
    assert SECRET not in str(caught.value)


def test_a_key_is_in_no_text_made_of_it(monkeypatch):
    monkeypatch.setenv("FAL_KEY", SECRET)
    assert SECRET not in f"{found()} {found()!r}"


def test_a_keyring_that_is_locked_leaves_the_file(ring, monkeypatch):
    def locked(service, name):
        raise RuntimeError("locked")

    monkeypatch.setattr(sys.modules["keyring"], "get_password", locked)
    write('fal = "from-file"')
    assert found().secret == "from-file"


def test_without_a_keyring_the_file_is_left(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    write('fal = "from-file"')
    assert found().secret == "from-file"

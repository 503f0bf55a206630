"""Keys to providers: from the environment, the system's keyring, or a file that only its owner can read."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_config_dir

from moviola.errors import InputError, NotAuthorizedError

SERVICE = "moviola"
"""What keys are under in the keyring; the name there is the provider's."""


@dataclass(frozen=True, slots=True)
class Key:
    """origin: where it was found, for messages. The key itself is in no text made of this."""

    origin: str
    secret: str = field(repr=False)


def file() -> Path:
    """Where keys may lie as `fal = "…"`, one line for each provider; MOVIOLA_KEYS names another place."""
    given = os.environ.get("MOVIOLA_KEYS")
    return (
        Path(given).expanduser() if given else Path(user_config_dir("moviola", appauthor=False)) / "keys.toml"
    )


def key(provider: str, variables: Sequence[str]) -> Key:
    """The key to a provider. variables: of the environment; the first that is set wins over all else.

    Raises NotAuthorizedError where there is none; InputError for what cannot be a key, and for a file that
    others can read or that is no TOML.
    """
    found = _from_environment(variables) or _from_keyring(provider) or _from_file(provider)
    if found is None:
        raise NotAuthorizedError(
            f"{provider} wants a key: put it into the environment variable {variables[0]}, into the keyring "
            f'(keyring set {SERVICE} {provider}), or as {provider} = "…" into {file()} with mode 600'
        )
    if not (found.secret.isascii() and found.secret.isprintable() and " " not in found.secret):
        raise InputError(f"what is in {found.origin} is no key: it holds characters that no key has")
    return found


def _from_environment(variables: Sequence[str]) -> Key | None:
    for name in variables:
        if secret := os.environ.get(name, "").strip():
            return Key(name, secret)
    return None


def _from_keyring(provider: str) -> Key | None:
    try:
        import keyring
    except ImportError:
        return None
    try:
        secret = keyring.get_password(SERVICE, provider)
    except keyring.errors.KeyringError:
        # None on this machine, locked, or not allowed: the file is left.
        return None
    return Key("the keyring", secret.strip()) if secret and secret.strip() else None


def _from_file(provider: str) -> Key | None:
    path = file()
    try:
        with path.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise InputError(f"others can read the keys in {path}; run: chmod 600 '{path}'")
            held = tomllib.load(opened)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # What is wrong with it is not told: that could show a key.
        raise InputError(f'{path} is no TOML; write one line for each provider: {provider} = "…"') from None
    secret = held.get(provider)
    if secret is None:
        return None
    if not isinstance(secret, str):
        raise InputError(f'{provider} in {path} is no text; write: {provider} = "…"')
    return Key(str(path), secret.strip()) if secret.strip() else None

"""Servers that a user names in place of a provider: their addresses, and the key that goes to them."""

from __future__ import annotations

import os

import httpx

from moviola.errors import InputError, RequestError
from moviola.hosted.keys import Key
from moviola.hosted.transport import is_here

KEYS = ("MOVIOLA_SERVER_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the key; the first that is set is taken."""


def address(url: str, call: str) -> httpx.URL:
    """Where a server's calls lie below. call: path of one, which may be given with it: `/chat/completions`.

    Raises RequestError for what is no address of a server.
    """
    try:
        found = httpx.URL(url.strip())
    except httpx.InvalidURL:
        found = httpx.URL("")
    if found.scheme not in ("http", "https") or not found.host:
        raise RequestError(f"server: {url!r} is no address; write it as http://localhost:8000/v1")
    return found.copy_with(path=found.path.rstrip("/").removesuffix(call))


def in_place_of(usual: str, variable: str) -> str:
    """A provider's usual address, or the one that an environment variable names; no slash at its end."""
    return os.environ.get(variable, "").strip().rstrip("/") or usual


def key_for(server: httpx.URL) -> Key | None:
    """The key that is sent; None where there is none, as a server of one's own may want none.

    OpenAI's is set for other programs too: it goes out over https, and to this machine, only.
    Raises InputError for what cannot be a key.
    """
    for name in KEYS:
        secret = os.environ.get(name, "").strip()
        if secret and (name == KEYS[0] or server.scheme == "https" or is_here(server)):
            if not (secret.isascii() and secret.isprintable()):
                raise InputError(f"what is in {name} is no key: it holds characters that no key has")
            return Key(name, secret)
    return None


def wanted(server: str, key: Key | None, status: int) -> str:
    """What to tell where a server wants a key, or another one. server: its name. key: that was sent."""
    if key is not None:
        return f"{server} does not accept the key in {key.origin} (answer {status})"
    unsafe = os.environ.get(KEYS[1], "").strip()
    more = f"; {KEYS[1]} is sent over https and to this machine only" if unsafe else ""
    return f"{server} wants a key (answer {status}); put it into the environment variable {KEYS[0]}{more}"

"""What is known of a file at an address, and where it lies.

Each has a folder of its own in Moviola's cache, `weights/HOST/HASH OF THE ADDRESS/`. There it lies under its
own name, as NAME.part until it is whole, beside `origin.json`, which says what it is and pins its hash.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from platformdirs import user_cache_dir
from pydantic import BaseModel, ConfigDict, ValidationError

_RECORD = "origin.json"


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class State(_Facts):
    """Which file a server has at an address.

    size: in bytes. validator: changes with the file: its ETag, or else the time it was modified. None where
    the server gives neither; what has come of such a file cannot be gone on with.
    """

    size: int
    validator: str | None


class Record(_Facts):
    """state: that the server had, when it was last asked. sha256: None before the file was whole once."""

    url: str
    state: State
    sha256: str | None = None


def cache() -> Path:
    """The folder of all that Moviola fetches by itself."""
    given = os.environ.get("MOVIOLA_CACHE")
    return Path(given).expanduser() if given else Path(user_cache_dir("moviola", appauthor=False))


def folder_of(url: str) -> Path:
    """Where the file at an address lies, or will."""
    return cache() / "weights" / host_of(url) / hashlib.sha256(url.encode()).hexdigest()[:16]


def host_of(url: str) -> str:
    """The name of the server."""
    return urlsplit(url).hostname or "nowhere"


def name_of(url: str) -> str:
    """The file's name, of signs that every disk takes."""
    last = unquote(urlsplit(url).path).rpartition("/")[2]
    return re.sub(r"[^\w.-]", "_", last).lstrip(".") or "weights"


def read_record(folder: Path) -> Record | None:
    """None where nothing was begun."""
    try:
        return Record.model_validate_json((folder / _RECORD).read_bytes())
    except (OSError, ValidationError):
        return None


def write_record(folder: Path, record: Record) -> None:
    """Replace what was known of the file."""
    new = folder / f"{_RECORD}.new"
    new.write_text(record.model_dump_json(indent=2) + "\n")
    new.replace(folder / _RECORD)

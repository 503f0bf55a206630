"""Sizes, room and hashes of files."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from moviola.errors import OutputError

BEAT = 0.25
"""Seconds between two reports of progress."""

_CHUNK = 4 * 2**20


class Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class Beat:
    """True when it is time to report again."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self) -> bool:
        now = time.monotonic()
        due = now - self._told > BEAT
        if due:
            self._told = now
        return due


def hashing(file: IO[bytes], content: Hash) -> Iterator[int]:
    """Hash a file from where it stands to its end; yields the bytes read with every piece."""
    while chunk := file.read(_CHUNK):
        content.update(chunk)
        yield len(chunk)


def size_of(path: Path) -> int | None:
    """None where there is no such file."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def amount(size: int) -> str:
    """Bytes for reading."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def make_room(folder: Path, need: int, name: str, variable: str) -> None:
    """Make the folder where `need` more bytes of `name` will lie. Raises OutputError on a disk too small.

    variable: of the environment, which moves the cache to another disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if need > free:
        raise OutputError(
            f"{name} needs {amount(need)} more, there are {amount(free)} free; "
            f"make room, or set {variable} to a folder on another disk"
        )


def forget_oldest(folder: Path, limit: int, kind: str = "safetensors") -> None:
    """Remove files of a kind from a folder until `limit` bytes are left, the longest unused first."""
    kept = [(path.stat(), path) for path in folder.glob(f"*.{kind}")]
    kept.sort(key=lambda entry: entry[0].st_mtime_ns, reverse=True)
    held = 0
    for facts, path in kept:
        held += facts.st_size
        if held > limit:
            path.unlink(missing_ok=True)

"""Results of jobs by what is in them: a file is kept once, under its own hash, and linked where it is wanted.

assets/ab/abcdef….mp4    in the user's data; whole, or not there
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from moviola.errors import InputError, OutputError
from moviola.shelf import home
from moviola.weights.disk import hashing


@dataclass(frozen=True, slots=True)
class Asset:
    """sha256: in hexadecimal digits. size: in bytes."""

    path: Path
    sha256: str
    size: int


def folder() -> Path:
    return home() / "assets"


def keep(file: Path, *, sha256: str | None = None) -> Asset:
    """Take a whole file in; it stays where it is too, and takes no more room on the same disk.

    sha256: what it must have. Raises InputError where its hash is another one, OutputError where it cannot
    be kept.
    """
    with _writing(folder()):
        asset = _measured(file)
        if sha256 is not None and asset.sha256 != sha256:
            raise InputError(f"{file} is not what was fetched: its hash is {asset.sha256}, not {sha256}")
        place = folder() / asset.sha256[:2] / f"{asset.sha256}{file.suffix}"
        _put(file, place)
    return Asset(place, asset.sha256, asset.size)


def find(sha256: str) -> Asset | None:
    """A file that was kept, if what is there still is what was kept."""
    for path in sorted((folder() / sha256[:2]).glob(f"{sha256}*")):
        if path.stem == sha256:
            asset = _measured(path)
            if asset.sha256 == sha256:
                return asset
    return None


def link(asset: Asset, where: Path, *, overwrite: bool = False) -> Path:
    """Give the user a file: the same one under another name, or a copy where the disk is another.

    Raises OutputError where another file is there already, or none can be written. Until it is whole nothing
    is there, or what was there before.
    """
    with _writing(where.parent):
        if where.exists() and not overwrite and not _is(where, asset):
            raise OutputError(f"{where} exists already; choose another name or pass --overwrite")
        _put(asset.path, where)
    return where


def prune(wanted: Collection[str]) -> int:
    """Remove all files but those with these hashes; what was linked stays where it was linked to.

    Returns how many bytes they had.
    """
    freed = 0
    with _writing(folder()):
        for path in folder().glob("??/*"):
            if path.stem not in wanted:
                freed += path.stat().st_size
                path.unlink()
    return freed


def _measured(path: Path) -> Asset:
    content, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        for read in hashing(file, content):
            size += read
    return Asset(path, content.hexdigest(), size)


def _is(path: Path, asset: Asset) -> bool:
    return path.is_file() and path.stat().st_size == asset.size and _measured(path).sha256 == asset.sha256


def _put(file: Path, place: Path) -> None:
    """Let a file be at a place too, as a link where that can be; it comes there whole."""
    place.parent.mkdir(parents=True, exist_ok=True)
    new = place.with_name(f".{place.name[-40:]}.{secrets.token_hex(4)}")
    try:
        try:
            os.link(file, new)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
                raise
            shutil.copyfile(file, new)
        _sync(new)
        new.replace(place)
    finally:
        # It is still there where `place` was a link to the same file: renaming then does nothing.
        new.unlink(missing_ok=True)
    _sync(place.parent)


def _sync(path: Path) -> None:
    """Let what was written reach the disk; of a folder, the names in it."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _writing(where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            line = f"the disk of {where} is full; make room, then run: moviola jobs resume"
            raise OutputError(line) from error
        raise OutputError(f"cannot write {error.filename or where}: {error.strerror}") from error

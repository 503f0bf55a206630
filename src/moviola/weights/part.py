"""A file that is on its way: NAME.part until it is whole, with the hash of what has come."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from moviola.errors import OutputError
from moviola.weights.disk import Beat, hashing

try:
    import fcntl
except ImportError:  # Windows: two processes on one file are not kept apart there
    fcntl = None  # type: ignore[assignment]


def part_path(path: Path) -> Path:
    """Where a file lies until it is whole."""
    return path.with_name(f"{path.name}.part")


@contextmanager
def part_of(path: Path) -> Iterator[Part]:
    """What is here of a file, to be gone on with. Raises OutputError where another process is at it."""
    with part_path(path).open("a+b") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutputError(f"another process is downloading {path}") from None
        yield Part(path, file)


class Part:
    """size: bytes that were hashed; those already there count once `read` is through."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.size = 0
        self._path, self._file, self._hash = path, file, hashlib.sha256()

    def read(self) -> Iterator[int]:
        """Hash what is there; yields its size now and then."""
        there, due = os.fstat(self._file.fileno()).st_size, Beat()
        self._file.seek(0)
        for read in hashing(self._file, self._hash):
            self.size += read
            if due():
                yield there

    def add(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def clear(self) -> None:
        """Begin anew."""
        self._file.seek(0)
        self._file.truncate()
        self.size, self._hash = 0, hashlib.sha256()

    def digest(self) -> str:
        """The sha256 of what has come, in hexadecimal digits."""
        return self._hash.hexdigest()

    def finish(self, *, sync: bool = False) -> None:
        """Give the file its own name. sync: once all of it is on the disk, should the machine go down now."""
        if sync:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()
        part_path(self._path).replace(self._path)

    def discard(self) -> None:
        """Remove the file."""
        self._file.close()
        part_path(self._path).unlink()

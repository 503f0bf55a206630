"""Which processes are at work on a store: each holds a lock as long as it lives, however it ends."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Collection
from pathlib import Path
from typing import IO

import sqlalchemy as sa

from moviola.errors import OutputError
from moviola.jobs.store import Store


class Presence:
    """This process among those on one store. name: of this process, never used twice."""

    def __init__(self, store: Store) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(6)}"
        self._store = store
        self._file: IO[str] | None = None
        self._open: sa.Connection | None = None

    def begin(self) -> None:
        """Be seen by the others. Raises MoviolaError."""
        folder = _folder(self._store)
        if folder is None:
            with self._store.explained():
                self._open = self._store.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                # Its end is to be the connection's, and not that it lies in a pool.
                self._open.detach()
                lock = sa.text("SELECT pg_advisory_lock(hashtextextended(:name, 0))")
                self._open.execute(lock, _of(self.name))
            return
        try:
            folder.mkdir(exist_ok=True, mode=0o700)
            self._file = (folder / self.name).open("w")
        except OSError as error:
            raise OutputError(f"cannot write in {folder.parent}: {error.strerror}") from error
        _held(self._file)

    def gone(self, names: Collection[str]) -> list[str]:
        """Those of the names whose processes are no more."""
        return [name for name in names if name != self.name and not is_alive(self._store, name)]

    def end(self) -> None:
        if self._open is not None:
            self._open.close()
        if self._file is not None:
            Path(self._file.name).unlink(missing_ok=True)
            self._file.close()


def is_alive(store: Store, name: str) -> bool:
    """Whether the process of that name is at work."""
    folder = _folder(store)
    if folder is not None:
        try:
            with (folder / name).open("r+") as file:
                alive = not _held(file)
        except FileNotFoundError:
            return False
        except OSError:
            # Of a store that cannot be written nobody can say, and nobody takes anything over.
            return True
        if not alive:
            (folder / name).unlink(missing_ok=True)
        return alive
    with store.explained(), store.engine.connect() as open_:
        # The lock goes with the transaction, which ends here.
        locked = sa.text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")
        return not open_.execute(locked, _of(name)).scalar()


def _of(name: str) -> dict[str, str]:
    return {"name": f"moviola {name}"}


def _folder(store: Store) -> Path | None:
    return None if store.path is None else store.path.with_name(f"{store.path.name}.workers")


def _held(file: IO[str]) -> bool:
    """Hold a file until it is closed; False where another process does."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

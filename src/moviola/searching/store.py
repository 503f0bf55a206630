"""The index on disk: the moments of the videos of a folder, and the embedding of each.

One SQLite file with sqlite-vec. It holds a collection for every folder, model and way of cutting that it was
searched with; collections know nothing of each other. Embeddings are plain blobs that are compared one by
one: exact, whatever their width, with no limit to how many are asked for, equals in an order that is fixed,
and written several times as fast as into sqlite-vec's own tables, which answer a little sooner.

A rollback journal, and no write-ahead log: that needs memory shared between all readers, which network
shares lack, and a folder of videos often lies on one. What a video has to say is written in one transaction.

The package apsw brings a SQLite of its own: Python's is often built without extensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from moviola.errors import InputError, MissingExtraError, MoviolaError, OutputError

if TYPE_CHECKING:
    import apsw

_APPLICATION = 0x4D6F7653
"""What tells our files from other SQLite files: "MovS"."""

_SCHEMA = 1

_PAGE = 16384
"""Bytes. Five embeddings of 768 numbers to a page; of the default 4096 bytes each wastes a quarter."""

_PATIENCE = 30
"""Seconds to wait for another process that writes; it writes one video at a time."""

_TABLES = """
CREATE TABLE collections (
    id INTEGER PRIMARY KEY,
    folder TEXT NOT NULL,
    model TEXT NOT NULL,
    weights TEXT NOT NULL,
    cutting TEXT NOT NULL,
    UNIQUE (folder, model, weights, cutting)
);
CREATE TABLE videos (
    id INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    error TEXT,
    UNIQUE (collection, path)
);
CREATE TABLE moments (
    id INTEGER PRIMARY KEY,
    video INTEGER NOT NULL REFERENCES videos ON DELETE CASCADE,
    start REAL NOT NULL,
    stop REAL NOT NULL,
    embedding BLOB NOT NULL
);
CREATE INDEX moments_of_video ON moments (video);
"""

_NEAREST = """
WITH compared AS MATERIALIZED (
    SELECT path, start, stop, 1 - vec_distance_cosine(embedding, ?) AS similarity
    FROM moments JOIN videos ON videos.id = moments.video
    WHERE collection = ?
)
SELECT path, start, stop, similarity, (SELECT avg(similarity) FROM compared)
FROM compared
ORDER BY similarity DESC, path, start
LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Key:
    """What a collection is of.

    folder: of the videos, as seen from the index. model: id. weights: which exactly.
    cutting: how videos are cut into moments and shown to the model.
    """

    folder: str
    model: str
    weights: str
    cutting: str


@dataclass(frozen=True, slots=True)
class State:
    """What tells one state of a file from another. size: in bytes. modified: in nanoseconds."""

    size: int
    modified: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A moment of the video at `path`. similarity: cosine of the angle to what was looked for."""

    path: str
    start: float
    stop: float
    similarity: float


class Store:
    """One collection of an index. Paths are relative to its folder, with slashes."""

    def __init__(self, connection: apsw.Connection, path: Path, key: Key) -> None:
        self._connection = connection
        self._path = path
        self._key = key.folder, key.model, key.weights, key.cutting

    def states(self) -> dict[str, State]:
        """Of the files that were indexed, or that could not be read, as they were then."""
        rows = self._rows("SELECT path, size, modified FROM videos WHERE collection = ?")
        return {path: State(size, modified) for path, size, modified in rows}

    def errors(self) -> dict[str, str]:
        """The videos that could not be read, by path, and why."""
        query = "SELECT path, error FROM videos WHERE collection = ? AND error IS NOT NULL ORDER BY path"
        return dict(self._rows(query))

    def counts(self) -> tuple[int, int]:
        """How many videos could be read, and how many moments there are in them."""
        query = (
            "SELECT count(DISTINCT videos.id), count(*) FROM videos JOIN moments ON video = videos.id "
            "WHERE collection = ?"
        )
        ((videos, moments),) = self._rows(query)
        return videos, moments

    def nearest(self, embedding: NDArray[np.float32], count: int) -> tuple[list[Hit], float]:
        """So many moments most similar to an embedding (width,), and the mean similarity of all moments.

        The most similar first; those that are as similar by path and time. The mean of no moments is 0.
        """
        with _told(self._path):
            values = embedding.tobytes(), self._collection(), count
            found = list(self._connection.execute(_NEAREST, values))
        return [Hit(*row[:4]) for row in found], found[0][4] if found else 0.0

    def put(
        self,
        path: str,
        state: State,
        moments: Sequence[tuple[float, float]],
        embeddings: NDArray[np.float32],
    ) -> None:
        """Keep the moments (start, stop) of a video and their embeddings (N, width), and nothing older."""
        with self._changing():
            video = self._put_video(path, state, None)
            self._connection.executemany(
                "INSERT INTO moments VALUES (NULL, ?, ?, ?, ?)",
                (
                    (video, start, stop, embedding.tobytes())
                    for (start, stop), embedding in zip(moments, embeddings, strict=True)
                ),
            )

    def put_error(self, path: str, state: State, error: str) -> None:
        """Keep that a file could not be read, and why; nothing older."""
        with self._changing():
            self._put_video(path, state, error)

    def remove(self, paths: Iterable[str]) -> None:
        """Forget videos."""
        with self._changing():
            for path in paths:
                self._remove(path)

    def _put_video(self, path: str, state: State, error: str | None) -> int:
        run = self._connection.execute
        run("INSERT OR IGNORE INTO collections VALUES (NULL, ?, ?, ?, ?)", self._key)
        self._remove(path)
        values = self._collection(), path, state.size, state.modified, error
        run("INSERT INTO videos VALUES (NULL, ?, ?, ?, ?, ?)", values)
        return self._connection.last_insert_rowid()

    def _remove(self, path: str) -> None:
        values = self._collection(), path
        self._connection.execute("DELETE FROM videos WHERE collection = ? AND path = ?", values)

    def _rows(self, query: str) -> list[Any]:
        with _told(self._path):
            return list(self._connection.execute(query, (self._collection(),)))

    def _collection(self) -> int:
        """0, which is none, before anything was put into it."""
        query = "SELECT id FROM collections WHERE folder = ? AND model = ? AND weights = ? AND cutting = ?"
        return next((number for (number,) in self._connection.execute(query, self._key)), 0)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """All of it, or nothing."""
        with _told(self._path), self._connection:
            yield


@contextmanager
def opened(path: Path, key: Key) -> Iterator[Store]:
    """A collection of the index at `path`; both are made where they are not there.

    Raises InputError where the file is none of ours or damaged; OutputError where it cannot be written or
    another process holds it; MissingExtraError. The same goes for all methods of the store.
    """
    try:
        import apsw
        import sqlite_vec
    except ImportError as error:
        raise MissingExtraError("searching", "local") from error
    with _told(path):
        connection = apsw.Connection(str(path))
    try:
        with _told(path):
            connection.set_busy_timeout(_PATIENCE * 1000)
            connection.transaction_mode = "IMMEDIATE"
            connection.enable_load_extension(True)
            connection.load_extension(sqlite_vec.loadable_path())
            connection.enable_load_extension(False)
            connection.execute("PRAGMA foreign_keys = ON")
            _check(connection, path)
        yield Store(connection, path, key)
    finally:
        connection.close()


def _check(connection: apsw.Connection, path: Path) -> None:
    """Make the tables in an empty file; refuse one that is not ours."""
    if connection.pragma("page_count") == 0:
        connection.pragma("page_size", _PAGE)
        with connection:
            if connection.pragma("application_id") == 0:  # or another process was faster
                connection.execute(_TABLES)
                connection.pragma("application_id", _APPLICATION)
                connection.pragma("user_version", _SCHEMA)
    if connection.pragma("application_id") != _APPLICATION:
        raise InputError(f"{path} is no index of moviola; name another file with --index")
    if (schema := connection.pragma("user_version")) != _SCHEMA:
        raise InputError(
            f"{path} is an index of kind {schema}, this moviola knows kind {_SCHEMA}; "
            "name another file with --index"
        )


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Inside, what SQLite has to complain of is raised as one line."""
    import apsw

    try:
        yield
    except apsw.Error as error:
        raise _line(error, path) from error


def _line(error: apsw.Error, path: Path) -> MoviolaError:
    import apsw

    other = "name another file with --index"
    if isinstance(error, apsw.CantOpenError | apsw.ReadOnlyError | apsw.PermissionsError):
        return OutputError(f"the index {path} cannot be written; {other}")
    if isinstance(error, apsw.FullError):
        return OutputError(f"the disk of the index {path} is full; make room, or {other}")
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return OutputError(f"the index {path} is held by another process; try again when it is done")
    if isinstance(error, apsw.IOError):
        return OutputError(f"the index {path} cannot be read or written ({error}); {other}")
    if isinstance(error, apsw.NotADBError):
        return InputError(f"{path} is no index of moviola; {other}")
    return InputError(f"the index {path} is damaged ({error}); take it away, or {other}")

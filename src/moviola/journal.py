"""What is done of a long job, on disk, so that the same command goes on where a crash left it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from moviola.errors import OutputError
from moviola.frames import Frames
from moviola.model import Committed, Place

try:
    import fcntl
except ImportError:  # Windows: two processes on one output are not kept apart there
    fcntl = None  # type: ignore[assignment]


class Journal:
    """The work folder of one output: its journal, its tail, and room for a sink's segments.

    folder: made if absent, next to the output, removed by `close(done=True)`.
    identity: what makes two jobs the same; work left by another identity is thrown away.

    Raises OutputError when another process is at work in the folder, or it cannot be written.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.folder = folder
        self._log = folder / "journal.jsonl"
        head = json.dumps(identity, sort_keys=True)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = locked(folder / "lock")
            lines = self._log.read_text().splitlines() if self._log.exists() else []
            if lines[:1] == [head]:
                # A crash in the middle of a line leaves half a record; that window is not done.
                lines = [head, *(line for line in lines[1:] if line.endswith("}"))]
            else:
                self._clear()
                lines = [head]
            self._log.write_text("\n".join(lines) + "\n")
        except OSError as error:
            raise OutputError(f"cannot write in {folder.parent}: {error.strerror}") from None
        self._records = [json.loads(line) for line in lines[1:]]

    @property
    def windows(self) -> int:
        """How many windows are done."""
        return len(self._records)

    @property
    def frames(self) -> int:
        """How many frames of the result are done."""
        return sum(record["frames"] for record in self._records)

    def place(self) -> Place:
        """Where the work goes on."""
        if not self._records:
            return Place()
        last = self._records[-1]
        tail = _load(self._tail(last["number"])) if last["tail"] else None
        return Place(last["number"] + 1, last["stop"], tail)

    def commit(self, window: Committed, *, frames: int) -> None:
        """Record that a window is done, with the number of frames it gave, once these are safely on disk."""
        if window.tail is not None:
            _save(self._tail(window.number), window.tail)
        record = {
            "number": window.number,
            "stop": window.stop,
            "frames": frames,
            "tail": window.tail is not None,
        }
        with self._log.open("a") as log:
            log.write(json.dumps(record) + "\n")
            _sync(log)
        self._records.append(record)
        self._tail(window.number - 1).unlink(missing_ok=True)

    def close(self, *, done: bool) -> None:
        """Let go of the folder; when the work is done, or nothing of it is, it goes away."""
        if done or not self._records:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(done=kind is None)

    def _tail(self, number: int) -> Path:
        return self.folder / f"tail-{number:06d}.npz"

    def _clear(self) -> None:
        for entry in self.folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != "lock":
                entry.unlink()


def locked(path: Path) -> IO[str]:
    """Hold a file until it is closed or the process ends. Raises OutputError where another one holds it."""
    lock = path.open("w")
    if fcntl is not None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise OutputError(f"another process is writing this output (it holds {path})") from None
    return lock


def _save(path: Path, frames: Frames) -> None:
    with path.open("wb") as file:
        np.savez(file, data=frames.data, pts=frames.pts_seconds, duration=frames.duration_seconds)
        _sync(file)


def _load(path: Path) -> Frames:
    with np.load(path, allow_pickle=False) as stored:
        return Frames(stored["data"], stored["pts"], stored["duration"])


def _sync(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())

"""Answers that were paid for, kept on disk: who asks the same again is not asked to pay again.

Each lies in a file of its own, HASH.json with mode 600, by the hash of all that decides it; HASH.sent.json
says that a question has left whose answer did not come yet, or was lost. What was not used for the longest
goes first. A folder that cannot be written keeps nothing, and is no error.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moviola.hosted.service import Value
from moviola.weights.disk import forget_oldest

LIMIT = 256 * 2**20
"""Bytes that are kept: some hundred thousand answers."""


@dataclass(frozen=True, slots=True)
class Heard(Value):
    """A whole answer. Tokens are those the provider reports, None where it does not; of the prompt's, cached
    are those that it found in its cache, and written those that it put there. cut: whether the answer met the
    longest it may be."""

    text: str
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    cached_tokens: int = 0
    written_tokens: int = 0
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """asked: when it was paid for."""

    heard: Heard
    asked: datetime


class Answers:
    """Those in a folder, which need not be there yet."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self._folder, self._limit = folder, limit

    def recall(self, decided_by: Sequence[str | bytes]) -> Kept | None:
        """The answer that all this decides; None where it is not kept, or damaged."""
        path = self._path(decided_by)
        try:
            held = json.loads(path.read_bytes())
            kept = Kept(Heard.of(held["heard"]), datetime.fromisoformat(held["asked"]))
            os.utime(path)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return kept

    def sending(self, decided_by: Sequence[str | bytes], now: float) -> datetime | None:
        """Write down that a question is about to leave, at `now`.

        Returns when it left before, where what came of that is not known: it may be paid for.
        """
        path = self._path(decided_by, ".sent")
        before = None
        with suppress(OSError, ValueError, KeyError, TypeError):
            before = datetime.fromisoformat(json.loads(path.read_bytes())["asked"])
        self._write(path, {"asked": _time(now)})
        return before

    def over(self, decided_by: Sequence[str | bytes]) -> None:
        """What came of the question that was about to leave is known."""
        with suppress(OSError):
            self._path(decided_by, ".sent").unlink(missing_ok=True)

    def keep(self, decided_by: Sequence[str | bytes], heard: Heard, now: float, **facts: Any) -> None:
        """now: when it was asked, in seconds since 1970. facts: what else a reader may want to know of it."""
        self._write(self._path(decided_by), {**facts, "asked": _time(now), "heard": heard.json()})
        self.over(decided_by)

    def _write(self, path: Path, held: Mapping[str, Any]) -> None:
        written = json.dumps(held, ensure_ascii=False, indent=1)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(written.encode())
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
            forget_oldest(self._folder, self._limit, "json")
        except OSError:
            with suppress(OSError):
                partial.unlink(missing_ok=True)

    def _path(self, decided_by: Sequence[str | bytes], what: str = "") -> Path:
        content = hashlib.sha256()
        for part in decided_by:
            encoded = part.encode() if isinstance(part, str) else part
            content.update(b"%d:%b" % (len(encoded), encoded))
        return self._folder / f"{content.hexdigest()}{what}.json"


def _time(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")

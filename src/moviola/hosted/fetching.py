"""Bringing what was made to this machine: whole or not at all."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import httpx

from moviola.errors import HostedError, LinkGoneError, OutputError, ProviderDownError
from moviola.hosted.patience import pause
from moviola.hosted.service import Output, Rules, Value
from moviola.hosted.transport import Secrets, Transport
from moviola.model import Note, Progress
from moviola.weights.disk import Beat, amount
from moviola.weights.part import Part, part_of
from moviola.weights.place import told_of_disk

MOST_BYTES = 4 * 2**30
"""Of a file, where nobody says otherwise."""

_STALLED = 30.0
"""Seconds in which at least `_LEAST` bytes have to come, or the connection counts as broken."""

_LEAST = 16 * 2**10

_GONE = (401, 403, 404, 410)
"""What storages answer to a link that has expired."""


@dataclass(frozen=True, slots=True)
class Fetched(Value):
    """A file that is here. kind: its media type. size: in bytes."""

    path: str
    sha256: str
    size: int
    kind: str


def suffix(kind: str) -> str:
    """What files of a media type end in."""
    return mimetypes.guess_extension(kind.partition(";")[0].strip()) or ".bin"


def fetch(
    transport: Transport,
    output: Output,
    path: Path,
    rules: Rules,
    secrets: Secrets | None = None,
    most_bytes: int = MOST_BYTES,
) -> Generator[Progress | Note, None, Fetched]:
    """Bring a file to `path`; until it is whole it lies beside it as NAME.part, which an error leaves behind.

    A connection that breaks is gone on from where it was, if the server can. secrets: headers for a file that
    is locked. Raises LinkGoneError;
    HostedError for a file above `most_bytes`; ProviderDownError after `rules.attempts` in a row that brought
    nothing; OutputError where the disk is full or another process is at it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part_of(path) as part:
            # What a former run left has no name of its state: it may be of another file by now.
            part.clear()
            transfer = _Transfer(transport, output, part, secrets or {}, most_bytes)
            failures = 0
            while not transfer.whole:
                before = part.size
                try:
                    yield from transfer.go_on()
                except ProviderDownError as error:
                    failures = 0 if part.size > before else failures + 1
                    if not error.passing or failures >= rules.attempts:
                        raise
                    seconds = pause(failures, error, rules, transport.clock)
                    yield Note(f"{error}; going on with the download in {seconds:.0f} s")
                    transport.clock.sleep(seconds)
                except HostedError:
                    part.discard()
                    raise
            fetched = Fetched(str(path), part.digest(), part.size, transfer.kind)
            part.finish(sync=True)
    except OSError as error:
        raise told_of_disk(error, path.parent, "moviola jobs resume") from error
    return fetched


class _Transfer:
    """kind: media type, as the server says where it says more than that it is bytes."""

    def __init__(
        self, transport: Transport, output: Output, part: Part, secrets: Secrets, most_bytes: int
    ) -> None:
        self._secrets = secrets
        self.whole, self.kind = False, output.kind
        self._transport, self._url, self._part, self._most = transport, output.url, part, most_bytes
        self._validator: str | None = None

    def go_on(self) -> Generator[Progress, None, None]:
        """Ask once, and add what comes. Raises ProviderDownError where that is not all of it."""
        headers = {}
        if self._part.size and self._validator:
            headers = {"Range": f"bytes={self._part.size}-", "If-Range": self._validator}
        with self._transport.stream(self._url, headers, self._secrets) as answer:
            self._check(answer)
            if answer.status_code != httpx.codes.PARTIAL_CONTENT or not headers:
                self._part.clear()
            total = self._total(answer)
            etag = answer.headers.get("ETag", "")
            # A weak ETag stands for what is only as good as the same, and does not go with ranges.
            self._validator = etag if etag and not etag.startswith("W/") else None
            yield from self._read(answer, total)
        if total is not None and self._part.size != total:
            raise ProviderDownError(f"{answer.url.host} sent {self._part.size} bytes of {total}")
        if not self._part.size:
            raise ProviderDownError(f"{answer.url.host} sent an empty file")
        self.whole = True

    def _check(self, answer: httpx.Response) -> None:
        status, host = answer.status_code, answer.url.host
        if status in _GONE:
            raise LinkGoneError(f"{host} has the file no more, or not for this link (status {status})")
        if status not in (200, 206):
            passing = status in (408, 429) or status >= 500
            raise ProviderDownError(f"{host} does not send the file (status {status})", passing=passing)
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise ProviderDownError(f"{host} sends the file packed, though asked not to", passing=False)
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if kind.startswith(("video/", "image/", "audio/")):
            self.kind = kind

    def _total(self, answer: httpx.Response) -> int | None:
        """Bytes of the whole file; None where the server does not say."""
        said = answer.headers.get("Content-Length", "")
        total = int(said) + self._part.size if said.isdecimal() else None
        if total is not None:
            self._refuse_above(total)
        return total

    def _read(self, answer: httpx.Response, total: int | None) -> Generator[Progress, None, None]:
        clock, due = self._transport.clock, Beat()
        since, marked = clock.steady(), self._part.size
        for data in answer.iter_raw():
            self._refuse_above(self._part.size + len(data))
            self._part.add(data)
            if clock.steady() - since > _STALLED:
                if self._part.size - marked < _LEAST:
                    raise ProviderDownError(f"{answer.url.host} sends the file too slowly")
                since, marked = clock.steady(), self._part.size
            if due():
                yield Progress(self._part.size, total, "bytes")
        yield Progress(self._part.size, total, "bytes")

    def _refuse_above(self, size: int) -> None:
        if size > self._most:
            raise HostedError(
                f"the file that was made is above the {amount(self._most)} that are taken; nothing is kept"
            )


def put(content: bytes, output: Output, path: Path) -> Fetched:
    """Write what came within an answer to `path`, whole or not at all. Raises OutputError, HostedError."""
    if not content:
        raise HostedError("the file that was made is empty")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part_of(path) as part:
            part.clear()
            part.add(content)
            fetched = Fetched(str(path), part.digest(), part.size, output.kind)
            part.finish(sync=True)
    except OSError as error:
        raise told_of_disk(error, path.parent, "moviola jobs resume") from error
    return fetched


def is_here(fetched: Fetched) -> bool:
    """Whether a file that was fetched still lies there, as it was."""
    path = Path(fetched.path)
    try:
        return path.stat().st_size == fetched.size and sha256_of(path) == fetched.sha256
    except OSError:
        return False


def sha256_of(path: Path) -> str:
    """Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_folder(folder: Path) -> None:
    """Raises OutputError, before anything is paid for, where results could not be kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror}") from None

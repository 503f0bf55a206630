"""Single files at an address, in Moviola's own cache; `record` says where and how."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from moviola.card import ModelCard, Weights
from moviola.errors import InputError, MoviolaError
from moviola.model import Note, Progress
from moviola.weights.disk import Beat, amount, hashing, make_room, size_of
from moviola.weights.part import Part, part_of, part_path
from moviola.weights.place import explaining, told_of_disk
from moviola.weights.record import (
    Record,
    State,
    cache,
    folder_of,
    host_of,
    name_of,
    read_record,
    write_record,
)


@dataclass(slots=True)
class File:
    """A file at an address, and what of it is here.

    folder: of its own, in the cache. record: as its server says now, or as `origin.json` did.
    """

    card: ModelCard
    weights: Weights
    folder: Path
    record: Record
    fetched: bool = False

    @property
    def path(self) -> Path:
        return self.folder / name_of(self.record.url)

    @property
    def revision(self) -> str | None:
        return self.record.sha256

    @property
    def size(self) -> int:
        return self.record.state.size

    def held(self) -> int:
        return self.size if self.whole() else self._begun()

    def whole(self) -> bool:
        """Whether the file is here: of the size it had, and with a hash that the card agrees with."""
        known = self.record.sha256
        return known is not None and _fits(known, self.weights) and size_of(self.path) == self.size

    def fetch(self) -> Generator[int | Note, None, None]:
        """Bring the bytes that are missing. The file gets its name if all together have the right hash."""
        if self.whole():
            return
        from moviola.weights.transfer import Transfer, client

        begun, url = self._begun(), self.record.url
        make_room(self.folder, self.size - begun, self.path.name, "MOVIOLA_CACHE")
        yield Note(f"downloading {amount(self.size - begun)} of {self.path.name} from {host_of(url)}")
        with part_of(self.path) as part, client() as asking:
            if begun:
                yield from part.read()
            else:
                part.clear()
            self._know(self.record)
            yield from Transfer(asking, url, part, self.record.state, self._renewed).rest()
            self._settle(part)
        self.fetched = True

    def check(self, *, everything: bool) -> Iterator[Progress | Note]:
        """Hash the file once more, unless it came just now and was hashed on the way."""
        if not everything or self.fetched:
            return
        yield Note(f"checking {self.path.name}")
        done, due, content = 0, Beat(), hashlib.sha256()
        with self.path.open("rb") as file:
            for read in hashing(file, content):
                done += read
                if due():
                    yield Progress(done, self.size, "bytes")
        yield Progress(done, self.size, "bytes")
        if content.hexdigest() != self.record.sha256:
            self.path.unlink()
            raise InputError(
                f"{self.path.name} of {self.record.url} failed the check of its hash and is removed; "
                f"run: moviola pull {self.card.id}"
            )

    def _begun(self) -> int:
        """How many bytes can be gone on from: those of the state that the server has, if it can tell."""
        before, state = read_record(self.folder), self.record.state
        if before is None or before.state != state or state.validator is None:
            return 0
        begun = size_of(part_path(self.path)) or 0
        return begun if begun <= state.size else 0

    def _know(self, record: Record) -> None:
        self.record = record
        write_record(self.folder, record)

    def _renewed(self, state: State) -> None:
        self._know(self.record.model_copy(update={"state": state}))

    def _settle(self, part: Part) -> None:
        found, pinned = part.digest(), self.record.sha256
        if _fits(found, self.weights) and pinned in (None, found):
            self._know(self.record.model_copy(update={"sha256": found}))
            part.finish()
            return
        part.discard()
        expected = pinned or self.weights.sha256 or ""
        anew = f"; if it was published anew, first remove {self.folder}" if pinned else ""
        raise InputError(
            f"{self.record.url} failed the check of its hash ({found[:12]}, not {expected[:12]}) "
            f"and is removed; run: moviola pull {self.card.id}{anew}"
        )


def here(card: ModelCard, weights: Weights) -> File | None:
    """What was pulled of the file before; None where that is nothing."""
    folder = folder_of(_url(weights))
    record = read_record(folder)
    if record is None:
        return None
    file = File(card, weights, folder, record)
    return file if file.held() else None


def there(card: ModelCard, weights: Weights) -> File:
    """What the file's server says of it. Raises InputError where it is not the one that was pulled before."""
    from moviola.weights.transfer import client, state_of

    url, folder = _url(weights), folder_of(_url(weights))
    with client() as asking:
        state = state_of(asking, url)
    before = read_record(folder)
    if before is None or before.sha256 is None or not _fits(before.sha256, weights):
        return File(card, weights, folder, Record(url=url, state=state))
    if before.state.size != state.size:
        raise InputError(
            f"{url} is not the file it was when it was pulled first; "
            f"to take what it is now, remove {folder} and run: moviola pull {card.id}"
        )
    return File(card, weights, folder, Record(url=url, state=state, sha256=before.sha256))


def explained(card: ModelCard, weights: Weights) -> AbstractContextManager[None]:
    """Turns what goes wrong on the way from the server to the disk into one line for the user."""
    return explaining(lambda error: _told(error, card, weights))


def origin(weights: Weights, folder: Path) -> dict[str, str]:
    """The address and the hash of the file that lies in `folder`."""
    record = read_record(folder)
    known = {} if record is None or record.sha256 is None else {"sha256": record.sha256}
    return {"url": _url(weights)} | known


def _url(weights: Weights) -> str:
    assert weights.url is not None
    return weights.url


def _fits(digits: str, weights: Weights) -> bool:
    """Whether a hash is the one that the card names, as far as it does."""
    return digits.startswith((weights.sha256 or "").lower())


def _told(error: Exception, card: ModelCard, weights: Weights) -> MoviolaError | None:
    import httpx

    url, again = _url(weights), f"moviola pull {card.id}"
    match error:
        case httpx.HTTPStatusError():
            status = error.response.status_code
            if status in (404, 410):
                return InputError(f"there is no {url} (answer {status})")
            if status in (401, 403):
                return InputError(
                    f"{host_of(url)} answered {status} for {url}; "
                    f"download it in another way and name it with --weights FILE"
                )
            return InputError(f"{host_of(url)} answered {status} for {url}; later run: {again}")
        case httpx.UnsupportedProtocol() | httpx.TooManyRedirects() | httpx.InvalidURL():
            return InputError(f"{url} cannot be asked for: {_reason(error)}")
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.ProxyError():
            return InputError(
                f"no network to {host_of(url)} ({_reason(error)}); "
                f"once there is, what is missing comes with: {again}"
            )
        case httpx.TransportError():
            return InputError(
                f"the connection to {host_of(url)} broke ({_reason(error)}); go on with: {again}"
            )
        case OSError():
            return told_of_disk(error, cache(), again)
    return None


def _reason(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__

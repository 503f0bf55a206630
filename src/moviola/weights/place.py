"""What the kinds of places that weights come from have in common."""

from __future__ import annotations

import errno
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from moviola.card import ModelCard, Weights
from moviola.errors import MoviolaError, OutputError
from moviola.model import Note, Progress


class Holding(Protocol):
    """What one entry of a card's `weights` comes to: which bytes it is, and which of them are here."""

    @property
    def folder(self) -> Path:
        """Where it lies, or will."""

    @property
    def revision(self) -> str | None:
        """Which state of it this is: a commit, a hash; None where that is not known."""

    @property
    def size(self) -> int:
        """Of all that is needed, in bytes."""

    def held(self) -> int:
        """How many of these bytes are here."""

    def whole(self) -> bool:
        """Whether nothing is missing, by the sizes of files alone."""

    def fetch(self) -> Generator[int | Note, None, None]:
        """Bring what is missing, checking its hash where that can be done on the way.

        Yields how many bytes of it are here, at least every `disk.BEAT` seconds while they come.
        """

    def check(self, *, everything: bool) -> Iterator[Progress | Note]:
        """Compare hashes of what was fetched, or of everything. What is bad is removed: InputError."""


class Place(Protocol):
    """A kind of place; each is a module of this package."""

    def here(self, card: ModelCard, weights: Weights) -> Holding | None:
        """What this machine knows and has of it, without asking anyone; None where that is nothing."""

    def there(self, card: ModelCard, weights: Weights) -> Holding:
        """What the place itself says of it. Raises MoviolaError, and what `explained` explains."""

    def explained(self, card: ModelCard, weights: Weights) -> AbstractContextManager[None]:
        """Turns what goes wrong on the way from there to the disk into one line for the user."""

    def origin(self, weights: Weights, folder: Path) -> dict[str, str]:
        """What exactly lies in `folder`, for a recipe."""


@contextmanager
def explaining(told: Callable[[Exception], MoviolaError | None]) -> Iterator[None]:
    """Raise what `told` makes of an error instead of it, where it makes something of it."""
    try:
        yield
    except MoviolaError:
        raise
    except Exception as error:
        line = told(error)
        if line is None:
            raise
        raise line from error


def told_of_disk(error: OSError, folder: Path | str, again: str) -> OutputError:
    """The line for a disk that takes no more, or nothing. again: the command that goes on."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"the disk of {folder} is full; make room, then: {again}")
    return OutputError(f"cannot write {error.filename or folder}: {error.strerror}")

"""Weights in a folder of this machine, which a card names."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from moviola.card import ModelCard, Weights
from moviola.errors import InputError
from moviola.model import Note, Progress
from moviola.weights.place import explaining


@dataclass(frozen=True, slots=True)
class Folder:
    """What lies there is what there is."""

    folder: Path
    revision: None = None

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def held(self) -> int:
        return self.size

    def whole(self) -> bool:
        return True

    def fetch(self) -> Generator[int | Note, None, None]:
        """Nothing has to come."""
        yield from ()

    def check(self, *, everything: bool) -> Iterator[Progress | Note]:
        if everything:
            yield Note(f"{self.folder} could not be checked: nobody published its hashes")


def here(card: ModelCard, weights: Weights) -> Folder | None:
    """The folder, unless it is gone."""
    assert weights.folder is not None
    return Folder(weights.folder) if weights.folder.is_dir() else None


def there(card: ModelCard, weights: Weights) -> Folder:
    """Raises InputError where the folder is gone."""
    found = here(card, weights)
    if found is None:
        raise InputError(f"{weights.folder} is gone, and the weights of {card.id} with it")
    return found


def explained(card: ModelCard, weights: Weights) -> AbstractContextManager[None]:
    """Nothing is fetched from a folder, so nothing goes wrong."""
    return explaining(lambda error: None)


def origin(weights: Weights, folder: Path) -> dict[str, str]:
    """The folder as the card names it."""
    return {"folder": str(folder)}

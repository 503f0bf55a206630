"""Weights that a person gets from a page, and names; nothing here can fetch them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn

from moviola.card import ModelCard, Weights
from moviola.errors import InputError
from moviola.weights.place import explaining


def here(card: ModelCard, weights: Weights) -> None:
    """Nothing is kept: what a user names is taken from where it lies."""


def there(card: ModelCard, weights: Weights) -> NoReturn:
    """Raises InputError, which says where to get them."""
    raise InputError(
        f"the weights of {card.id} cannot be pulled: download them from {weights.page} and name them with "
        "--weights (the file, or the folder of the unpacked archive)"
    )


def explained(card: ModelCard, weights: Weights) -> AbstractContextManager[None]:
    """Nothing is fetched, so nothing goes wrong."""
    return explaining(lambda error: None)


def origin(weights: Weights, folder: Path) -> dict[str, str]:
    """The page; which state of it a user has taken is not known."""
    return {"page": str(weights.page)}

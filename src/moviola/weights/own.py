"""What a checkpoint says of itself, in a `moviola.json` beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from moviola.card import ModelCard
from moviola.errors import InputError

OWN_CARD = "moviola.json"
"""A checkpoint's folder may carry the fields of its model's card that differ for it, as JSON."""

_OWN_FIELDS = {
    "limits",
    "native",
    "parts",
    "denoiser",
    "codec",
    "recognition",
    "understanding",
    "embedding",
    "network",
}
_OWN_CARD = TypeAdapter(dict[str, Any])


def own_card(card: ModelCard, checkpoint: Path) -> ModelCard:
    """The card with what a checkpoint says of itself: a folder, or a file in one. Raises InputError."""
    path = (checkpoint.parent if checkpoint.is_file() else checkpoint) / OWN_CARD
    if not path.exists():
        return card
    with reading(path):
        fields = _OWN_CARD.validate_json(path.read_bytes())
        if unknown := fields.keys() - _OWN_FIELDS:
            raise InputError(f"{path}: {min(unknown)} is not one of {', '.join(sorted(_OWN_FIELDS))}")
        return ModelCard.model_validate(card.model_dump() | fields)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Inside, a file of facts that is wrong or cannot be read is told in one line: InputError."""
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "JSON"
        raise InputError(f"{path}: {field}: {first['msg']}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def write_own_card(card: ModelCard, folder: Path) -> None:
    """Keep what the card says of its checkpoint beside it, for `own_card`."""
    fields = card.model_dump(mode="json", include=_OWN_FIELDS)
    (folder / OWN_CARD).write_text(json.dumps(fields, indent=2) + "\n")

"""One's own models, by name: each is a folder, and taking the folder away removes the model.

    NAME/model.safetensors    weights under the network's own names
    NAME/card.json            the model's card, and the family whose code runs it

They lie in the folder for user data, or where the environment's MOVIOLA_HOME says. Folders whose names begin
with a dot are work under way.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from platformdirs import user_data_dir
from pydantic import BaseModel, ConfigDict

from moviola.card import ModelCard, Weights
from moviola.errors import InputError, OutputError, RequestError
from moviola.weights.own import reading

WEIGHTS = "model.safetensors"

_CARD = "card.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


class Own(BaseModel):
    """family: by the name the registry knows it by. base: id of the model it was made from.

    card: without `weights`, which are wherever the folder is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str
    base: str
    card: ModelCard


def home() -> Path:
    """The folder of all that the user makes Moviola keep."""
    given = os.environ.get("MOVIOLA_HOME")
    return Path(given).expanduser() if given else Path(user_data_dir("moviola", appauthor=False))


def folder_of(name: str) -> Path:
    """Where a model lies, or would."""
    return home() / "models" / name


def work_folder(name: str) -> Path:
    """Where the making of a model keeps what it has so far."""
    return folder_of(f".{name}.training")


def named_after(text: str) -> str:
    """A name for a model, as near to a text as names can be. Raises RequestError where nothing is left."""
    name = re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")
    if not name:
        raise RequestError(f"train: name: {text!r} makes no name; give one with --name")
    return name


def own(name: str) -> Own | None:
    """A model that is on the shelf. Raises InputError where its folder cannot be read."""
    folder = folder_of(name)
    if not _NAME.fullmatch(name) or not folder.is_dir():
        return None
    path = folder / _CARD
    with reading(path):
        held = Own.model_validate_json(path.read_bytes())
    weights = (Weights(folder=folder),)
    # The folder may have been renamed.
    return held.model_copy(update={"card": held.card.model_copy(update={"id": name, "weights": weights})})


def owns() -> Iterator[Own]:
    """All models on the shelf, by name. What cannot be read is left out."""
    try:
        names = sorted(entry.name for entry in (home() / "models").iterdir())
    except OSError:
        return
    for name in names:
        try:
            found = own(name)
        except InputError:
            continue
        if found is not None:
            yield found


def put(made: Path, entry: Own) -> Path:
    """Take a finished folder, with its weights in it, onto the shelf, in place of one of the same name.

    Returns where it is now. Raises OutputError.
    """
    folder = folder_of(entry.card.id)
    old = folder_of(f".{entry.card.id}.old")
    held = entry.model_copy(update={"card": entry.card.model_copy(update={"weights": ()})})
    try:
        (made / _CARD).write_text(held.model_dump_json(indent=2) + "\n")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        made.rename(folder)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror}") from error
    shutil.rmtree(old, ignore_errors=True)
    return folder

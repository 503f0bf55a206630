"""Finds the model families: the files in `models/`, and what installed packages name under `moviola.models`.

A family is looked for by the first part of its id, so asking for one model imports one file. What belongs to
no family's cards may be a model of the user's own, on the shelf.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from moviola import models, shelf
from moviola.card import ModelCard
from moviola.errors import InputError, RequestError
from moviola.model import Family

GROUP = "moviola.models"
"""Entry point group: the value is a module that is a `Family`, the name is the family's."""


def _name_of(module: str) -> str:
    """`video_swin` is `video-swin`, `qwen2_5_vl` is `qwen2.5-vl`."""
    return re.sub(r"(?<=\d)_(?=\d)", ".", module).replace("_", "-")


@cache
def _families() -> dict[str, EntryPoint]:
    """Family name to where its module is; our own win over others of the same name."""
    own = {
        _name_of(module.name): EntryPoint(module.name, f"{models.__name__}.{module.name}", GROUP)
        for module in pkgutil.iter_modules(models.__path__)
    }
    return {entry.name: entry for entry in entry_points(group=GROUP)} | own


@cache
def _family(name: str) -> Family:
    return cast(Family, importlib.import_module(_families()[name].value))


def cards() -> Iterator[ModelCard]:
    """All model cards, by family name, and after them the user's own."""
    for name in sorted(_families()):
        yield from _family(name).CARDS
    yield from (own.card for own in shelf.owns() if own.family in _families())


def find(model: str, *, task: str | None = None) -> tuple[Family, ModelCard]:
    """The family and the card for a model id.

    Raises RequestError for an unknown id (with the nearest ones), or a model that does not do `task`;
    InputError for one of the user's own that cannot be read.
    """
    found = _named(model)
    if found is None:
        ids = [card.id for card in cards() if task is None or task in card.tasks]
        near = [id for id in ids if model in id] or difflib.get_close_matches(model, ids, n=3, cutoff=0.4)
        raise RequestError(f"there is no model {model!r}; try {few(near or ids)}, or see: moviola models")
    family, card = found
    if task is not None and task not in card.tasks:
        able = [other.id for other in cards() if task in other.tasks]
        raise RequestError(f"model {model} does not {task}; these do: {few(able)}")
    return _family(family), card


def family_of(card: ModelCard) -> str:
    """The name of the family that has a card."""
    found = _named(card.id)
    assert found is not None, f"{card.id} is of no family"
    return found[0]


def is_published(model: str) -> bool:
    """Whether a family has a model of this id, so that none of one's own may be called so."""
    return _published(model) is not None


def _named(model: str) -> tuple[str, ModelCard] | None:
    """A model and the name of its family."""
    if found := _published(model):
        return found
    own = shelf.own(model)
    if own is None:
        return None
    if own.family not in _families():
        raise InputError(f"{model} is of the family {own.family}, which no installed package has")
    return own.family, own.card


def _published(model: str) -> tuple[str, ModelCard] | None:
    # A family's bare name is the one of its models that it would be taken for.
    model = getattr(_family(model), "DEFAULT", model) if model in _families() else model
    # The longest name first: `cogvideox-fun-5b` belongs to `cogvideox-fun`, not to `cogvideox`.
    for name in sorted((n for n in _families() if model.startswith(n)), key=len, reverse=True):
        for card in _family(name).CARDS:
            if card.id == model:
                return name, card
        named = getattr(_family(name), "named", None)
        if named is not None and model.startswith(f"{name}/"):
            return name, named(model)
    return None


def few(ids: list[str]) -> str:
    """The first few of them."""
    return ", ".join(ids[:5]) + (", …" if len(ids) > 5 else "") or "none"

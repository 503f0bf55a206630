"""Small random recognizers in the published layouts: they prove a family's whole path without its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from moviola.card import ModelCard
from moviola.recognition.checkpoint import save

CLASSES = 7
"""Of every tiny recognizer: a number that nothing else has."""


def saved(
    card: ModelCard,
    folder: Path,
    network: Callable[[ModelCard], nn.Module],
    *,
    recognition: Mapping[str, Any],
    arguments: Mapping[str, Any],
    published: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict,
) -> ModelCard:
    """Write a random network of a small configuration, and return the card that describes it.

    recognition: what of the card's facts differs: frames, short_side, crop …; classes are `CLASSES`.
    arguments: of the network's class. published: from the network's names to those that its authors publish.
    """
    assert card.recognition is not None
    facts = {"labels": None, "names": (), "classes": CLASSES, "single_side": None} | dict(recognition)
    small = card.model_copy(
        update={"recognition": card.recognition.model_copy(update=facts), "network": dict(arguments)}
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = network(small)
    parameters = sum(parameter.numel() for parameter in made.parameters())
    save(published(made.state_dict()), folder / "model.safetensors", own=False)
    part = card.parts[0].model_copy(update={"parameters": parameters})
    return small.model_copy(update={"parts": (part,)})

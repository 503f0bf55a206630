"""Families whose networks the library transformers supplies."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from moviola.card import ModelCard
from moviola.recognition.build import Build, State

if TYPE_CHECKING:
    from torch import nn


def from_transformers(architecture: Literal["videomae", "timesformer", "vjepa2"]) -> Build:
    """How the networks of an architecture, under transformers' name for it, are made and filled.

    The module beside this one that is called like it makes the network and knows the names; it is imported
    when a network is needed, and with it transformers and torch.
    """

    def module() -> Any:
        return import_module(f"moviola.recognition.{architecture}")

    def network(card: ModelCard) -> nn.Module:
        facts = card.recognition
        assert facts is not None
        width, height = facts.crop
        made: nn.Module = module().network(
            classes=facts.classes, frames=facts.frames, size=(height, width), **card.network
        )
        return made

    def names(card: ModelCard, state: State) -> State:
        renamed: State = module().names(state)
        return renamed

    def adapted(card: ModelCard, folder: Path) -> ModelCard:
        from moviola.recognition import config

        return config.adapted(card, folder, architecture)

    return Build(network=network, names=names, adapted=adapted)

"""What a family of recognizers knows of its networks. All else about recognizing is shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from moviola.card import ModelCard
from moviola.errors import MissingExtraError
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from torch import Tensor, nn

State = Mapping[str, "Tensor"]
"""A checkpoint: tensors by name."""


def _same_names(card: ModelCard, state: State) -> State:
    return state


def _same_card(card: ModelCard, folder: Path) -> ModelCard:
    return card


@dataclass(frozen=True, slots=True)
class Build:
    """How a family's networks are made and filled.

    network: a network with random weights from `card.network` (the arguments of its class, as plain JSON
        values), `card.recognition.classes` and `.frames`. It has
            forward(video) → (B, classes) logits, video (B, 3, T, H, W) normalised floats;
            features(video) → (B, D), what the classifier is given;
            head, the classifier: a linear layer from D to classes. `forward` is `head(features(video))`,
                unless the published test averages over positions after it.
        It may have
            fused() → the same for inference alone, with batch normalization folded into convolutions.
        A causal one (`card.recognition.causal`) also has
            step(video, state) → (logits, state): as forward, after all frames since state None; exact for any
                way the video is cut.
    names: a published checkpoint's entries under the network's own names; entries the network does not have
        (fixed position tables, index buffers) are left out.
    adapted: the card as a checkpoint's folder in a library's own layout says (`config.json`), where there is
        one. Own cards (`moviola.json`) come on top.
    """

    network: Callable[[ModelCard], nn.Module]
    names: Callable[[ModelCard, State], State] = _same_names
    adapted: Callable[[ModelCard, Path], ModelCard] = _same_card


def load(card: ModelCard, setup: Setup, build: Build) -> Model:
    """The recognizer, read from `setup.folders`. Raises MissingExtraError, InputError."""
    try:
        from moviola.recognition.recognizer import Recognizer
    except ImportError as error:
        raise MissingExtraError(card.id, "local") from error
    model: Model = Recognizer.read(card, setup, build)
    return model

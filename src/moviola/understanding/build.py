"""Loads a family's models: the one way from a card and folders to a speaker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from moviola.card import ModelCard
from moviola.errors import MissingExtraError
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from moviola.understanding.library import Build
    from moviola.understanding.vision_language import VisionLanguage


def load(card: ModelCard, setup: Setup, build: Callable[[], Build]) -> Model:
    """A model of transformers, as `build` says. Raises MissingExtraError, InputError."""

    def network() -> VisionLanguage:
        from moviola.understanding.library import Library

        assert setup.plan is not None, f"{card.id} is loaded without a plan"
        return Library.read_from(setup.folders[0], setup.plan, build())

    return speaker(card, setup, network)


def speaker(card: ModelCard, setup: Setup, network: Callable[[], VisionLanguage]) -> Model:
    """A speaker around a network, which is made when the packages it needs are there.

    Raises MissingExtraError, and what `network` raises.
    """
    try:
        from moviola.understanding.local import LocalSpeaker
        from moviola.understanding.memory import Memory, versions

        assert setup.plan is not None, f"{card.id} is loaded without a plan"
        from moviola import weights

        made_by = {
            "model": card.id,
            "weights": [weights.fingerprint(folder) for folder in setup.folders],
            "dtype": setup.plan.dtype,
            "storage": setup.plan.storage,
            "versions": versions(),
        }
        return LocalSpeaker(card, network(), device=setup.plan.device, memory=Memory(made_by))
    except ImportError as error:
        raise MissingExtraError(card.id, "local") from error

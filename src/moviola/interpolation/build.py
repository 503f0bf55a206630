"""How a family's interpolating networks are made and filled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from moviola.card import ModelCard
from moviola.errors import MissingExtraError
from moviola.heap import keep_freed
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from torch import Tensor, nn

    from moviola.interpolation.networks import Network

State = Mapping[str, "Tensor"]
"""Entries of a checkpoint by name."""


@dataclass(frozen=True, slots=True)
class Build:
    """network: with random weights, from `card.network` (arguments of its class, as plain JSON values).
    names: a published checkpoint's entries under the network's own names.
    adapter: from the filled network to what makes pictures of it.
    """

    network: Callable[[ModelCard], nn.Module]
    names: Callable[[ModelCard, State], State]
    adapter: Callable[[nn.Module], Network]


def load(card: ModelCard, setup: Setup, build: Build) -> Model:
    """The interpolator, read from the first of `setup.folders`. Raises MissingExtraError, InputError."""
    try:
        import torch

        from moviola.interpolation.engine import Interpolation
        from moviola.interpolation.networks import NetworkMaker
        from moviola.recognition.checkpoint import fill, read
        from moviola.recognition.unfilled import unfilled
    except ImportError as error:
        raise MissingExtraError(card.id, "local") from error
    assert setup.plan is not None, f"{card.id} is loaded without a plan"
    (where,) = setup.folders
    state, own = read(where, () if setup.own else card.weights[0].files)
    with unfilled():
        network = build.network(card)
    fill(network, state if own else build.names(card, state), card, where)
    dtype: torch.dtype = getattr(torch, setup.plan.dtype)
    keep_freed()
    network = network.eval().to(setup.plan.device, dtype).to(memory_format=torch.channels_last)
    maker = NetworkMaker(build.adapter(network), device=setup.plan.device, name=card.id)
    model: Model = cast("Model", Interpolation(maker))
    return model

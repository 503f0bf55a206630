"""A network for other classes: its classifier is exchanged, all below it stays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from moviola.card import ModelCard, Part


def card_for(base: ModelCard, name: str, names: Sequence[str], *, scratch: bool) -> ModelCard:
    """The card of a model with other classes, before anything is known of how well it does.

    scratch: whether it learns from random weights, so that nobody else's licence holds for them.
    """
    facts = base.recognition
    assert facts is not None
    changed = {
        "labels": None,
        "names": tuple(names),
        "classes": len(names),
        "temperature": 1.0,
        "accuracy": (),
        # It learns from views one by one.
        "joined": False,
        # Published costs are of the published classifier.
        "gmacs": None,
        "gmacs_input": None,
        "parameters_millions": None,
        "cost_source": None,
    }
    told = "from random weights of the shape of" if scratch else "from"
    owned = {"licence": "one's own", "commercial": True} if scratch else {}
    return base.model_copy(
        update={
            "id": name,
            "summary": f"{len(names)} classes of one's own, trained {told} {base.id}.",
            "recognition": facts.model_copy(update=changed),
            "weights": (),
            "facts": {},
            **owned,
        }
    )


def sized(card: ModelCard, network: nn.Module) -> ModelCard:
    """The card with a network's number of parameters."""
    count = sum(parameter.numel() for parameter in network.parameters())
    return card.model_copy(update={"parts": (Part(name="network", parameters=count, role="other"),)})


def head_of(network: nn.Module) -> nn.Linear:
    """The classifier."""
    head = network.head
    assert isinstance(head, nn.Linear), "a recognizer's head is a linear layer"
    return head


def head_entries(network: nn.Module) -> set[str]:
    """Names in the network's state that are its classifier's, wherever it lies."""
    held = {id(parameter) for parameter in head_of(network).parameters()}
    return {name for name, parameter in network.named_parameters() if id(parameter) in held}


def transplant(trained: nn.Module, fresh: nn.Module) -> nn.Module:
    """Fill `fresh` with all of `trained` but the classifier, and return it."""
    old, new = head_entries(trained), head_entries(fresh)
    kept = {name: tensor for name, tensor in trained.state_dict().items() if name not in old}
    missing, unexpected = fresh.load_state_dict(kept, strict=False)
    assert set(missing) == new, f"only the classifier may be new, not {missing}"
    assert not unexpected, f"the new network does not know {unexpected}"
    return fresh


def standard(rows: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation of features, (D,) each. rows: (V, D). What hardly varies is not blown up."""
    table = np.concatenate(rows).astype(np.float64)
    deviation = table.std(axis=0)
    least = max(0.01 * float(deviation.mean()), 1e-12)
    return table.mean(axis=0).astype(np.float32), np.maximum(deviation, least).astype(np.float32)


@torch.no_grad()
def take_in(
    head: nn.Linear, learnt: nn.Linear, mean: NDArray[np.float32], deviation: NDArray[np.float32]
) -> None:
    """Make `head` do to features what `learnt` does to standardised ones, (x − mean) / deviation."""
    weight = learnt.weight.detach().cpu().double() / torch.from_numpy(deviation).double()
    bias = learnt.bias.detach().cpu().double() - weight @ torch.from_numpy(mean).double()
    head.weight.copy_(weight)
    head.bias.copy_(bias)

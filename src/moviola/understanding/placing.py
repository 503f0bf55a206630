"""Puts the network of a speaker on its device the way a plan says."""

from __future__ import annotations

from typing import Any

import torch
from accelerate import cpu_offload  # type: ignore[import-untyped]
from torch import nn

from moviola.plan.plan import Plan
from moviola.plan.rounding import to_int8


def placed(network: nn.Module, plan: Plan) -> Any:
    """The network, in eval mode. It comes in the host's memory, in the plan's dtype.

    Raises MissingExtraError where the plan asks for int8 without what rounds to it.
    """
    network.eval()
    if plan.storage == "int8":
        to_int8(network)
    if plan.offload == "sequential":
        return cpu_offload(network, execution_device=torch.device(plan.device))
    return network.to(plan.device)

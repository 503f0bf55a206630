"""Adapters of low rank, added to the weights that they were trained beside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from moviola.errors import InputError

_NAME = re.compile(r"(?:base_model\.model\.)?(?P<layer>.+)\.lora_(?P<side>[AB])(?:\.default)?\.weight")
"""As PEFT writes it: `base_model.model.model.layers.0.mlp.up_proj.lora_A.default.weight`."""


@torch.no_grad()
def merge(network: nn.Module, adapters: Mapping[str, Tensor], alpha: float, place: Path) -> None:
    """W + alpha / rank · B · A (Hu et al. 2021, arXiv 2106.09685) in every layer that is named.

    A (rank, in), B (out, rank); computed in float32. place: where they come from.
    Raises InputError naming the first that does not fit.
    """
    pairs: dict[str, dict[str, Tensor]] = {}
    for name, value in adapters.items():
        match = _NAME.fullmatch(name)
        if match is None:
            raise InputError(f"{place} does not fit: {name} is no adapter of low rank")
        pairs.setdefault(match["layer"], {})[match["side"]] = value
    for layer, pair in pairs.items():
        try:
            weight = network.get_parameter(f"{layer}.weight")
            down, up = (pair[side].to(weight.device, torch.float32) for side in "AB")
            weight.copy_(weight.float() + alpha / len(down) * up @ down)
        except (AttributeError, KeyError, RuntimeError) as error:
            raise InputError(
                f"{place} does not fit: {layer} of the language model has no such adapter"
            ) from error

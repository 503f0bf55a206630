"""What one view costs a recognizer, counted on the meta device: nothing is loaded and nothing computed.

Multiply-adds are those of convolutions, matrix products and attention, which is what papers call FLOPs. On
the meta device attention is counted whole; on a CPU torch's counter misses its fused kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from moviola.card import ModelCard
from moviola.plan.live import LiveBytes, fused_attention


@dataclass(frozen=True, slots=True)
class Cost:
    """parameters: how many. macs: multiply-adds of one view of (frames, height, width).

    weight_bytes: of the parameters and buffers, activation_bytes: of the live tensors at the peak beside
    them, both in float32.
    """

    parameters: int
    macs: int
    frames: int
    height: int
    width: int
    weight_bytes: int
    activation_bytes: int


def cost(
    card: ModelCard, network: Callable[[ModelCard], nn.Module], *, size: tuple[int, int, int] | None = None
) -> Cost:
    """Build a card's network on the meta device and look at one view.

    network: the family's function from a card to a network. size: (frames, width, height) of the view;
    the card's own where None.
    """
    facts = card.recognition
    assert facts is not None, f"{card.id} is no recognizer"
    frames, width, height = size or (facts.frames, *facts.crop)
    with torch.device("meta"):
        built = network(card).eval()
        video = torch.empty(1, 3, frames, height, width)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        built(video)
    with torch.no_grad(), fused_attention(), LiveBytes(built, [video]) as live:
        built(video)
    held = [*built.parameters(), *built.buffers()]
    return Cost(
        parameters=sum(parameter.numel() for parameter in built.parameters()),
        macs=counter.get_total_flops() // 2,
        frames=frames,
        height=height,
        width=width,
        weight_bytes=sum(tensor.nbytes for tensor in held),
        activation_bytes=live.peak,
    )

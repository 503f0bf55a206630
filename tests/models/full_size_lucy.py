"""Lucy Edit's network as published: Wan 2.2's of 5B that sees a second video."""

from collections.abc import Callable
from functools import partial

import torch
from diffusers import WanTransformer3DModel

NETWORKS: dict[str, dict[str, Callable[[], torch.nn.Module]]] = {
    "lucy-edit": {
        "transformer": partial(
            WanTransformer3DModel,
            num_attention_heads=24,
            ffn_dim=14336,
            num_layers=30,
            in_channels=96,
            out_channels=48,
        )
    }
}

"""The denoisers of SkyReels-V2 in their published sizes; the rest is Wan 2.1's."""

from collections.abc import Callable
from functools import partial

import diffusers
import torch

_SMALL = partial(
    diffusers.SkyReelsV2Transformer3DModel,
    num_attention_heads=12,
    ffn_dim=8960,
    num_layers=30,
    inject_sample_info=True,
)
_LARGE = partial(diffusers.SkyReelsV2Transformer3DModel, num_attention_heads=40, ffn_dim=13824, num_layers=40)

NETWORKS: dict[str, dict[str, Callable[[], torch.nn.Module]]] = {
    "skyreels-v2-df-1.3b": {"transformer": _SMALL},
    "skyreels-v2-df-14b-540p": {"transformer": _LARGE},
}

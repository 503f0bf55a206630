"""CogVideoX at full size, by its published configurations."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from diffusers import AutoencoderKLCogVideoX, CogVideoXTransformer3DModel
from transformers import T5Config, T5EncoderModel

_5B = {"num_attention_heads": 48, "num_layers": 42, "use_rotary_positional_embeddings": True}
_NEW = _5B | {"patch_size_t": 2, "patch_bias": False, "sample_width": 300, "sample_height": 300}
_IMAGE = {"in_channels": 32}
_XXL = T5Config(
    vocab_size=32128,
    d_model=4096,
    d_kv=64,
    d_ff=10240,
    num_layers=24,
    num_heads=64,
    feed_forward_proj="gated-gelu",
)

TRANSFORMERS: Mapping[str, Mapping[str, Any]] = {
    "cogvideox-2b": {},
    "cogvideox-5b": _5B,
    "cogvideox-5b-i2v": _5B | _IMAGE | {"use_learned_positional_embeddings": True},
    "cogvideox1.5-5b": _NEW,
    "cogvideox1.5-5b-i2v": _NEW | _IMAGE | {"ofs_embed_dim": 512},
}

NETWORKS: dict[str, dict[str, Callable[[], torch.nn.Module]]] = {
    card: {
        "transformer": partial(CogVideoXTransformer3DModel, **config),
        "text_encoder": partial(T5EncoderModel, _XXL),
        "vae": AutoencoderKLCogVideoX,
    }
    for card, config in TRANSFORMERS.items()
}

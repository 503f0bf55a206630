"""Mochi's networks in their published sizes."""

from collections.abc import Callable

import diffusers
import torch
import transformers


def _text_encoder() -> torch.nn.Module:
    """The encoder of T5 1.1 XXL."""
    return transformers.T5EncoderModel(
        transformers.T5Config(
            vocab_size=32128,
            d_model=4096,
            d_kv=64,
            d_ff=10240,
            num_layers=24,
            num_heads=64,
            feed_forward_proj="gated-gelu",
        )
    )


NETWORKS: dict[str, dict[str, Callable[[], torch.nn.Module]]] = {
    "mochi-1-preview": {
        "transformer": diffusers.MochiTransformer3DModel,
        "text_encoder": _text_encoder,
        "vae": diffusers.AutoencoderKLMochi,
    }
}

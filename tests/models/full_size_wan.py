"""Wan's networks as published, to be built on the meta device: their sizes are those on the cards."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel, WanVACETransformer3DModel
from transformers import CLIPVisionConfig, CLIPVisionModel, UMT5Config, UMT5EncoderModel

_1B = {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}
_5B = {"num_attention_heads": 24, "ffn_dim": 14336, "num_layers": 30, "in_channels": 48, "out_channels": 48}
_I2V = {"in_channels": 36, "image_dim": 1280, "added_kv_proj_dim": 5120}
_VAE_22 = {
    "base_dim": 160,
    "decoder_base_dim": 256,
    "z_dim": 48,
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_spatial": 16,
}


def _denoiser(kind: type[torch.nn.Module] = WanTransformer3DModel, **config: Any) -> torch.nn.Module:
    return kind(**config)


def _text_encoder() -> torch.nn.Module:
    config = UMT5Config(vocab_size=256_384, d_model=4096, d_kv=64, d_ff=10_240, num_layers=24, num_heads=64)
    return UMT5EncoderModel(config)


def _image_encoder() -> torch.nn.Module:
    config = CLIPVisionConfig(
        hidden_size=1280,
        intermediate_size=5120,
        num_hidden_layers=32,
        num_attention_heads=16,
        patch_size=14,
        projection_dim=1024,
    )
    return CLIPVisionModel(config)


def _t2v(experts: int = 1, **config: Any) -> dict[str, Callable[[], torch.nn.Module]]:
    names = ("transformer", "transformer_2")[:experts]
    networks: dict[str, Callable[[], torch.nn.Module]] = {
        name: partial(_denoiser, **config) for name in names
    }
    return networks | {"text_encoder": _text_encoder, "vae": AutoencoderKLWan}


_SEEING = {"image_encoder": _image_encoder}

NETWORKS: dict[str, dict[str, Callable[[], torch.nn.Module]]] = {
    "wan2.1-t2v-1.3b": _t2v(**_1B),
    "wan2.1-t2v-14b": _t2v(),
    "wan2.1-i2v-14b-480p": _t2v(**_I2V) | _SEEING,
    "wan2.1-flf2v-14b-720p": _t2v(**_I2V, pos_embed_seq_len=514) | _SEEING,
    "wan2.2-t2v-a14b": _t2v(experts=2),
    "wan2.2-i2v-a14b": _t2v(experts=2, in_channels=36),
    "wan2.2-ti2v-5b": _t2v(**_5B) | {"vae": partial(AutoencoderKLWan, **_VAE_22)},
    "wan-vace-1.3b": _t2v(kind=WanVACETransformer3DModel, **_1B, vace_layers=list(range(0, 30, 2))),
    "wan-vace-14b": _t2v(kind=WanVACETransformer3DModel),
}

"""Stable Video Diffusion's networks in their published sizes."""

from collections.abc import Callable

import diffusers
import torch
import transformers


def _image_encoder() -> torch.nn.Module:
    """The image tower of OpenCLIP ViT-H/14."""
    return transformers.CLIPVisionModelWithProjection(
        transformers.CLIPVisionConfig(
            hidden_size=1280,
            intermediate_size=5120,
            projection_dim=1024,
            num_hidden_layers=32,
            num_attention_heads=16,
            image_size=224,
            patch_size=14,
            hidden_act="gelu",
        )
    )


def _vae() -> torch.nn.Module:
    return diffusers.AutoencoderKLTemporalDecoder(
        down_block_types=("DownEncoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=4,
    )


def _unet() -> torch.nn.Module:
    return diffusers.UNetSpatioTemporalConditionModel(num_attention_heads=(5, 10, 20, 20))


_ALL: dict[str, Callable[[], torch.nn.Module]] = {
    "unet": _unet,
    "image_encoder": _image_encoder,
    "vae": _vae,
}
NETWORKS = {"svd": _ALL, "svd-xt": _ALL, "svd-xt-1.1": _ALL}

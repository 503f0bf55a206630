"""What HunyuanVideo and the families made from it share. Imports no torch, as `drive` does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moviola.card import Codec, Part
from moviola.diffusion.drive import Shot

LICENCE = (
    "Tencent Hunyuan community licence: no use in the European Union, the United Kingdom and South Korea; "
    "commercial use above 100 million monthly users needs Tencent's consent"
)
CLIP_TEXT = Part(name="text_encoder_2", parameters=123_060_480, role="text")
LLAMA = Part(name="text_encoder", parameters=7_505_186_816, role="text")
CODEC = Part(name="vae", parameters=246_478_803, role="codec")
CODEC_COST = Codec(still_bytes=39_170, tile=(256, 256))
SIGLIP = Part(name="image_encoder", parameters=428_225_600, role="image")


TINY: Mapping[str, Any] = {
    "in_channels": 4,
    "out_channels": 4,
    "num_attention_heads": 2,
    "attention_head_dim": 10,
    "num_layers": 1,
    "num_single_layers": 1,
    "num_refiner_layers": 1,
    "text_embed_dim": 32,
    "pooled_projection_dim": 32,
    "rope_axes_dim": (2, 4, 4),
}
"""What small denoisers built as HunyuanVideo's share; their text is `tiny.WIDTH` wide."""


def decode(pipeline: Any, latents: Any, shot: Shot) -> Any:
    """A look at latents as the callback has them, (1, C, T, h, w)."""
    from moviola.diffusion.look import decoded, pooled

    return decoded(pipeline.vae, pooled(latents) / pipeline.vae.config.scaling_factor)


def template(pipeline: Any) -> str:
    """What the pipeline wraps a prompt in before the language model reads it."""
    import inspect

    default = inspect.signature(pipeline.__call__).parameters["prompt_template"].default
    return str(default["template"])


def tiny_codec() -> Any:
    """A small codec of HunyuanVideo 1.0, with four channels."""
    import diffusers

    return diffusers.AutoencoderKLHunyuanVideo(
        latent_channels=4, block_out_channels=(8,) * 4, layers_per_block=1, norm_num_groups=2
    )

"""FramePack's networks in their published sizes."""

from functools import partial

import diffusers
from full_size_hunyuanvideo import Networks, clip_text, llama, siglip

_NETWORKS: Networks = {
    "transformer": partial(
        diffusers.HunyuanVideoFramepackTransformer3DModel, has_image_proj=True, has_clean_x_embedder=True
    ),
    "text_encoder": llama,
    "text_encoder_2": clip_text,
    "image_encoder": siglip,
    "vae": diffusers.AutoencoderKLHunyuanVideo,
}

NETWORKS: dict[str, Networks] = {"framepack-i2v": _NETWORKS}

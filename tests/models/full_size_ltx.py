"""LTX-Video's networks in their published size."""

from collections.abc import Callable

import diffusers
import torch
import transformers


def _two_billion() -> torch.nn.Module:
    return diffusers.LTXVideoTransformer3DModel()


def _thirteen_billion() -> torch.nn.Module:
    return diffusers.LTXVideoTransformer3DModel(
        attention_head_dim=128, cross_attention_dim=4096, num_layers=48
    )


def _t5() -> torch.nn.Module:
    config = transformers.T5Config(
        vocab_size=32128,
        d_model=4096,
        d_kv=64,
        d_ff=10240,
        num_layers=24,
        num_heads=64,
        feed_forward_proj="gated-gelu",
    )
    return transformers.T5EncoderModel(config)


def _old_codec() -> torch.nn.Module:
    """Of 0.9.1."""
    return diffusers.AutoencoderKLLTXVideo(
        decoder_block_out_channels=(256, 512, 1024),
        decoder_layers_per_block=(5, 6, 7, 8),
        decoder_spatio_temporal_scaling=(True,) * 3,
        decoder_inject_noise=(True, True, True, False),
        upsample_residual=(True,) * 3,
        upsample_factor=(2,) * 3,
        timestep_conditioning=True,
    )


def _codec() -> torch.nn.Module:
    """Of 0.9.5 and all later ones."""
    return diffusers.AutoencoderKLLTXVideo(
        block_out_channels=(128, 256, 512, 1024, 2048),
        down_block_types=("LTXVideo095DownBlock3D",) * 4,
        decoder_block_out_channels=(256, 512, 1024),
        layers_per_block=(4, 6, 6, 2, 2),
        decoder_layers_per_block=(5,) * 4,
        spatio_temporal_scaling=(True,) * 4,
        decoder_spatio_temporal_scaling=(True,) * 3,
        decoder_inject_noise=(False,) * 4,
        downsample_type=("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
        upsample_residual=(True,) * 3,
        upsample_factor=(2,) * 3,
        timestep_conditioning=True,
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )


NETWORKS: dict[str, dict[str, Callable[[], torch.nn.Module]]] = {
    "ltx-2b-0.9.1": {"transformer": _two_billion, "text_encoder": _t5, "vae": _old_codec},
    "ltx-2b-0.9.5": {"transformer": _two_billion, "vae": _codec},
    "ltx-13b-0.9.7": {"transformer": _thirteen_billion, "vae": _codec},
}

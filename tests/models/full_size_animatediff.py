"""AnimateDiff's networks in their published sizes."""

from collections.abc import Callable

import diffusers
import torch
import transformers

Build = Callable[[], torch.nn.Module]


def _clip(width: int, layers: int, *, projected: bool = False) -> Build:
    def build() -> torch.nn.Module:
        config = transformers.CLIPTextConfig(
            vocab_size=49408,
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=width // 64,
            projection_dim=width,
        )
        kind = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
        return kind(config)

    return build


def _vae() -> torch.nn.Module:
    return diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
    )


def _unet(*, mid: bool) -> Build:
    def build() -> torch.nn.Module:
        return diffusers.UNetMotionModel(
            cross_attention_dim=768, num_attention_heads=8, use_motion_mid_block=mid
        )

    return build


def _unet_xl() -> torch.nn.Module:
    return diffusers.UNetMotionModel(
        down_block_types=("DownBlockMotion", "CrossAttnDownBlockMotion", "CrossAttnDownBlockMotion"),
        up_block_types=("CrossAttnUpBlockMotion", "CrossAttnUpBlockMotion", "UpBlockMotion"),
        block_out_channels=(320, 640, 1280),
        cross_attention_dim=2048,
        num_attention_heads=(5, 10, 20),
        transformer_layers_per_block=(1, 2, 10),
        use_linear_projection=True,
        use_motion_mid_block=False,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    )


def _sparse(*, channels: int) -> Build:
    def build() -> torch.nn.Module:
        return diffusers.SparseControlNetModel(
            conditioning_channels=channels, use_simplified_condition_embedding=channels == 4
        )

    return build


_SD15: dict[str, Build] = {"text_encoder": _clip(768, 12), "vae": _vae}
_WITH_MID = _SD15 | {"unet": _unet(mid=True)}
_WITHOUT_MID = _SD15 | {"unet": _unet(mid=False)}

NETWORKS: dict[str, dict[str, Build]] = {
    "animatediff-v1-5-2": _WITH_MID,
    "animatediff-v1-5-3": _WITHOUT_MID,
    "animatediff-sdxl-beta": {
        "text_encoder": _clip(768, 12),
        "text_encoder_2": _clip(1280, 32, projected=True),
        "vae": _vae,
        "unet": _unet_xl,
    },
    **{f"animatediff-lightning-{steps}step": _WITH_MID for steps in (1, 2, 4, 8)},
    "animatediff-sparsectrl-rgb": _WITHOUT_MID | {"controlnet": _sparse(channels=4)},
    "animatediff-sparsectrl-scribble": _WITHOUT_MID | {"controlnet": _sparse(channels=3)},
}

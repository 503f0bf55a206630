"""Stable Video Diffusion: an image set in motion by a latent diffusion U-Net (Blattmann et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Codec, Denoiser, Limits, ModelCard, Native, Part, Weights
from moviola.diffusion.drive import Drive, Shot
from moviola.diffusion.drive import load as load_drive
from moviola.model import Model, Setup

_FILES = ("model_index.json", "*/*.json", "*/model.safetensors", "*/diffusion_pytorch_model.safetensors")
"""Beside them the repositories hold the same weights in the authors' own layout and once more in float16."""

_AT_ONCE = 8
"""Frames decoded at a time, as in the examples of diffusers: all 25 at 1024x576 hold 30 GB, eight 10 GB."""

_MIDDLE = 127
"""The motion bucket that is meant where nothing is said."""

_COMMUNITY = "Stability AI community licence: not open source, commercial use only within its terms"
_NON_COMMERCIAL = "Stability AI non-commercial community licence: no commercial use without another agreement"


def _card(
    id: str,
    repo: str,
    summary: str,
    *,
    frames: int,
    fps: float = 7,
    fixed: bool = False,
    licence: str = _COMMUNITY,
) -> ModelCard:
    """fixed: fine-tuned at one rate and one amount of motion, and gated."""
    facts: dict[str, Any] = {"size": "made for 1024x576 and 576x1024", "guidance": "grows frame by frame"}
    if fixed:
        facts["conditioning"] = "fine-tuned at 6 frames/s and motion bucket 127; others may look worse"
    return ModelCard(
        id=id,
        summary=summary,
        licence=licence,
        commercial=False,
        tasks=("generate",),
        extra="local",
        limits=Limits(
            min_frames=14,
            max_frames=frames,
            size_multiple=64,
            min_size=(256, 256),
            max_size=(1024, 1024),
            max_pixels=1024 * 576,
            any_fps=not fixed,
        ),
        native=Native(size=(1024, 576), frames=frames, fps=fps, steps=25, guidance=3),
        takes=("image", "guidance", *(() if fixed else ("motion",))),
        needs=("image",),
        weights=(Weights(repo=f"stabilityai/{repo}", files=_FILES, gated=fixed),),
        parts=(
            Part(name="unet", parameters=1_524_623_082, role="denoiser"),
            Part(name="image_encoder", parameters=632_076_800, role="image"),
            Part(name="vae", parameters=97_742_847, role="codec"),
        ),
        denoiser=Denoiser(stride=(1, 8, 8), macs_per_pixel=2_711_900, token_bytes=17_300),
        codec=Codec(frame_bytes=2048, at_once=_AT_ONCE),
        dtype="float16",
        source=f"https://huggingface.co/stabilityai/{repo}",
        facts=facts,
    )


CARDS: Sequence[ModelCard] = (
    _card("svd", "stable-video-diffusion-img2vid", "Two seconds from an image.", frames=14),
    _card("svd-xt", "stable-video-diffusion-img2vid-xt", "Three to four seconds from an image.", frames=25),
    _card(
        "svd-xt-1.1",
        "stable-video-diffusion-img2vid-xt-1-1",
        "Four seconds from an image, with steadier motion.",
        frames=25,
        fps=6,
        fixed=True,
        licence=_NON_COMMERCIAL,
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    motion_bucket_id: int | None = Field(
        None,
        ge=1,
        le=255,
        description="how much moves, 1 to 255; default 127, or as motion says: 255 times it",
    )
    noise_aug_strength: float = Field(
        0.02, ge=0, le=10, description="noise added to the image, in its deviation; more frees the motion"
    )
    min_guidance_scale: float = Field(
        1.0,
        ge=0,
        le=100,
        description="guidance of the first frame; it grows to guidance, which it cannot exceed",
    )
    decode_chunk_size: int = Field(
        _AT_ONCE, ge=1, description="frames decoded at a time: fewer need less memory, more are steadier"
    )


def bucket(motion: float | None) -> int:
    """The motion bucket, 1 to 255, of a motion of 0 to 1: 255 times it, rounded down. 0.5 is 127."""
    return _MIDDLE if motion is None else max(1, int(255 * motion))


def _pipeline(card: ModelCard, shot: Shot, options: Options) -> str:
    return "StableVideoDiffusionPipeline"


def _arguments(card: ModelCard, shot: Shot, options: Options) -> Mapping[str, Any]:
    guidance = shot.guidance or 0.0
    return {
        "image": shot.image,
        "height": shot.height,
        "width": shot.width,
        "num_frames": shot.frames,
        "num_inference_steps": shot.steps,
        "max_guidance_scale": guidance,
        # The pipeline makes room for guidance by the maximum alone.
        "min_guidance_scale": min(options.min_guidance_scale, guidance),
        "fps": max(1, round(shot.fps)),
        "motion_bucket_id": options.motion_bucket_id or bucket(shot.motion),
        "noise_aug_strength": options.noise_aug_strength,
        "decode_chunk_size": options.decode_chunk_size,
    }


def _decode(pipeline: Any, latents: Any, shot: Shot) -> Any:
    from moviola.diffusion.look import decoded_each, pooled

    small = pooled(latents.transpose(1, 2)) / pipeline.vae.config.scaling_factor
    return decoded_each(pipeline.vae, small, shot.frames)


_DRIVE = Drive(
    pipeline=_pipeline,
    arguments=_arguments,
    continuation="image",
    decode=_decode,
    time_axis=1,
    tokenizers=(),
)


def load(card: ModelCard, setup: Setup) -> Model:
    return load_drive(card, setup, _DRIVE)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import diffusers
    import transformers

    from moviola.diffusion import tiny

    with tiny.seeded():
        unet = diffusers.UNetSpatioTemporalConditionModel(
            sample_size=8,
            down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
            up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
            block_out_channels=(32, 64),
            addition_time_embed_dim=32,
            projection_class_embeddings_input_dim=96,
            layers_per_block=1,
            cross_attention_dim=tiny.WIDTH,
            num_attention_heads=(2, 4),
            num_frames=4,
        )
        vae = diffusers.AutoencoderKLTemporalDecoder(
            down_block_types=("DownEncoderBlock2D",) * 4, block_out_channels=(32,) * 4, latent_channels=4
        )
        # The pipeline always shows the encoder 224 pixels a side.
        image_encoder = transformers.CLIPVisionModelWithProjection(
            transformers.CLIPVisionConfig(
                hidden_size=tiny.WIDTH,
                projection_dim=tiny.WIDTH,
                intermediate_size=37,
                num_hidden_layers=2,
                num_attention_heads=4,
                image_size=224,
                patch_size=32,
            )
        )
    schedule = diffusers.EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        interpolation_type="linear",
        prediction_type="v_prediction",
        sigma_min=0.002,
        sigma_max=700.0,
        steps_offset=1,
        timestep_spacing="leading",
        timestep_type="continuous",
        use_karras_sigmas=True,
    )
    extractor = transformers.CLIPImageProcessor(
        size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}
    )
    return tiny.saved(
        diffusers.StableVideoDiffusionPipeline(vae, image_encoder, unet, schedule, extractor),
        folder,
        card,
        limits={
            "min_frames": 2,
            "max_frames": 4,
            "size_multiple": 16,
            "min_size": (32, 32),
            "max_size": (64, 64),
            "max_pixels": 64 * 32,
        },
        native={"size": (64, 32), "frames": 4, "steps": 2},
    )

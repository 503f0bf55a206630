"""LTX-Video: text, images and video to video by a fast diffusion transformer (HaCohen et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Codec, Denoiser, Limits, ModelCard, Native, Part, Weights
from moviola.diffusion.drive import Continuation, Drive, Shot, call_of
from moviola.diffusion.drive import load as load_drive
from moviola.model import Model, Setup

_DISTILLED = (1000, 993, 987, 981, 975, 909, 725, 0.03)
"""The distilled checkpoints' own timesteps, as the documentation of diffusers gives them."""

_LOOK = 8
"""Latents along the longer side of a preview: 256 pixels."""

_2B = (1_923_385_472, 1_644_691_456, 28, 2048, 66_090)
_13B = (13_042_569_344, 11_275_337_728, 48, 4096, 131_720)
"""Parameters in all, those a token passes, layers, width, bytes held for a token."""


def _card(
    id: str,
    repo: str,
    summary: str,
    *,
    network: tuple[int, int, int, int, int],
    licence: str,
    vae: int = 1_246_913_522,
    conditions: bool = True,
    distilled: bool = False,
    unsure: str = "",
) -> ModelCard:
    """conditions: whether pictures and videos may stand at any frame, as the 0.9.5 and later were taught."""
    parameters, token_parameters, layers, width, token_bytes = network
    tokens = 256 if conditions else 128
    takes = ("prompt", "image", *([] if distilled else ["negative_prompt", "guidance"]))
    return ModelCard(
        id=id,
        summary=summary,
        licence=licence,
        tasks=("generate", "edit") if conditions else ("generate",),
        extra="local",
        limits=Limits(
            min_frames=9,
            max_frames=257,
            frame_step=8,
            frame_base=1,
            size_multiple=32,
            max_pixels=1280 * 720,
            any_fps=True,
            max_prompt_tokens=tokens,
        ),
        native=Native(
            size=(704, 512),
            frames=161,
            fps=25,
            steps=len(_DISTILLED) if distilled else 50,
            guidance=None if distilled else 3,
        ),
        takes=(*takes, *(["last_image", "strength"] if conditions else [])),
        needs=("prompt",),
        weights=(
            Weights(
                repo=f"Lightricks/{repo}",
                files=("model_index.json", *(f"{folder}/*" for folder in _FOLDERS)),
            ),
        ),
        parts=(
            Part(name="transformer", parameters=parameters, role="denoiser"),
            Part(name="text_encoder", parameters=4_762_310_656, role="text"),
            Part(name="vae", parameters=vae, role="codec"),
        ),
        denoiser=Denoiser(
            stride=(8, 32, 32),
            layers=layers,
            width=width,
            token_parameters=token_parameters,
            cross_tokens=tokens,
            token_bytes=token_bytes,
        ),
        codec=Codec(frame_bytes=100.9, tile=(512, 512)),
        source=f"https://huggingface.co/Lightricks/{repo}",
        facts={
            "languages": "English",
            "prompts": "long, literal descriptions in time order work best",
            "context-parallel": True,
        }
        | ({"unsure": unsure} if unsure else {}),
    )


_FOLDERS = ("scheduler", "text_encoder", "tokenizer", "transformer", "vae")

_RAIL = "LTX-Video Open Weights licence (OpenRAIL-M): commercial use under its use restrictions"
_OPEN_WEIGHTS = "LTX-Video Open Weights licence: large companies need a paid licence for commercial use"
_NOT_READ = "the licence's text was not read"

CARDS: Sequence[ModelCard] = (
    _card(
        "ltx-2b-0.9.1",
        "LTX-Video-0.9.1",
        "Six seconds from a text or an image, faster than anything of its size.",
        network=_2B,
        licence=_RAIL,
        vae=934_976_434,
        conditions=False,
        unsure=_NOT_READ,
    ),
    _card(
        "ltx-2b-0.9.5",
        "LTX-Video-0.9.5",
        "Six seconds from a text, a first or a last image, or a video.",
        network=_2B,
        licence=_RAIL,
        unsure=_NOT_READ,
    ),
    _card(
        "ltx-13b-0.9.7",
        "LTX-Video-0.9.7-dev",
        "Six seconds from a text, images or a video, in better quality.",
        network=_13B,
        licence=_OPEN_WEIGHTS,
        unsure=_NOT_READ,
    ),
    _card(
        "ltx-13b-0.9.7-distilled",
        "LTX-Video-0.9.7-distilled",
        "The same in eight steps without guidance.",
        network=_13B,
        licence=_OPEN_WEIGHTS,
        distilled=True,
        unsure=_NOT_READ,
    ),
    _card(
        "ltx-13b-0.9.8-distilled",
        "LTX-Video-0.9.8-13B-distilled",
        "The same in eight steps without guidance, trained further for long videos.",
        network=_13B,
        licence=_OPEN_WEIGHTS,
        distilled=True,
        unsure=f"{_NOT_READ}; the codec is taken to be that of 0.9.7",
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    decode_timestep: float = Field(
        0.05, ge=0, le=1, description="level of noise the decoder is told to remove as the last step, 0 to 1"
    )
    decode_noise_scale: float = Field(
        0.025, ge=0, le=1, description="share of noise mixed into the latents before they are decoded, 0 to 1"
    )
    image_cond_noise_scale: float = Field(
        0.025,
        ge=0,
        le=1,
        description="noise on given pictures while the rest is noisy, 0 to 1: more moves more (0.9.5 on)",
    )
    guidance_rescale: float = Field(
        0.0, ge=0, le=1, description="how far guidance is kept from raising contrast, 0 to 1"
    )


def _has_conditions(card: ModelCard) -> bool:
    return "last_image" in card.takes


def _is_distilled(card: ModelCard) -> bool:
    return "guidance" not in card.takes


def _pipeline(card: ModelCard, shot: Shot, options: Options) -> str:
    if _has_conditions(card):
        return "LTXConditionPipeline"
    return "LTXPipeline" if shot.image is None else "LTXImageToVideoPipeline"


def _arguments(card: ModelCard, shot: Shot, options: Options) -> Mapping[str, Any]:
    asked = {
        **call_of(card, shot),
        "num_frames": shot.frames,
        "frame_rate": shot.fps,
        "guidance_scale": 1.0 if shot.guidance is None else shot.guidance,
        "guidance_rescale": options.guidance_rescale,
        "decode_timestep": options.decode_timestep,
        "decode_noise_scale": options.decode_noise_scale,
    }
    if not _has_conditions(card):
        return asked | ({"image": shot.image} if shot.image is not None else {})
    return asked | {
        "conditions": _conditions(card, shot),
        "timesteps": _timesteps(card, shot),
        "image_cond_noise_scale": options.image_cond_noise_scale,
    }


def _conditions(card: ModelCard, shot: Shot) -> list[Any] | None:
    """What is known of the video, and at which frame. None where nothing is: the pipeline fails on []."""
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition
    from PIL import Image

    known = []
    if shot.video is not None:
        # Held this strongly, latents begin with noise of the level `strength` and are denoised from there.
        known.append(LTXVideoCondition(video=shot.video, strength=1 - _strength(shot)))
    if shot.known is not None:
        known.append(LTXVideoCondition(video=[Image.fromarray(data) for data in shot.known.data]))
    if shot.image is not None:
        known.append(LTXVideoCondition(image=shot.image))
    if shot.last_image is not None:
        known.append(LTXVideoCondition(image=shot.last_image, frame_index=shot.frames - 1))
    return known or None


def _timesteps(card: ModelCard, shot: Shot) -> list[float] | None:
    """The distilled checkpoints' own; an edit's begin at its level of noise. None for the pipeline's own.

    Were an edit to begin above its level, steps would be computed and thrown away; were none left below it,
    noise would be left in the picture.
    """
    from diffusers.pipelines.ltx.pipeline_ltx_condition import linear_quadratic_schedule

    own = _is_distilled(card) and shot.steps == len(_DISTILLED)
    if shot.video is None:
        return list(_DISTILLED) if own else None
    level = 1000 * _strength(shot)
    all_of_them = _DISTILLED if own else (linear_quadratic_schedule(shot.steps) * 1000).tolist()
    return [level, *(time for time in all_of_them if time < level)]


def _strength(shot: Shot) -> float:
    assert shot.strength is not None, "an edit is settled with a strength"
    return shot.strength


def _continuation(card: ModelCard, shot: Shot) -> Continuation:
    return "family" if _has_conditions(card) else "image"


def _decode(pipeline: Any, latents: Any, shot: Shot) -> Any:
    import torch

    from moviola.diffusion.look import decoded, pooled
    from moviola.diffusion.packed import unpacked
    from moviola.diffusion.standard import restored

    vae = pipeline.vae
    video = restored(vae, pooled(unpacked(pipeline, latents, shot, behind=True), most=_LOOK))
    if not vae.config.timestep_conditioning:
        return decoded(vae, video)
    return decoded(vae, video, torch.zeros(1, device=vae.device, dtype=vae.dtype))


_DRIVE = Drive(
    pipeline=_pipeline,
    arguments=_arguments,
    continuation=_continuation,
    overlap=9,
    decode=_decode,
)


def load(card: ModelCard, setup: Setup) -> Model:
    return load_drive(card, setup, _DRIVE)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import diffusers

    from moviola.diffusion import tiny

    new = _has_conditions(card)
    with tiny.seeded():
        tokenizer, text_encoder = tiny.t5()
        transformer = diffusers.LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            num_attention_heads=4,
            attention_head_dim=8,
            cross_attention_dim=32,
            num_layers=2,
            caption_channels=tiny.WIDTH,
        )
        vae: Any = diffusers.AutoencoderKLLTXVideo(
            latent_channels=8,
            block_out_channels=(8,) * 5 if new else (8,) * 4,
            down_block_types=("LTXVideo095DownBlock3D" if new else "LTXVideoDownBlock3D",) * 4,
            decoder_block_out_channels=(8,) * 3,
            layers_per_block=(1,) * 5,
            decoder_layers_per_block=(1,) * 4,
            spatio_temporal_scaling=(True, True, True, new),
            decoder_spatio_temporal_scaling=(True,) * 3,
            decoder_inject_noise=(False,) * 4 if new else (True, True, True, False),
            downsample_type=("spatial", "temporal", "spatiotemporal", "spatiotemporal")
            if new
            else ("conv",) * 4,
            upsample_residual=(True,) * 3,
            upsample_factor=(1,) * 3,
            timestep_conditioning=True,
            spatial_compression_ratio=32,
            temporal_compression_ratio=8,
        )
        # Random networks answer almost zero where these are 1: every picture would be the same grey.
        vae.latents_std.fill_(4)
    schedule = diffusers.FlowMatchEulerDiscreteScheduler(
        **({} if new else {"use_dynamic_shifting": True, "base_shift": 0.95, "max_shift": 2.05})
    )
    kind = diffusers.LTXConditionPipeline if new else diffusers.LTXPipeline
    return tiny.saved(
        kind(schedule, vae, text_encoder, tokenizer, transformer),
        folder,
        card,
        limits={"max_frames": 25, "max_prompt_tokens": 16},
        native={"size": (64, 32), "frames": 9, "steps": len(_DISTILLED) if _is_distilled(card) else 2},
    )

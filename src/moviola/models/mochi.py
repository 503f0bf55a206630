"""Mochi 1: text to video by an asymmetric diffusion transformer (Genmo 2024)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from moviola.card import Codec, Denoiser, Limits, ModelCard, Native, Part, Weights
from moviola.diffusion.drive import Drive, Shot, call_of
from moviola.diffusion.drive import load as load_drive
from moviola.model import Model, Setup

CARDS: Sequence[ModelCard] = (
    ModelCard(
        id="mochi-1-preview",
        summary="Five seconds at 848x480 and 30 frames/s from a text.",
        licence="Apache-2.0",
        tasks=("generate",),
        extra="local",
        limits=Limits(
            min_frames=7,
            max_frames=163,
            frame_step=6,
            frame_base=1,
            size_multiple=16,
            min_size=(256, 256),
            max_pixels=848 * 480,
            max_prompt_tokens=256,
        ),
        native=Native(size=(848, 480), frames=163, fps=30, steps=64, guidance=4.5),
        takes=("prompt", "negative_prompt", "guidance"),
        needs=("prompt",),
        # Beside the diffusers layout the repository holds the same weights in the authors' own.
        weights=(
            Weights(
                repo="genmo/mochi-1-preview",
                files=(
                    "model_index.json",
                    "scheduler/*",
                    "text_encoder/*",
                    "tokenizer/*",
                    "transformer/*",
                    "vae/*",
                ),
            ),
        ),
        parts=(
            Part(name="transformer", parameters=10_027_677_744, role="denoiser"),
            Part(name="text_encoder", parameters=4_762_310_656, role="text"),
            Part(name="vae", parameters=459_748_611, role="codec"),
        ),
        denoiser=Denoiser(
            stride=(6, 8, 8),
            patch=(1, 2, 2),
            layers=48,
            width=3072,
            token_parameters=5_436_112_896,
            joint_tokens=256,
            token_bytes=108_140,
        ),
        codec=Codec(frame_bytes=2053, tile=(256, 256)),
        source="https://huggingface.co/genmo/mochi-1-preview",
        facts={
            "languages": "English",
            "sizes": "made for 848x480; others work less well",
            "style": "photorealistic; weak on animation",
        },
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _pipeline(card: ModelCard, shot: Shot, options: Options) -> str:
    return "MochiPipeline"


def _arguments(card: ModelCard, shot: Shot, options: Options) -> Mapping[str, Any]:
    return call_of(card, shot) | {"num_frames": shot.frames}


def _encode(pipeline: Any, video: Any, shot: Shot) -> Any:
    """(1, C, T, h, w)"""
    from moviola.diffusion.standard import standardised

    vae = pipeline.vae
    return standardised(vae, vae.encode(video.to(vae.device, vae.dtype)).latent_dist.mode())


def _decode(pipeline: Any, latents: Any, shot: Shot) -> Any:
    from moviola.diffusion.look import decoded, pooled
    from moviola.diffusion.standard import restored

    return decoded(pipeline.vae, restored(pipeline.vae, pooled(latents)))


_DRIVE = Drive(
    pipeline=_pipeline,
    arguments=_arguments,
    continuation="latents",
    overlap=13,
    encode=_encode,
    decode=_decode,
)


def load(card: ModelCard, setup: Setup) -> Model:
    return load_drive(card, setup, _DRIVE)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import diffusers
    import torch

    from moviola.diffusion import tiny

    with tiny.seeded():
        tokenizer, text_encoder = tiny.t5()
        transformer: Any = diffusers.MochiTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=8,
            num_layers=2,
            pooled_projection_dim=16,
            in_channels=12,
            text_embed_dim=tiny.WIDTH,
            time_embed_dim=4,
            max_sequence_length=16,
        )
        # They are learned and begin as zeros, with which no token would know its place.
        torch.nn.init.normal_(transformer.pos_frequencies)
        vae = diffusers.AutoencoderKLMochi(
            encoder_block_out_channels=(32,) * 4,
            decoder_block_out_channels=(32,) * 4,
            layers_per_block=(1,) * 5,
        )
    schedule = diffusers.FlowMatchEulerDiscreteScheduler(invert_sigmas=True)
    return tiny.saved(
        diffusers.MochiPipeline(
            schedule, vae, text_encoder, tokenizer, transformer, force_zeros_for_empty_prompt=True
        ),
        folder,
        card,
        limits={"max_frames": 19, "min_size": (16, 16), "max_pixels": 64 * 64, "max_prompt_tokens": 16},
        native={"size": (32, 32), "frames": 7, "steps": 2},
    )

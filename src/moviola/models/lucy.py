"""Lucy Edit: changes a video as a sentence says (Decart 2025), on Wan 2.2's 5B."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from moviola.card import Limits, ModelCard, Native, Weights
from moviola.diffusion import wan
from moviola.diffusion.drive import Drive, Shot, call_of
from moviola.diffusion.drive import load as load_drive
from moviola.model import Model, Setup

CARDS: Sequence[ModelCard] = (
    ModelCard(
        id="lucy-edit",
        summary="Changes a video as a sentence says: clothes, people, things, places.",
        licence="Lucy Edit Dev licence: non-commercial use only",
        commercial=False,
        tasks=("edit",),
        extra="local",
        limits=Limits(
            min_frames=5,
            max_frames=81,
            frame_step=4,
            frame_base=1,
            size_multiple=32,
            max_pixels=832 * 480,
            max_prompt_tokens=512,
        ),
        native=Native(size=(832, 480), frames=81, fps=24, steps=50, guidance=5),
        takes=("prompt", "negative_prompt", "guidance"),
        needs=("prompt",),
        weights=(Weights(repo="decart-ai/Lucy-Edit-Dev"),),
        parts=tuple(wan.parts(5_000_377_536, codec=704_688_668)),
        denoiser=wan.cost(4_342_874_112, layers=30, width=3072, token_bytes=83_610, stride=16),
        codec=wan.CODEC_COST_22,
        source="https://huggingface.co/decart-ai/Lucy-Edit-Dev",
        facts={
            **wan.FACTS,
            **wan.SHARED,
            "prompts": "an instruction: change, add, replace or transform, and what it is to look like",
            "fps": "24, as the model it is built on; its own card was not read",
        },
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _pipeline(card: ModelCard, shot: Shot, options: Options) -> str:
    return "LucyEditPipeline"


def _arguments(card: ModelCard, shot: Shot, options: Options) -> Mapping[str, Any]:
    return call_of(card, shot) | {"video": shot.video, "num_frames": shot.frames}


_DRIVE = Drive(
    pipeline=_pipeline,
    arguments=_arguments,
    overlap=9,
    decode=wan.decode,
    # The pipeline hands the codec float32 whatever it is in.
    float32=("vae",),
)


def load(card: ModelCard, setup: Setup) -> Model:
    return load_drive(card, setup, _DRIVE)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import diffusers

    from moviola.diffusion import tiny

    with tiny.seeded():
        tokenizer, text_encoder = tiny.umt5()
        vae = tiny.wan_vae(strided=True)
        channels = vae.config.z_dim
        # What is made, and what it is made of.
        transformer = diffusers.WanTransformer3DModel(
            **tiny.WAN, in_channels=2 * channels, out_channels=channels
        )
    return tiny.saved(
        diffusers.LucyEditPipeline(
            tokenizer, text_encoder, vae, tiny.wan_schedule(), transformer, expand_timesteps=True
        ),
        folder,
        card,
        limits={"max_frames": 13, "max_prompt_tokens": 16},
        native={"size": (64, 32), "frames": 5, "steps": 2},
    )

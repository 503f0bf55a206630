"""Wan 2.1 and 2.2: text, image and video to video by a diffusion transformer (Wan et al. 2025)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from moviola.card import Codec, Denoiser, Limits, ModelCard, Native, Part, Weights
from moviola.diffusion.drive import Drive, Shot, edit_of
from moviola.diffusion.drive import load as load_drive
from moviola.diffusion.wan import (
    CODEC_COST,
    CODEC_COST_22,
    FACTS,
    LARGE,
    NATIVE,
    SHARED,
    SMALL,
    SharedOptions,
    common_arguments,
    cost,
    decode,
    parts,
    shifted,
)
from moviola.errors import RequestError
from moviola.model import Model, Setup

_FIVE = LARGE.model_copy(update={"max_frames": 121, "size_multiple": 32, "max_pixels": 1280 * 704})
_NATIVE_HD = NATIVE.model_copy(update={"size": (1280, 720)})


def _card(
    id: str,
    name: str,
    summary: str,
    *,
    parts: Sequence[Part],
    denoiser: Denoiser,
    codec: Codec = CODEC_COST,
    limits: Limits,
    native: Native,
    edits: bool = False,
    takes: tuple[str, ...] = (),
    needs: tuple[str, ...] = (),
    facts: Mapping[str, Any],
) -> ModelCard:
    """takes, needs: beside what a text asks for. facts: beside what is true of all."""
    repo = f"Wan-AI/{name}"
    strength = ("strength",) if edits else ()
    return ModelCard(
        id=id,
        summary=summary,
        licence="Apache-2.0",
        tasks=("generate", "edit") if edits else ("generate",),
        extra="local",
        limits=limits,
        native=native,
        takes=("prompt", "negative_prompt", "guidance", *takes, *strength),
        needs=("prompt", *needs),
        weights=(Weights(repo=repo),),
        parts=tuple(parts),
        denoiser=denoiser,
        codec=codec,
        source=f"https://huggingface.co/{repo}",
        facts={**FACTS, **SHARED, **facts},
    )


_COST_14B = cost(11_954_421_760, layers=40, width=5120, token_bytes=114_420)
_COST_14B_CLIP = cost(11_954_831_360, layers=40, width=5120, token_bytes=114_760, cross=769)
_I2V = parts(16_394_878_784, clip=True)
_FORTY = {"steps": 40}

CARDS: Sequence[ModelCard] = (
    _card(
        "wan2.1-t2v-1.3b",
        "Wan2.1-T2V-1.3B-Diffusers",
        "Five seconds from a text or a video, on small GPUs.",
        parts=parts(1_418_996_800),
        denoiser=cost(1_250_623_488, layers=30, width=1536, token_bytes=49_460),
        limits=SMALL,
        native=NATIVE.model_copy(update={"guidance": 6}),
        edits=True,
        facts={"flow_shift": "8 to 12 is what the authors run"},
    ),
    _card(
        "wan2.1-t2v-14b",
        "Wan2.1-T2V-14B-Diffusers",
        "Five seconds from a text or a video, up to 1280x720.",
        parts=parts(14_288_491_584),
        denoiser=_COST_14B,
        limits=LARGE,
        native=NATIVE,
        edits=True,
        facts={"flow_shift": "5 is what the authors run"},
    ),
    _card(
        "wan2.1-i2v-14b-480p",
        "Wan2.1-I2V-14B-480P-Diffusers",
        "Five seconds from an image and a text, at the area of 832x480.",
        parts=_I2V,
        denoiser=_COST_14B_CLIP,
        limits=SMALL,
        native=NATIVE.model_copy(update=_FORTY),
        takes=("image",),
        needs=("image",),
        facts={"flow_shift": "3 is what the authors run"},
    ),
    _card(
        "wan2.1-i2v-14b-720p",
        "Wan2.1-I2V-14B-720P-Diffusers",
        "Five seconds from an image and a text, at the area of 1280x720.",
        parts=_I2V,
        denoiser=_COST_14B_CLIP,
        limits=LARGE,
        native=_NATIVE_HD.model_copy(update=_FORTY),
        takes=("image",),
        needs=("image",),
        facts={"flow_shift": "5 is what the authors run"},
    ),
    _card(
        "wan2.1-flf2v-14b-720p",
        "Wan2.1-FLF2V-14B-720P-diffusers",
        "Five seconds between a first and a last image.",
        parts=parts(16_395_536_704, clip=True),
        denoiser=_COST_14B_CLIP,
        # It always wants a last image, and only the end of a longer video has one.
        limits=LARGE.model_copy(update={"max_total_frames": 81}),
        native=_NATIVE_HD,
        takes=("image", "last_image"),
        needs=("image", "last_image"),
        facts={"flow_shift": "16 is what the authors run"},
    ),
    _card(
        "wan2.2-t2v-a14b",
        "Wan2.2-T2V-A14B-Diffusers",
        "Five seconds from a text by two experts, one for much noise and one for little.",
        parts=parts(14_288_491_584, experts=2),
        denoiser=_COST_14B,
        limits=LARGE,
        native=_NATIVE_HD.model_copy(update=_FORTY | {"guidance": 4}),
        facts={"flow_shift": "12 is what the authors run", "guidance_2": 3.0},
    ),
    _card(
        "wan2.2-i2v-a14b",
        "Wan2.2-I2V-A14B-Diffusers",
        "Five seconds from an image and a text by two experts, one for much noise and one for little.",
        parts=parts(14_288_901_184, experts=2),
        denoiser=cost(11_954_831_360, layers=40, width=5120, token_bytes=114_420),
        limits=LARGE,
        native=_NATIVE_HD.model_copy(update=_FORTY | {"guidance": 3.5}),
        takes=("image",),
        needs=("image",),
        facts={"flow_shift": "5 is what the authors run", "guidance_2": 3.5},
    ),
    _card(
        "wan2.2-ti2v-5b",
        "Wan2.2-TI2V-5B-Diffusers",
        "Five seconds at 24 frames/s from a text, with or without an image, on one 24 GB GPU.",
        parts=parts(4_999_787_712, codec=704_688_668),
        denoiser=cost(4_342_284_288, layers=30, width=3072, token_bytes=83_610, stride=16),
        codec=CODEC_COST_22,
        limits=_FIVE,
        native=Native(size=(1280, 704), frames=121, fps=24, steps=50, guidance=5),
        takes=("image",),
        facts={"flow_shift": "5 is what the authors run"},
    ),
)


class Options(SharedOptions):
    guidance_2: float | None = Field(
        None,
        ge=0,
        le=100,
        description="guidance of the expert for little noise, where there are two; default the authors'",
    )


def _pipeline(card: ModelCard, shot: Shot, options: Options) -> str:
    if shot.video is not None:
        return "WanVideoToVideoPipeline"
    return "WanPipeline" if shot.image is None else "WanImageToVideoPipeline"


def _arguments(card: ModelCard, shot: Shot, options: Options) -> Mapping[str, Any]:
    """Raises RequestError for a second guidance where there is one expert."""
    asked = common_arguments(card, shot, options)
    authors = card.facts.get("guidance_2")
    if authors is not None:
        asked["guidance_scale_2"] = authors if options.guidance_2 is None else options.guidance_2
    elif options.guidance_2 is not None:
        raise RequestError(f"guidance_2: {card.id} has no second expert; leave it out")
    if shot.video is not None:
        return asked | edit_of(shot)
    images = {"image": shot.image, "last_image": shot.last_image}
    return (
        asked | {"num_frames": shot.frames} | {name: one for name, one in images.items() if one is not None}
    )


def _encode(pipeline: Any, video: Any, shot: Shot) -> Any:
    """(1, C, T, h, w), each channel standardised."""
    from moviola.diffusion.standard import standardised

    vae = pipeline.vae
    return standardised(vae, vae.encode(video.to(vae.device, vae.dtype)).latent_dist.mode())


def _decode(pipeline: Any, latents: Any, shot: Shot) -> Any:
    # Where the first image takes the place of the first latents, these are only noise until the very end.
    begins = 1 if pipeline.config.get("expand_timesteps") and shot.image is not None else 0
    return decode(pipeline, latents[:, :, begins:], shot)


_DRIVE = Drive(
    pipeline=_pipeline,
    arguments=_arguments,
    prepare=shifted,
    overlap=9,
    encode=_encode,
    decode=_decode,
    float32=("vae", "image_encoder"),
)


def load(card: ModelCard, setup: Setup) -> Model:
    return load_drive(card, setup, _DRIVE)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import diffusers

    from moviola.diffusion import tiny

    is_5b, has_clip = card.limits.size_multiple == 32, any(part.role == "image" for part in card.parts)
    needs_image, experts = "image" in card.needs, [part for part in card.parts if part.role == "denoiser"]
    with tiny.seeded():
        tokenizer, text_encoder = tiny.umt5()
        vae = tiny.wan_vae(strided=is_5b)
        channels = vae.config.z_dim
        # Of a first image: its latents, and for each of four frames of a latent whether it is known.
        image_channels = channels + 4 if needs_image else 0
        image_processor, image_encoder = tiny.clip_vision() if has_clip else (None, None)
        networks = {
            part.name: diffusers.WanTransformer3DModel(
                **tiny.WAN,
                in_channels=channels + image_channels,
                out_channels=channels,
                image_dim=tiny.WIDTH if has_clip else None,
                added_kv_proj_dim=24 if has_clip else None,
                pos_embed_seq_len=2 * tiny.CLIP_TOKENS if "last_image" in card.needs else None,
            )
            for part in experts
        }
    common = {
        "tokenizer": tokenizer,
        "text_encoder": text_encoder,
        "vae": vae,
        "scheduler": tiny.wan_schedule(),
        "boundary_ratio": 0.9 if len(experts) == 2 else None,
        "expand_timesteps": is_5b,
    }
    if needs_image:
        seeing = {"image_processor": image_processor, "image_encoder": image_encoder}
        pipeline: Any = diffusers.WanImageToVideoPipeline(**common, **networks, **seeing)
    else:
        pipeline = diffusers.WanPipeline(**common, **networks)
    return tiny.saved(
        pipeline,
        folder,
        card,
        limits={
            "max_frames": 13,
            "max_total_frames": 13 if "last_image" in card.needs else None,
            "max_prompt_tokens": 16,
        },
        native={"size": (64, 32), "frames": 5, "steps": 2},
    )

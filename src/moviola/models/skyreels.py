"""SkyReels-V2: videos of any length from a text or an image by diffusion forcing (Chen et al. 2025)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Denoiser, Limits, ModelCard, Native, Part, Weights
from moviola.diffusion.drive import Drive, Shot, call_of
from moviola.diffusion.drive import load as load_drive
from moviola.diffusion.wan import CODEC_COST, cost, decode, parts
from moviola.errors import RequestError
from moviola.model import Model, Setup

_SMALL = Limits(
    min_frames=5,
    max_frames=97,
    frame_step=4,
    frame_base=1,
    size_multiple=16,
    min_size=(256, 256),
    max_pixels=960 * 544,
    max_prompt_tokens=512,
)
_LARGE = _SMALL.model_copy(update={"max_frames": 121, "max_pixels": 1280 * 720})


def _card(
    id: str, name: str, summary: str, *, networks: Sequence[Part], denoiser: Denoiser, large: bool = False
) -> ModelCard:
    """large: made for 1280x720 and windows of 121 frames, else for 960x544 and 97."""
    repo = f"Skywork/{name}"
    limits = _LARGE if large else _SMALL
    assert limits.max_frames is not None
    return ModelCard(
        id=id,
        summary=summary,
        licence="Skywork community licence; its terms hold for commercial use too, read them first",
        tasks=("generate",),
        extra="local",
        limits=limits,
        native=Native(
            size=(1280, 720) if large else (960, 544),
            frames=limits.max_frames,
            fps=24,
            steps=50,
            guidance=6,
        ),
        takes=("prompt", "negative_prompt", "guidance", "image"),
        needs=("prompt",),
        weights=(Weights(repo=repo),),
        parts=tuple(networks),
        denoiser=denoiser,
        codec=CODEC_COST,
        source=f"https://huggingface.co/{repo}",
        facts={
            "languages": "English, Chinese",
            "guidance": "6 from a text, 5 from an image is what the authors run",
            "length": "windows of as many frames as the limit, each begun with the last of the one before",
        },
    )


_LAYERS_14B = cost(11_954_421_760, layers=40, width=5120, token_bytes=114_420)

CARDS: Sequence[ModelCard] = (
    _card(
        "skyreels-v2-df-1.3b",
        "SkyReels-V2-DF-1.3B-540P-Diffusers",
        "Any length from a text or an image at 960x544, on small GPUs.",
        networks=parts(1_435_525_696),
        denoiser=cost(1_250_623_488, layers=30, width=1536, token_bytes=49_460),
    ),
    _card(
        "skyreels-v2-df-14b-540p",
        "SkyReels-V2-DF-14B-540P-Diffusers",
        "Any length from a text or an image at 960x544.",
        networks=parts(14_288_491_584),
        denoiser=_LAYERS_14B,
    ),
    _card(
        "skyreels-v2-df-14b-720p",
        "SkyReels-V2-DF-14B-720P-Diffusers",
        "Any length from a text or an image at 1280x720.",
        networks=parts(14_288_491_584),
        denoiser=_LAYERS_14B,
        large=True,
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    overlap_history: int = Field(
        17, ge=5, le=117, description="frames of a window that the next begins with: 4k+1, less than a window"
    )
    addnoise_condition: int = Field(
        20, ge=0, le=60, description="noise on these, in thousandths, 0 to 60: more hides the seams better"
    )
    flow_shift: float | None = Field(
        None,
        gt=0,
        le=100,
        description="more spends more steps on the layout; default 8 from a text, 5 from an image",
    )


def _is_long(card: ModelCard, shot: Shot) -> bool:
    assert card.limits.max_frames is not None
    return shot.frames > card.limits.max_frames


def _windows(card: ModelCard, shot: Shot, options: Options) -> int:
    """How many it takes, each of `max_frames` that share `overlap_history` with the one before."""
    if not _is_long(card, shot):
        return 1
    assert card.limits.max_frames is not None
    added = card.limits.max_frames - options.overlap_history
    if added <= 0 or options.overlap_history % 4 != 1:
        raise RequestError(
            f"overlap_history: {options.overlap_history} is not 4k+1 below {card.limits.max_frames}; take 17"
        )
    return 1 - (card.limits.max_frames - shot.frames) // added


def _pipeline(card: ModelCard, shot: Shot, options: Options) -> str:
    kind = "" if shot.image is None else "ImageToVideo"
    return f"SkyReelsV2DiffusionForcing{kind}Pipeline"


def _arguments(card: ModelCard, shot: Shot, options: Options) -> Mapping[str, Any]:
    return {
        **call_of(card, shot),
        "num_frames": shot.frames,
        "base_num_frames": card.limits.max_frames,
        "overlap_history": options.overlap_history if _is_long(card, shot) else None,
        "addnoise_condition": options.addnoise_condition if _is_long(card, shot) else 0,
        **({"image": shot.image} if shot.image is not None else {}),
    }


def _prepare(pipeline: Any, shot: Shot, options: Options) -> None:
    shift = options.flow_shift or (8.0 if shot.image is None else 5.0)
    schedule = pipeline.scheduler
    pipeline.scheduler = type(schedule).from_config(schedule.config, flow_shift=shift)


_DRIVE = Drive(
    pipeline=_pipeline,
    arguments=_arguments,
    prepare=_prepare,
    continuation="whole",
    decode=decode,
    rounds=_windows,
    float32=("vae",),
)


def load(card: ModelCard, setup: Setup) -> Model:
    return load_drive(card, setup, _DRIVE)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import diffusers

    from moviola.diffusion import tiny

    with tiny.seeded():
        tokenizer, text_encoder = tiny.umt5()
        transformer = diffusers.SkyReelsV2Transformer3DModel(
            **tiny.WAN, inject_sample_info=card.id == "skyreels-v2-df-1.3b"
        )
        vae = tiny.wan_vae()
    return tiny.saved(
        diffusers.SkyReelsV2DiffusionForcingPipeline(
            tokenizer, text_encoder, transformer, vae, tiny.wan_schedule()
        ),
        folder,
        card,
        limits={"max_frames": 25, "min_size": (16, 16), "max_pixels": 64 * 64, "max_prompt_tokens": 16},
        native={"size": (32, 32), "frames": 9, "steps": 2},
    )

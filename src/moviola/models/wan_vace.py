"""VACE: one model for references, masked edits, control and going on (Jiang et al. 2025), on Wan 2.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from moviola.card import Denoiser, Limits, ModelCard, Part, Weights
from moviola.diffusion import wan
from moviola.diffusion.drive import Drive, Shot
from moviola.diffusion.drive import load as load_drive
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from PIL import Image

_GREY = (128, 128, 128)
"""What the authors paint over what is to be made anew (`vace/annotators`, mask colour)."""


def _card(
    id: str, name: str, summary: str, *, parts: Sequence[Part], denoiser: Denoiser, limits: Limits
) -> ModelCard:
    repo = f"Wan-AI/{name}"
    return ModelCard(
        id=id,
        summary=summary,
        licence="Apache-2.0",
        tasks=("generate", "edit", "remove"),
        extra="local",
        limits=limits,
        native=wan.NATIVE,
        takes=("prompt", "negative_prompt", "guidance", "reference", "mask"),
        needs=("prompt",),
        weights=(Weights(repo=repo),),
        parts=tuple(parts),
        denoiser=denoiser,
        codec=wan.CODEC_COST,
        source=f"https://huggingface.co/{repo}",
        facts={
            **wan.FACTS,
            "reference": "what or who should be seen, not the first frame; best on a plain background",
            "video": "without a mask it is control: depth, poses, edges, grey or coarse pictures",
        },
    )


CARDS: Sequence[ModelCard] = (
    _card(
        "wan-vace-1.3b",
        "Wan2.1-VACE-1.3B-diffusers",
        "Makes a video from a reference, changes what a mask shows, follows a control video.",
        parts=wan.parts(2_153_972_032),
        denoiser=wan.cost(1_914_175_488, layers=45, width=1536, token_bytes=99_380),
        limits=wan.SMALL,
    ),
    _card(
        "wan-vace-14b",
        "Wan2.1-VACE-14B-diffusers",
        "Makes a video from a reference, changes what a mask shows, follows a control video; up to 1280x720.",
        parts=wan.parts(17_337_592_896),
        denoiser=wan.cost(14_583_070_720, layers=48, width=5120, token_bytes=207_340),
        limits=wan.LARGE,
    ),
)


class Options(wan.SharedOptions):
    conditioning_scale: float = Field(
        1.0, ge=0, le=10, description="how closely reference, video and mask are followed; 0 not at all"
    )
    show_masked: bool = Field(
        False,
        description="show the model what lies under the mask, to be changed; else it is made anew",
    )


def _pipeline(card: ModelCard, shot: Shot, options: Options) -> str:
    return "WanVACEPipeline"


def _arguments(card: ModelCard, shot: Shot, options: Options) -> Mapping[str, Any]:
    video, mask = _conditions(shot, options)
    return wan.common_arguments(card, shot, options) | {
        "num_frames": shot.frames,
        "video": video,
        "mask": mask,
        "reference_images": None if shot.reference is None else [shot.reference],
        "conditioning_scale": options.conditioning_scale,
    }


def _conditions(shot: Shot, options: Options) -> tuple[list[Image.Image] | None, list[Image.Image] | None]:
    """The frames the model sees and where it is to change them: white on black, None for everywhere.

    To go on, the known frames are seen and kept, and those to come are grey and white.
    """
    from PIL import Image

    if shot.known is not None:
        size = (shot.width, shot.height)
        known = [Image.fromarray(data) for data in shot.known.data]
        coming = shot.frames - len(known)
        kept, changed = Image.new("L", size, 0), Image.new("L", size, 255)
        video = known + [Image.new("RGB", size, _GREY)] * coming
        return video, [kept] * len(known) + [changed] * coming
    if shot.video is None or shot.masks is None or options.show_masked:
        return shot.video, shot.masks
    pairs = zip(shot.video, shot.masks, strict=True)
    return [_covered(picture, mask) for picture, mask in pairs], shot.masks


def _covered(picture: Image.Image, mask: Image.Image) -> Image.Image:
    covered = picture.copy()
    covered.paste(_GREY, (0, 0), mask)
    return covered


def _decode(pipeline: Any, latents: Any, shot: Shot) -> Any:
    # The reference is made along with the video, in front of it.
    return wan.decode(pipeline, latents[:, :, 0 if shot.reference is None else 1 :], shot)


_DRIVE = Drive(
    pipeline=_pipeline,
    arguments=_arguments,
    prepare=wan.shifted,
    continuation="family",
    overlap=9,
    decode=_decode,
    float32=("vae",),
)


def load(card: ModelCard, setup: Setup) -> Model:
    return load_drive(card, setup, _DRIVE)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import diffusers

    from moviola.diffusion import tiny

    with tiny.seeded():
        tokenizer, text_encoder = tiny.umt5()
        vae = tiny.wan_vae()
        channels = vae.config.z_dim
        transformer = diffusers.WanVACETransformer3DModel(
            **tiny.WAN,
            in_channels=channels,
            out_channels=channels,
            vace_layers=[0, 1],
            # Latents of what is kept and of what is changed, and 8 × 8 pixels of mask.
            vace_in_channels=2 * channels + 64,
        )
    return tiny.saved(
        diffusers.WanVACEPipeline(tokenizer, text_encoder, vae, tiny.wan_schedule(), transformer),
        folder,
        card,
        limits={"max_frames": 13, "max_prompt_tokens": 16},
        native={"size": (64, 32), "frames": 5, "steps": 2},
    )

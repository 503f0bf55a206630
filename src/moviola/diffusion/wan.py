"""What models built as Wan is share: sizes of their networks, options, arguments, looks. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Codec, Denoiser, Limits, ModelCard, Native, Part
from moviola.diffusion.drive import Shot, call_of

AUTHORS_NEGATIVE_PROMPT = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，"
    "JPEG压缩残留，丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，"
    "手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)
"""What the authors run every one of their models with (`wan/configs/shared_config.py` of Wan 2.1 and 2.2)."""

SMALL = Limits(
    min_frames=5,
    max_frames=81,
    frame_step=4,
    frame_base=1,
    size_multiple=16,
    max_pixels=832 * 480,
    max_prompt_tokens=512,
)
LARGE = SMALL.model_copy(update={"max_pixels": 1280 * 720})
NATIVE = Native(size=(832, 480), frames=81, fps=16, steps=50, guidance=5)


CODEC_COST = Codec(still_bytes=10_130, tile=(256, 256), float32=True)
CODEC_COST_22 = Codec(still_bytes=10_760, tile=(256, 256), float32=True)
"""The codec of Wan 2.1, which all but the 5B of Wan 2.2 have, and that one's own."""


def cost(
    token_parameters: int,
    *,
    layers: int,
    width: int,
    token_bytes: int,
    stride: int = 8,
    cross: int = 512,
) -> Denoiser:
    """stride: pixels of a latent. cross: tokens of text and image that are looked at."""
    return Denoiser(
        stride=(4, stride, stride),
        patch=(1, 2, 2),
        layers=layers,
        width=width,
        token_parameters=token_parameters,
        cross_tokens=cross,
        token_bytes=token_bytes,
        batch=1,
    )


def parts(transformer: int, *, experts: int = 1, codec: int = 126_892_531, clip: bool = False) -> list[Part]:
    """The networks of a checkpoint. transformer: parameters of each expert. clip: whether CLIP sees."""
    denoisers = ("transformer", "transformer_2")[:experts]
    seeing = [Part(name="image_encoder", parameters=630_766_080, role="image")] if clip else []
    return [
        *(Part(name=name, parameters=transformer, role="denoiser") for name in denoisers),
        Part(name="text_encoder", parameters=5_680_910_336, role="text"),
        *seeing,
        Part(name="vae", parameters=codec, role="codec"),
    ]


FACTS: Mapping[str, Any] = {
    "languages": "Chinese, English",
    "prompts": "long, descriptive prompts work best",
    "attention": ("flash", "sage"),
}
SHARED = {"context-parallel": True}
"""Of a transformer whose tokens several GPUs can share."""


class SharedOptions(BaseModel):
    """What all of Wan's models understand."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flow_shift: float | None = Field(
        None,
        gt=0,
        le=100,
        description="more spends more steps on the layout, less on detail; default the checkpoint's own",
    )
    authors_negative_prompt: bool = Field(
        False, description="add the authors' fixed Chinese negative prompt, which they always run with"
    )


def shifted(pipeline: Any, shot: Shot, options: SharedOptions) -> None:
    """The scheduler with the flow shift that is asked for, whatever kind of flow scheduler it is."""
    if options.flow_shift is not None:
        schedule = pipeline.scheduler
        name = "flow_shift" if "flow_shift" in schedule.config else "shift"
        pipeline.scheduler = type(schedule).from_config(schedule.config, **{name: options.flow_shift})


def common_arguments(card: ModelCard, shot: Shot, options: SharedOptions) -> dict[str, Any]:
    """What every one of Wan's pipelines is asked."""
    unwanted = [AUTHORS_NEGATIVE_PROMPT] if options.authors_negative_prompt else []
    unwanted += [shot.negative_prompt] if shot.negative_prompt else []
    return call_of(card, shot) | {"negative_prompt": "，".join(unwanted) or None}


def decode(pipeline: Any, latents: Any, shot: Shot) -> Any:
    """Small pictures of standardised latents, (1, C, T, h, w)."""
    from moviola.diffusion.look import decoded, pooled
    from moviola.diffusion.standard import restored

    return decoded(pipeline.vae, restored(pipeline.vae, pooled(latents)))

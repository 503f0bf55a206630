"""CogVideoX: text, image and video to video by a diffusion transformer (Yang et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Codec, Denoiser, Limits, ModelCard, Native, Part, Weights
from moviola.diffusion.drive import Drive, Shot, call_of, edit_of
from moviola.diffusion.drive import load as load_drive
from moviola.model import Model, Setup

_OLD = Limits(
    min_frames=9, max_frames=49, frame_step=8, frame_base=1, sizes=((720, 480),), max_prompt_tokens=226
)
_NEW = Limits(
    min_frames=17, max_frames=161, frame_step=16, frame_base=1, sizes=((1360, 768),), max_prompt_tokens=224
)
_ANY_SHAPE = {"sizes": (), "min_size": (768, 768), "max_size": (1360, 1360), "max_pixels": 1360 * 768}
_NATIVE_OLD = Native(size=(720, 480), frames=49, fps=8, steps=50, guidance=6)
_NATIVE_NEW = Native(size=(1360, 768), frames=81, fps=16, steps=50, guidance=6)


def _card(
    id: str,
    name: str,
    summary: str,
    *,
    transformer: int,
    denoiser: Denoiser,
    image: bool = False,
    licence: str = "CogVideoX licence: commercial use needs registration",
    dtype: Literal["bfloat16", "float16"] = "bfloat16",
    limits: Limits = _OLD,
    native: Native = _NATIVE_OLD,
) -> ModelCard:
    repo = f"zai-org/{name}"
    takes = ("prompt", "negative_prompt", "guidance")
    # The video-to-video pipeline refuses the lengths that CogVideoX 1.5 is made for.
    edits = not image and limits is _OLD
    return ModelCard(
        id=id,
        summary=summary,
        licence=licence,
        tasks=("generate", "edit") if edits else ("generate",),
        extra="local",
        limits=limits,
        native=native,
        takes=(*takes, *(["image"] if image else []), *(["strength"] if edits else [])),
        needs=("prompt", "image") if image else ("prompt",),
        weights=(Weights(repo=repo),),
        parts=(
            Part(name="transformer", parameters=transformer, role="denoiser"),
            Part(name="text_encoder", parameters=4_762_310_656, role="text"),
            Part(name="vae", parameters=215_583_907, role="codec"),
        ),
        denoiser=denoiser,
        codec=Codec(still_bytes=45_790, tile=(360, 240)),
        dtype=dtype,
        source=f"https://huggingface.co/{repo}",
        facts={"languages": "English", "prompts": "long, descriptive captions work best"},
    )


def _cost(
    token_parameters: int,
    *,
    patch: int = 1,
    layers: int = 42,
    width: int = 3072,
    token_bytes: int = 79_820,
) -> Denoiser:
    return Denoiser(
        stride=(4, 8, 8),
        patch=(patch, 2, 2),
        layers=layers,
        width=width,
        token_parameters=token_parameters,
        joint_tokens=224 if patch == 2 else 226,
        token_bytes=token_bytes,
    )


CARDS: Sequence[ModelCard] = (
    _card(
        "cogvideox-2b",
        "CogVideoX-2b",
        "Six seconds from a text, on small GPUs.",
        transformer=1_693_783_872,
        denoiser=_cost(1_327_349_760, layers=30, width=1920, token_bytes=50_070),
        licence="Apache-2.0",
        dtype="float16",
    ),
    _card(
        "cogvideox-5b",
        "CogVideoX-5b",
        "Six seconds from a text.",
        transformer=5_570_283_072,
        denoiser=_cost(4_756_733_952),
    ),
    _card(
        "cogvideox-5b-i2v",
        "CogVideoX-5b-I2V",
        "Six seconds from an image and a text.",
        transformer=5_570_479_680,
        denoiser=_cost(4_756_930_560),
        image=True,
    ),
    _card(
        "cogvideox1.5-5b",
        "CogVideoX1.5-5B",
        "Five to ten seconds at 1360x768 from a text.",
        transformer=5_570_676_352,
        denoiser=_cost(4_757_127_168, patch=2, token_bytes=80_220),
        limits=_NEW,
        native=_NATIVE_NEW,
    ),
    _card(
        "cogvideox1.5-5b-i2v",
        "CogVideoX1.5-5B-I2V",
        "Five to ten seconds from an image of any shape and a text.",
        transformer=5_571_594_880,
        denoiser=_cost(4_757_520_384, patch=2, token_bytes=80_220),
        image=True,
        limits=_NEW.model_copy(update=_ANY_SHAPE),
        native=_NATIVE_NEW,
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    dynamic_guidance: bool = Field(
        False, description="guidance that grows over the steps, as the authors use with the DPM scheduler"
    )


def _pipeline(card: ModelCard, shot: Shot, options: Options) -> str:
    if shot.video is not None:
        return "CogVideoXVideoToVideoPipeline"
    return "CogVideoXPipeline" if shot.image is None else "CogVideoXImageToVideoPipeline"


def _arguments(card: ModelCard, shot: Shot, options: Options) -> Mapping[str, Any]:
    asked = call_of(card, shot) | {"use_dynamic_cfg": options.dynamic_guidance}
    if shot.video is not None:
        return asked | edit_of(shot)
    return asked | {"num_frames": shot.frames} | ({"image": shot.image} if shot.image is not None else {})


def _encode(pipeline: Any, video: Any, shot: Shot) -> Any:
    """(1, T, C, h, w). Where CogVideoX 1.5 pads time to its patch, it does so in front."""
    vae = pipeline.vae
    latents = vae.encode(video.to(vae.device, vae.dtype)).latent_dist.mode().transpose(1, 2)
    frames = (shot.frames - 1) // pipeline.vae_scale_factor_temporal + 1
    padding = -frames % (pipeline.transformer.config.patch_size_t or 1)
    latents = latents[:, [0] * padding + list(range(latents.shape[1]))]
    return latents * pipeline.vae_scaling_factor_image


def _decode(pipeline: Any, latents: Any, shot: Shot) -> Any:
    from moviola.diffusion.look import decoded, pooled

    small = pooled(latents.transpose(1, 2)) / pipeline.vae_scaling_factor_image
    return decoded(pipeline.vae, small)


_DRIVE = Drive(
    pipeline=_pipeline,
    arguments=_arguments,
    overlap=9,
    encode=_encode,
    decode=_decode,
    time_axis=1,
)


def load(card: ModelCard, setup: Setup) -> Model:
    return load_drive(card, setup, _DRIVE)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import diffusers

    from moviola.diffusion import tiny

    is_new, is_image = card.id.startswith("cogvideox1.5"), "image" in card.needs
    with tiny.seeded():
        tokenizer, text_encoder = tiny.t5()
        transformer = diffusers.CogVideoXTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=16,
            in_channels=8 if is_image else 4,
            out_channels=4,
            time_embed_dim=2,
            text_embed_dim=tiny.WIDTH,
            num_layers=2,
            sample_width=4,
            sample_height=4,
            sample_frames=9,
            patch_size_t=2 if is_new else None,
            patch_bias=not is_new,
            max_text_seq_length=16,
            ofs_embed_dim=2 if is_new and is_image else None,
            use_rotary_positional_embeddings=card.id != "cogvideox-2b",
            use_learned_positional_embeddings=card.id == "cogvideox-5b-i2v",
        )
        vae = diffusers.AutoencoderKLCogVideoX(
            down_block_types=("CogVideoXDownBlock3D",) * 4,
            up_block_types=("CogVideoXUpBlock3D",) * 4,
            block_out_channels=(8,) * 4,
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
            temporal_compression_ratio=4,
        )
    is_2b = card.id == "cogvideox-2b"
    scheduler = diffusers.CogVideoXDDIMScheduler if is_2b else diffusers.CogVideoXDPMScheduler
    schedule = scheduler(
        snr_shift_scale=1.0,
        timestep_spacing="trailing",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
    )
    kind = diffusers.CogVideoXImageToVideoPipeline if is_image else diffusers.CogVideoXPipeline
    least = 1 + card.limits.frame_step
    sizes = ((32, 32),) if card.limits.sizes else ()
    return tiny.saved(
        kind(tokenizer, text_encoder, vae, transformer, schedule),
        folder,
        card,
        limits={"max_frames": 2 * least - 1, "sizes": sizes, "min_size": (16, 16), "max_prompt_tokens": 16},
        native={"size": (32, 32), "frames": least, "steps": 2},
    )

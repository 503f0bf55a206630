"""FramePack: videos of any length from an image, by HunyuanVideo with a packed memory (Zhang et al. 2025)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Denoiser, Limits, ModelCard, Native, Part, Weights
from moviola.diffusion.drive import Drive, Shot
from moviola.diffusion.drive import load as load_drive
from moviola.diffusion.hunyuan import (
    CLIP_TEXT,
    CODEC,
    CODEC_COST,
    LICENCE,
    LLAMA,
    SIGLIP,
    TINY,
    decode,
    template,
    tiny_codec,
)
from moviola.errors import RequestError
from moviola.model import Model, Setup

_WINDOW = 9
"""Latents that a section adds to the video: 36 frames."""

_STRIDE = 4
"""Frames of a latent."""

Sampling = Literal["inverted_anti_drifting", "vanilla"]


def _card(id: str, repo: str, summary: str, *, sampling: Sampling) -> ModelCard:
    """sampling: the order in which the checkpoint has learned to make its sections."""
    backward = sampling == "inverted_anti_drifting"
    return ModelCard(
        id=id,
        summary=summary,
        licence=f"FramePack: Apache-2.0; made from HunyuanVideo: {LICENCE}",
        tasks=("generate",),
        extra="local",
        limits=Limits(
            min_frames=_WINDOW * _STRIDE + 1,
            max_frames=_WINDOW * _STRIDE + 1,
            frame_step=_WINDOW * _STRIDE,
            frame_base=1,
            size_multiple=16,
            min_size=(256, 256),
            max_pixels=1280 * 720,
            max_prompt_tokens=256,
        ),
        native=Native(size=(832, 480), frames=145, fps=30, steps=25, guidance=10),
        takes=("prompt", "guidance", "image", *(["last_image"] if backward else [])),
        needs=("prompt", "image"),
        weights=(
            Weights(repo=repo),
            Weights(
                repo="hunyuanvideo-community/HunyuanVideo",
                files=(
                    "model_index.json",
                    "scheduler/*",
                    "text_encoder/*",
                    "text_encoder_2/*",
                    "tokenizer/*",
                    "tokenizer_2/*",
                    "vae/*",
                ),
            ),
            Weights(repo="lllyasviel/flux_redux_bfl", files=("feature_extractor/*", "image_encoder/*")),
        ),
        parts=(
            Part(name="transformer", parameters=12_874_314_816, role="denoiser"),
            LLAMA,
            CLIP_TEXT,
            SIGLIP,
            CODEC,
        ),
        denoiser=Denoiser(
            stride=(4, 8, 8),
            patch=(1, 2, 2),
            layers=60,
            width=3072,
            token_parameters=6_795_165_696,
            # 256 of text, 729 of the image, and at 832x480 3900 of what was made before.
            joint_tokens=4885,
            token_bytes=111_680,
            passes=1,
            batch=1,
        ),
        codec=CODEC_COST,
        source=f"https://huggingface.co/{repo}",
        facts={
            "sampling_type": sampling,
            "order": "from the end to the beginning" if backward else "from the beginning to the end",
            "sizes": "made for about 640x640 pixels in any shape",
            "length": "made in whole sections; what is left over at the end is cut off",
        },
    )


CARDS: Sequence[ModelCard] = (
    _card(
        "framepack-i2v",
        "lllyasviel/FramePackI2V_HY",
        "Any length from an image and a text; knows where it ends before it begins, so it drifts little.",
        sampling="inverted_anti_drifting",
    ),
    _card(
        "framepack-f1-i2v",
        "lllyasviel/FramePack_F1_I2V_HY_20250503",
        "Any length from an image and a text, made forward; moves more.",
        sampling="vanilla",
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sampling_type: Sampling | None = Field(
        None, description="order of the sections; default the one that the checkpoint has learned"
    )
    latent_window_size: int = Field(
        _WINDOW,
        ge=2,
        le=32,
        description="latents of 4 frames in a section, 2 to 32; the models have learned 9",
    )


def _sampling(card: ModelCard, options: Options) -> str:
    return options.sampling_type or str(card.facts["sampling_type"])


def _sections(card: ModelCard, shot: Shot, options: Options) -> int:
    return max(1, -(-(shot.frames - 1) // (options.latent_window_size * _STRIDE)))


def _pipeline(card: ModelCard, shot: Shot, options: Options) -> str:
    return "HunyuanVideoFramepackPipeline"


def _arguments(card: ModelCard, shot: Shot, options: Options) -> Mapping[str, Any]:
    sampling = _sampling(card, options)
    if shot.last_image is not None and sampling == "vanilla":
        raise RequestError("sampling_type: vanilla makes no way to last_image; use inverted_anti_drifting")
    # The pipeline rounds its frames up to sections as if each had fewer than it then makes.
    counted = (options.latent_window_size - 1) * _STRIDE + 1
    return {
        "prompt": shot.prompt,
        "image": shot.image,
        "last_image": shot.last_image,
        "height": shot.height,
        "width": shot.width,
        "num_frames": _sections(card, shot, options) * counted,
        "latent_window_size": options.latent_window_size,
        "num_inference_steps": shot.steps,
        "guidance_scale": shot.guidance,
        "max_sequence_length": card.limits.max_prompt_tokens,
        "sampling_type": sampling,
    }


def _components(card: ModelCard, setup: Setup, dtypes: Mapping[str, Any]) -> dict[str, Any]:
    """From one folder that holds all, or from those of denoiser, HunyuanVideo and image encoder."""
    import diffusers
    import transformers

    from moviola.diffusion.engine import read_components
    from moviola.weights.quiet import reading

    if len(setup.folders) == 1:
        return read_components(setup.folders[0], dtypes)
    denoiser, others, eyes = setup.folders
    how = {"dtype": dtypes["default"], "local_files_only": True, "use_safetensors": True}
    with reading(denoiser):
        transformer = diffusers.HunyuanVideoFramepackTransformer3DModel.from_pretrained(str(denoiser), **how)
    with reading(eyes):
        image_encoder = transformers.SiglipVisionModel.from_pretrained(
            str(eyes), subfolder="image_encoder", **how
        )
        feature_extractor = transformers.SiglipImageProcessor.from_pretrained(
            str(eyes), subfolder="feature_extractor", local_files_only=True
        )
    return read_components(others, dtypes, transformer=None) | {
        "transformer": transformer,
        "image_encoder": image_encoder,
        "feature_extractor": feature_extractor,
    }


_DRIVE = Drive(
    pipeline=_pipeline,
    arguments=_arguments,
    components=_components,
    continuation="whole",
    decode=decode,
    rounds=_sections,
)


def load(card: ModelCard, setup: Setup) -> Model:
    return load_drive(card, setup, _DRIVE)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import diffusers
    import transformers

    from moviola.diffusion import tiny

    kind: Any = diffusers.HunyuanVideoFramepackPipeline
    with tiny.seeded():
        tokenizer, config = tiny.llama(
            template(kind), "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"
        )
        tokenizer_2, text_encoder_2 = tiny.clip_text()
        feature_extractor, image_encoder = tiny.siglip(28)
        transformer = diffusers.HunyuanVideoFramepackTransformer3DModel(
            **TINY,
            has_image_proj=True,
            image_proj_dim=tiny.WIDTH,
            has_clean_x_embedder=True,
        )
        pipeline = kind(
            text_encoder=transformers.LlamaModel(config),
            tokenizer=tokenizer,
            transformer=transformer,
            vae=tiny_codec(),
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
            text_encoder_2=text_encoder_2,
            tokenizer_2=tokenizer_2,
            image_encoder=image_encoder,
            feature_extractor=feature_extractor,
        )
    return tiny.saved(
        pipeline,
        folder,
        card,
        limits={"min_size": (16, 16), "max_pixels": 64 * 64},
        native={"size": (32, 32), "frames": 37, "steps": 2},
    )

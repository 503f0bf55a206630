"""HunyuanVideo 1.0 and 1.5: text and image to video by diffusion transformers (Kong et al. 2024, 2025)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Codec, Denoiser, Limits, ModelCard, Native, Part, Weights
from moviola.diffusion.drive import Continuation, Drive, Shot
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
from moviola.model import Model, Setup

_HUB = "hunyuanvideo-community"

_OLD = Limits(
    min_frames=5,
    max_frames=129,
    frame_step=4,
    frame_base=1,
    size_multiple=16,
    min_size=(256, 256),
    max_pixels=1280 * 720,
    max_prompt_tokens=256,
)
_OLD_COST = Denoiser(
    stride=(4, 8, 8),
    patch=(1, 2, 2),
    layers=60,
    width=3072,
    token_parameters=6_795_165_696,
    joint_tokens=256,
    token_bytes=111_680,
    passes=1,
    batch=1,
)
_NEW_COST = Denoiser(
    stride=(4, 16, 16),
    layers=54,
    width=2048,
    token_parameters=2_718_107_648,
    joint_tokens=1985,
    batch=1,
)


def _old(id: str, name: str, summary: str, *, text_encoder: Part, image: bool = False) -> ModelCard:
    """A card of HunyuanVideo 1.0. name: of the repository."""
    takes = ("prompt", "negative_prompt", "guidance")
    facts: dict[str, Any] = {
        "languages": "English, Chinese",
        "guidance": "told to the model; a negative prompt costs a second pass: option true_guidance",
    }
    if image:
        facts["guidance of images"] = "6, as the authors of the conversion advise; others use 1 [unverified]"
    return ModelCard(
        id=id,
        summary=summary,
        licence=LICENCE,
        tasks=("generate",),
        extra="local",
        limits=_OLD,
        native=Native(size=(1280, 720), frames=129, fps=24, steps=50, guidance=6),
        takes=(*takes, *(["image"] if image else [])),
        needs=("prompt", "image") if image else ("prompt",),
        weights=(Weights(repo=f"{_HUB}/{name}"),),
        parts=(
            Part(name="transformer", parameters=12_821_012_544, role="denoiser"),
            text_encoder,
            CLIP_TEXT,
            CODEC,
        ),
        denoiser=_OLD_COST,
        codec=CODEC_COST,
        source=f"https://huggingface.co/{_HUB}/{name}",
        facts=facts,
    )


def _new(
    height: Literal[480, 720],
    kind: Literal["t2v", "i2v"],
    *,
    distilled: Literal["", "distilled", "step-distilled"] = "",
) -> ModelCard:
    """A card of HunyuanVideo 1.5. distilled: of what: nothing, guidance, guidance and steps."""
    size = (848, 480) if height == 480 else (1280, 720)
    words = "-".join(word for word in (f"{height}p", kind, distilled) if word)
    repo = f"{_HUB}/HunyuanVideo-1.5-Diffusers-{words.replace('-', '_')}"
    image = kind == "i2v"
    guided = ["negative_prompt", "guidance"] if not distilled else []
    what = "an image and a text" if image else "a text"
    how = {"": "", "distilled": ", without guidance: twice as fast", "step-distilled": ", in few steps"}
    facts = {"languages": "English, Chinese; words in quotes are written into the picture"}
    if distilled == "step-distilled":
        facts["layout"] = "parameter count and repository taken from its conversion, not verified"
    return ModelCard(
        id=f"hunyuanvideo1.5-{words}",
        summary=f"Five seconds at {height}p from {what}{how[distilled]}.",
        licence=LICENCE,
        tasks=("generate",),
        extra="local",
        limits=_OLD.model_copy(
            update={
                "max_frames": 121,
                "max_pixels": (848 if height == 480 else 1280) * height,
                "max_prompt_tokens": 1000,
            }
        ),
        native=Native(
            size=size,
            frames=121,
            fps=24,
            steps=12 if distilled == "step-distilled" else 50,
            guidance=None if distilled else 6,
        ),
        takes=("prompt", *guided, *(["image"] if image else [])),
        needs=("prompt", "image") if image else ("prompt",),
        weights=(Weights(repo=repo),),
        parts=(
            Part(
                name="transformer",
                # The step-distilled one is also told the time it is to reach.
                parameters=8_331_330_848 if distilled == "step-distilled" else 8_326_608_160,
                role="denoiser",
            ),
            Part(name="text_encoder", parameters=7_070_619_136, role="text"),
            Part(name="text_encoder_2", parameters=219_314_944, role="text"),
            *([SIGLIP] if image else []),
            Part(name="vae", parameters=1_260_634_115, role="codec"),
        ),
        denoiser=_NEW_COST,
        codec=Codec(frame_bytes=1796, tile=(256, 256)),
        source=f"https://huggingface.co/{repo}",
        facts=facts,
    )


CARDS: Sequence[ModelCard] = (
    _old("hunyuanvideo", "HunyuanVideo", "Five seconds at 720p from a text.", text_encoder=LLAMA),
    _old(
        "hunyuanvideo-i2v",
        "HunyuanVideo-I2V",
        "Five seconds at 720p from an image and a text.",
        text_encoder=Part(name="text_encoder", parameters=8_355_272_704, role="text"),
        image=True,
    ),
    _new(480, "t2v"),
    _new(480, "t2v", distilled="distilled"),
    _new(720, "t2v"),
    _new(480, "i2v"),
    _new(480, "i2v", distilled="distilled"),
    _new(480, "i2v", distilled="step-distilled"),
    _new(720, "i2v"),
    _new(720, "i2v", distilled="distilled"),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    true_guidance: float = Field(
        6.0,
        ge=1,
        le=30,
        description="of 1.0: how far to keep from a negative prompt, 1 to 30; 1 does not look at it",
    )


def _is_new(card: ModelCard) -> bool:
    return card.id.startswith("hunyuanvideo1.5")


def _pipeline(card: ModelCard, shot: Shot, options: Options) -> str:
    version = "15" if _is_new(card) else ""
    return f"HunyuanVideo{version}{'ImageToVideo' if shot.image is not None else ''}Pipeline"


def _arguments(card: ModelCard, shot: Shot, options: Options) -> Mapping[str, Any]:
    asked: dict[str, Any] = {
        "prompt": shot.prompt,
        "negative_prompt": shot.negative_prompt,
        "num_frames": shot.frames,
        "num_inference_steps": shot.steps,
    }
    if shot.image is not None:
        asked["image"] = shot.image
    if not _is_new(card):
        asked["guidance_scale"] = shot.guidance
        asked["true_cfg_scale"] = options.true_guidance
        asked["max_sequence_length"] = card.limits.max_prompt_tokens
    if not _is_new(card) or shot.image is None:
        asked |= {"height": shot.height, "width": shot.width}
    return asked


def _prepare(pipeline: Any, shot: Shot, options: Options) -> None:
    """HunyuanVideo 1.5 has its guidance in a component, and for images a choice of sizes of its own."""
    guider = getattr(pipeline, "guider", None)
    if guider is None:
        return
    pipeline.guider = guider.new() if shot.guidance is None else guider.new(guidance_scale=shot.guidance)
    if shot.image is not None:
        # The image already has the size that was asked for, which need not be among those.
        pipeline.video_processor.calculate_default_height_width = lambda **_: (shot.height, shot.width)


def _continuation(card: ModelCard, shot: Shot) -> Continuation:
    return "image" if "image" in card.needs else "latents"


def _encode(pipeline: Any, video: Any, shot: Shot) -> Any:
    """(1, C, T, h, w)"""
    vae = pipeline.vae
    latents = vae.encode(video.to(vae.device, vae.dtype)).latent_dist.mode()
    return latents * vae.config.scaling_factor


_DRIVE = Drive(
    pipeline=_pipeline,
    arguments=_arguments,
    prepare=_prepare,
    continuation=_continuation,
    overlap=13,
    encode=_encode,
    decode=decode,
)


def load(card: ModelCard, setup: Setup) -> Model:
    return load_drive(card, setup, _DRIVE)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    from moviola.diffusion import tiny
    from moviola.weights.quiet import quiet

    with quiet(), tiny.seeded():
        pipeline = _tiny_new(card) if _is_new(card) else _tiny_old(card)
    return tiny.saved(
        pipeline,
        folder,
        card,
        limits={"max_frames": 17, "min_size": (16, 16), "max_pixels": 64 * 64},
        native={"size": (32, 32), "frames": 9, "steps": 2},
    )


def _tiny_old(card: ModelCard) -> Any:
    import diffusers
    import transformers

    from moviola.diffusion import tiny

    is_image = "image" in card.needs
    kind = diffusers.HunyuanVideoImageToVideoPipeline if is_image else diffusers.HunyuanVideoPipeline
    marks = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<image>")
    tokenizer, config = tiny.llama(template(kind), *marks)
    tokenizer_2, text_encoder_2 = tiny.clip_text()
    transformer = diffusers.HunyuanVideoTransformer3DModel(
        **TINY,
        image_condition_type="token_replace" if is_image else None,
    )
    common = {
        "tokenizer": tokenizer,
        "transformer": transformer,
        "vae": tiny_codec(),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
        "text_encoder_2": text_encoder_2,
        "tokenizer_2": tokenizer_2,
    }
    if not is_image:
        return kind(text_encoder=transformers.LlamaModel(config), **common)
    # The pipeline's template has room for 24 x 24 patches of the image.
    vision = transformers.CLIPVisionConfig(
        hidden_size=tiny.WIDTH,
        intermediate_size=37,
        projection_dim=tiny.WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=48,
        patch_size=2,
    )
    eyes = transformers.LlavaConfig(
        vision_config=vision,
        text_config=config,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    eyes.pad_token_id = tokenizer.pad_token_id
    return kind(
        text_encoder=transformers.LlavaForConditionalGeneration(eyes),
        image_processor=transformers.CLIPImageProcessor(
            size={"shortest_edge": 48}, crop_size={"height": 48, "width": 48}
        ),
        **common,
    )


def _tiny_new(card: ModelCard) -> Any:
    import diffusers

    from moviola.diffusion import tiny

    is_image = "image" in card.needs
    tokenizer, text_encoder = tiny.qwen2()
    tokenizer_2, text_encoder_2 = tiny.byt5()
    transformer = diffusers.HunyuanVideo15Transformer3DModel(
        in_channels=9,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=10,
        num_layers=1,
        num_refiner_layers=1,
        text_embed_dim=tiny.WIDTH,
        text_embed_2_dim=tiny.WIDTH,
        image_embed_dim=tiny.WIDTH,
        rope_axes_dim=(2, 4, 4),
        target_size=32,
        task_type="i2v" if is_image else "t2v",
        use_meanflow=card.id.endswith("step-distilled"),
    )
    vae = diffusers.AutoencoderKLHunyuanVideo15(
        latent_channels=4, block_out_channels=(8,) * 5, layers_per_block=1
    )
    guided = "guidance" in card.takes
    common = {
        "text_encoder": text_encoder,
        "tokenizer": tokenizer,
        "transformer": transformer,
        "vae": vae,
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(shift=5.0),
        "text_encoder_2": text_encoder_2,
        "tokenizer_2": tokenizer_2,
        "guider": diffusers.ClassifierFreeGuidance(guidance_scale=6.0, enabled=guided),
    }
    if not is_image:
        return diffusers.HunyuanVideo15Pipeline(**common)
    feature_extractor, image_encoder = tiny.siglip(28)
    return diffusers.HunyuanVideo15ImageToVideoPipeline(
        image_encoder=image_encoder, feature_extractor=feature_extractor, **common
    )

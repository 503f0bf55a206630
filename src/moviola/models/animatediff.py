"""AnimateDiff: motion modules that set image models in motion (Guo et al. 2023).

A checkpoint is two: an image model of the Stable Diffusion kind, and an adapter that puts motion modules into
its U-Net. Any image model fine-tuned from the same base does in its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Codec, Denoiser, Limits, ModelCard, Native, Part, Weights
from moviola.diffusion.drive import ADAPTER_FILES, Continuation, Drive, Shot, Tell, edit_of
from moviola.diffusion.drive import load as load_drive
from moviola.errors import InputError, MissingExtraError, RequestError
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from PIL import Image

_BASE_FILES = (
    "model_index.json",
    "*/*.json",
    "*/merges.txt",
    "text_encoder*/model.safetensors",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
)
"""Beside them such repositories hold the weights in other layouts, and a safety checker."""

_SD15 = Weights(repo="stable-diffusion-v1-5/stable-diffusion-v1-5", files=_BASE_FILES)
_SDXL = Weights(repo="stabilityai/stable-diffusion-xl-base-1.0", files=_BASE_FILES)

_SD15_PARTS = (
    Part(name="text_encoder", parameters=123_060_480, role="text"),
    Part(name="vae", parameters=83_653_863, role="codec"),
)
_SDXL_PARTS = (
    Part(name="text_encoder", parameters=123_060_480, role="text"),
    Part(name="text_encoder_2", parameters=694_659_840, role="text"),
    Part(name="vae", parameters=83_653_863, role="codec"),
)

_SD15_UNET = 859_520_964
_WITH_MID, _WITHOUT_MID = 453_209_280, 417_137_600
"""Parameters of the motion modules: with and without any in the middle block."""

_SD15_COST = Denoiser(stride=(1, 8, 8), macs_per_pixel=2_115_836, token_bytes=16_680)
_SDXL_COST = Denoiser(stride=(1, 8, 8), macs_per_pixel=3_754_802, token_bytes=16_730)

_AT_ONCE = 16
"""Frames coded at a time."""

_LIMITS = Limits(
    min_frames=8,
    max_frames=16,
    size_multiple=8,
    min_size=(256, 256),
    max_size=(1024, 1024),
    max_pixels=768 * 768,
    max_prompt_tokens=77,
)

_CONTEXT = 16
"""Frames that the motion modules were trained on."""


def _card(
    id: str,
    adapter: str,
    summary: str,
    *,
    unet: int,
    files: tuple[str, ...] = ADAPTER_FILES,
    base: Weights = _SD15,
    control: Weights | None = None,
    controlnet: int = 0,
    licence: str = "Apache-2.0, on Stable Diffusion 1.5 under CreativeML OpenRAIL-M (uses are restricted)",
    limits: Limits = _LIMITS,
    steps: int = 25,
    guidance: float = 7.5,
    facts: Mapping[str, Any] | None = None,
) -> ModelCard:
    """unet, controlnet: their parameters, the U-Net's with its motion modules."""
    is_sdxl, is_sparse = base is _SDXL, control is not None
    # A part of a single step is none.
    edits = not (is_sdxl or is_sparse) and steps > 1
    parts = [Part(name="unet", parameters=unet, role="denoiser"), *(_SDXL_PARTS if is_sdxl else _SD15_PARTS)]
    if is_sparse:
        parts.append(Part(name="controlnet", parameters=controlnet, role="other"))
    return ModelCard(
        id=id,
        summary=summary,
        licence=licence,
        tasks=("generate", "edit") if edits else ("generate",),
        extra="local",
        limits=limits,
        native=Native(
            size=(1024, 1024) if is_sdxl else (512, 512), frames=16, fps=8, steps=steps, guidance=guidance
        ),
        takes=(
            *("prompt", "negative_prompt", "guidance"),
            *(("strength",) if edits else ()),
            *(("image", "last_image") if is_sparse else ()),
        ),
        needs=("prompt", "image") if is_sparse else ("prompt",),
        weights=(base, Weights(repo=adapter, files=files), *((control,) if control is not None else ())),
        parts=tuple(parts),
        denoiser=_SDXL_COST if is_sdxl else _SD15_COST,
        # The pipeline for SDXL decodes all frames at once.
        codec=Codec(frame_bytes=1537, at_once=None if is_sdxl else _AT_ONCE, sliced=True, tile=(512, 512)),
        dtype="float16",
        source=f"https://huggingface.co/{adapter}",
        facts={"languages": "English", "base": base.repo} | dict(facts or {}),
    )


def _lightning(steps: int) -> ModelCard:
    return _card(
        f"animatediff-lightning-{steps}step",
        "ByteDance/AnimateDiff-Lightning",
        f"Two seconds from a text in {steps} step{'s' if steps > 1 else ''}.",
        files=(f"animatediff_lightning_{steps}step_diffusers.safetensors",),
        unet=_SD15_UNET + _WITH_MID,
        licence="CreativeML OpenRAIL-M (uses are restricted), as Stable Diffusion 1.5",
        steps=steps,
        guidance=1,
        facts={"steps": f"distilled for {steps}", "unsure": "names of files and licence"},
    )


def _sparse(id: str, repo: str, summary: str, *, controlnet: int) -> ModelCard:
    return _card(
        id,
        "guoyww/animatediff-motion-adapter-v1-5-3",
        summary,
        unet=_SD15_UNET + _WITHOUT_MID,
        control=Weights(repo=repo, files=ADAPTER_FILES),
        controlnet=controlnet,
    )


CARDS: Sequence[ModelCard] = (
    _card(
        "animatediff-v1-5-2",
        "guoyww/animatediff-motion-adapter-v1-5-2",
        "Two seconds from a text, or longer in sliding windows, with any Stable Diffusion 1.5 model.",
        unet=_SD15_UNET + _WITH_MID,
        facts={
            "motion_lora": "made for this adapter: guoyww/animatediff-motion-lora-zoom-in and its siblings"
        },
    ),
    _card(
        "animatediff-v1-5-3",
        "guoyww/animatediff-motion-adapter-v1-5-3",
        "The third adapter: two seconds from a text, or longer in sliding windows.",
        unet=_SD15_UNET + _WITHOUT_MID,
        facts={"unsure": "no motion modules in the middle block, as the file's size says"},
    ),
    _card(
        "animatediff-sdxl-beta",
        "guoyww/animatediff-motion-adapter-sdxl-beta",
        "Two seconds at 1024x1024 from a text; a beta.",
        base=_SDXL,
        unet=2_567_463_684 + 236_779_200,
        licence="Apache-2.0, on Stable Diffusion XL under CreativeML OpenRAIL++-M (uses are restricted)",
        limits=_LIMITS.model_copy(
            update={"min_size": (512, 512), "max_size": (1536, 1536), "max_pixels": 1024 * 1024}
        ),
        guidance=5,
    ),
    *(_lightning(steps) for steps in (1, 2, 4, 8)),
    _sparse(
        "animatediff-sparsectrl-rgb",
        "guoyww/animatediff-sparsectrl-rgb",
        "Two seconds from a text that pass through given first and last frames.",
        controlnet=496_730_880,
    ),
    _sparse(
        "animatediff-sparsectrl-scribble",
        "guoyww/animatediff-sparsectrl-scribble",
        "Two seconds from a text that follow scribbles, white on black, of the first and last frames.",
        controlnet=497_802_784,
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str | None = Field(
        None, description="another image model of the same kind, ORG/NAME or a folder in diffusers layout"
    )
    adapter: str | None = Field(
        None, description="another motion adapter: ORG/NAME, a folder or a safetensors file"
    )
    motion_lora: str | None = Field(
        None, description="a camera's motion laid over the adapter: ORG/NAME, a folder or a safetensors file"
    )
    motion_lora_scale: float = Field(1.0, ge=-2, le=2, description="how much of it")
    free_init: int = Field(
        0,
        ge=0,
        le=10,
        description="rounds of FreeInit for steadier motion, 3 as a rule, each as long as all; 0 none",
    )
    context_length: int = Field(
        _CONTEXT, ge=2, le=32, description="frames of a sliding window (FreeNoise), in longer videos"
    )
    context_stride: int = Field(4, ge=1, le=32, description="frames from one sliding window to the next")
    decode_chunk_size: int = Field(
        _AT_ONCE, ge=1, description="frames coded at a time, fewer for less memory"
    )
    controlnet: str | None = Field(
        None, description="for edits: a ControlNet that holds on to the video, ORG/NAME or a folder"
    )
    controlnet_scale: float = Field(
        1.0, ge=0, le=2, description="how closely it, or a given frame of SparseCtrl, is followed"
    )
    control: Literal["frames", "edges"] = Field(
        "frames", description="what the ControlNet sees: frames as they are, or their edges (Canny)"
    )


def _is_sdxl(card: ModelCard) -> bool:
    return any(part.name == "text_encoder_2" for part in card.parts)


def _is_sparse(card: ModelCard) -> bool:
    return "image" in card.needs


def _pipeline(card: ModelCard, shot: Shot, options: Options) -> str:
    if shot.video is None and options.controlnet is not None:
        raise RequestError("controlnet holds on to a video: it is an option of edit, not of generate")
    if shot.video is not None:
        control = "ControlNet" if options.controlnet is not None else ""
        return f"AnimateDiffVideoToVideo{control}Pipeline"
    if _is_sparse(card):
        return "AnimateDiffSparseControlNetPipeline"
    return "AnimateDiffSDXLPipeline" if _is_sdxl(card) else "AnimateDiffPipeline"


def _arguments(card: ModelCard, shot: Shot, options: Options) -> Mapping[str, Any]:
    asked: dict[str, Any] = {
        "prompt": shot.prompt,
        "negative_prompt": shot.negative_prompt,
        "height": shot.height,
        "width": shot.width,
        "num_inference_steps": shot.steps,
        "guidance_scale": shot.guidance,
    }
    if shot.video is not None:
        asked |= edit_of(shot) | {"decode_chunk_size": options.decode_chunk_size}
        if options.controlnet is not None:
            shown = [_edges(picture) for picture in shot.video] if options.control == "edges" else shot.video
            asked |= {"conditioning_frames": shown, "controlnet_conditioning_scale": options.controlnet_scale}
        return asked
    asked["num_frames"] = shot.frames
    if _is_sparse(card):
        given = {0: shot.image, shot.frames - 1: shot.last_image}
        frames = {index: picture for index, picture in given.items() if picture is not None}
        return asked | {
            "conditioning_frames": list(frames.values()),
            "controlnet_frame_indices": list(frames),
            "controlnet_conditioning_scale": options.controlnet_scale,
        }
    return asked if _is_sdxl(card) else asked | {"decode_chunk_size": options.decode_chunk_size}


def _edges(picture: Image.Image) -> Image.Image:
    """Its outlines, white on black (Canny 1986), with the usual thresholds of 100 and 200."""
    import numpy as np
    from PIL import Image

    try:
        import cv2
    except ImportError as error:
        raise MissingExtraError("control=edges", "classical") from error
    return Image.fromarray(cv2.Canny(np.asarray(picture), 100, 200)).convert("RGB")


def _slides(shot: Shot, options: Options) -> bool:
    return shot.video is None and shot.frames > options.context_length


def _continuation(card: ModelCard, shot: Shot) -> Continuation:
    if _is_sparse(card):
        return "image"
    return "latents" if _is_sdxl(card) else "whole"


def _prepare(pipeline: Any, shot: Shot, options: Options) -> None:
    if options.free_init:
        pipeline.enable_free_init(num_iters=options.free_init)
    else:
        pipeline.disable_free_init()
    if hasattr(pipeline, "enable_free_noise") and _slides(shot, options):
        pipeline.enable_free_noise(options.context_length, options.context_stride)


def _rounds(card: ModelCard, shot: Shot, options: Options) -> int:
    return max(1, options.free_init)


def _components(card: ModelCard, setup: Setup, dtypes: Mapping[str, Any]) -> dict[str, Any]:
    """From one complete folder, or from those of the base model, the adapter and SparseCtrl."""
    import diffusers

    from moviola.diffusion import adapters
    from moviola.diffusion.engine import read_components
    from moviola.weights.quiet import quiet

    first, *others = setup.folders
    parts = _read_base(first, dtypes) if others else read_components(first, dtypes)
    if others:
        adapter = adapters.read_adapter(others[0], parts["unet"], card.weights[1].files[-1])
        with quiet():
            parts["unet"] = diffusers.UNetMotionModel.from_unet2d(parts["unet"], adapter)
        parts["scheduler"] = _schedule(card, parts["scheduler"])
        if _is_sparse(card):
            parts["controlnet"] = adapters.read_network(
                diffusers.SparseControlNetModel, others[1], parts["unet"].dtype
            )
    # A pipeline keeps the adapter beside the U-Net that has its weights, for one number in its settings.
    bare: Any = diffusers.MotionAdapter(
        block_out_channels=(32,),
        motion_layers_per_block=0,
        motion_max_seq_length=parts["unet"].config.motion_max_seq_length,
        use_motion_mid_block=False,
    )
    with quiet():
        parts["motion_adapter"] = bare.to(parts["unet"].dtype)
    return parts


def _schedule(card: ModelCard, published: Any) -> Any:
    """The scheduler that the adapters were trained for, on what the base model's says of its noise."""
    import diffusers

    if "lightning" in card.id:
        return diffusers.EulerDiscreteScheduler.from_config(
            published.config, timestep_spacing="trailing", beta_schedule="linear"
        )
    return diffusers.DDIMScheduler.from_config(
        published.config,
        beta_schedule="linear",
        clip_sample=False,
        timestep_spacing="linspace",
        steps_offset=1,
    )


def _read_base(folder: Path, dtypes: Mapping[str, Any]) -> dict[str, Any]:
    from moviola.diffusion.engine import read_components

    index = folder / "model_index.json"
    is_checked = index.is_file() and "safety_checker" in index.read_text()
    return read_components(folder, dtypes, **({"safety_checker": None} if is_checked else {}))


def _variant(shot: Shot, options: Options) -> Any:
    return options, _slides(shot, options)


def _adapt(
    card: ModelCard, parts: dict[str, Any], shot: Shot, options: Options, tell: Tell
) -> dict[str, Any]:
    import diffusers

    from moviola.diffusion import adapters

    parts = dict(parts)
    unet = parts["unet"]
    if options.base is not None:
        folder = adapters.brought(options.base, _BASE_FILES, tell)
        dtypes = {"default": unet.dtype, "vae": parts["vae"].dtype}
        brought = _read_base(folder, dtypes)
        flat = brought.pop("unet")
        motion = adapters.adapter_like(
            {n: t for n, t in unet.state_dict().items() if "motion_modules" in n}, unet.config
        )
        unet = diffusers.UNetMotionModel.from_unet2d(flat, motion)
        parts |= {name: part for name, part in brought.items() if name in parts and name != "scheduler"}
    if options.adapter is not None:
        unet = adapters.moved_by(
            unet, adapters.read_adapter(adapters.brought(options.adapter, ADAPTER_FILES, tell), unet)
        )
    if options.motion_lora is not None:
        folder = adapters.brought(options.motion_lora, ("*.safetensors",), tell)
        found = [folder] if folder.is_file() else sorted(folder.glob("*.safetensors"))
        if not found:
            raise InputError(f"motion_lora: {folder} holds no safetensors file; name another")
        unet = adapters.with_lora(
            adapters.twin(unet), adapters.tensors_of(found[0]), options.motion_lora_scale
        )
    if options.controlnet is not None:
        folder = adapters.brought(options.controlnet, ADAPTER_FILES, tell)
        parts["controlnet"] = adapters.read_network(diffusers.ControlNetModel, folder, unet.dtype)
    if _continuation(card, shot) == "whole" and _slides(shot, options):
        # Sliding windows replace blocks of the U-Net: in a twin, and before it is spread over devices.
        unet = adapters.twin(unet)
        nothing = dict.fromkeys(("vae", "text_encoder", "tokenizer", "scheduler"))
        sliding: Any = diffusers.AnimateDiffPipeline(
            **nothing, unet=unet, motion_adapter=parts["motion_adapter"]
        )
        sliding.enable_free_noise(options.context_length, options.context_stride)
    return parts | {"unet": unet}


def _encode(pipeline: Any, video: Any, shot: Shot) -> Any:
    """(1, C, T, h, w)"""
    vae = pipeline.vae
    each = video[0].transpose(0, 1).to(vae.device, vae.dtype)
    latents = vae.encode(each).latent_dist.mode() * vae.config.scaling_factor
    return latents.transpose(0, 1)[None]


def _decode(pipeline: Any, latents: Any, shot: Shot) -> Any:
    from moviola.diffusion.look import decoded_each, pooled

    return decoded_each(pipeline.vae, pooled(latents) / pipeline.vae.config.scaling_factor)


_DRIVE = Drive(
    pipeline=_pipeline,
    arguments=_arguments,
    components=_components,
    adapt=_adapt,
    variant=_variant,
    prepare=_prepare,
    continuation=_continuation,
    overlap=4,
    encode=_encode,
    decode=_decode,
    rounds=_rounds,
)


def load(card: ModelCard, setup: Setup) -> Model:
    return load_drive(card, setup, _DRIVE)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import diffusers

    from moviola.diffusion import tiny
    from moviola.weights.quiet import quiet

    is_sdxl, is_sparse = _is_sdxl(card), _is_sparse(card)
    with tiny.seeded(), quiet():
        tokenizer, text_encoder = tiny.clip_text()
        vae = diffusers.AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(32,) * 4,
            latent_channels=4,
        )
        shape: dict[str, Any] = {
            "block_out_channels": (32, 64),
            "layers_per_block": 1,
            "cross_attention_dim": 2 * tiny.WIDTH if is_sdxl else tiny.WIDTH,
        }
        text_and_time: dict[str, Any] = {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 6 * 8 + tiny.WIDTH,
        }
        flat = diffusers.UNet2DConditionModel(
            sample_size=8,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            attention_head_dim=4,
            **shape,
            **(text_and_time if is_sdxl else {}),
        )
        adapter = diffusers.MotionAdapter(
            block_out_channels=(32, 64),
            motion_layers_per_block=1,
            use_motion_mid_block=any(name in card.id for name in ("v1-5-2", "lightning")),
        )
        parts = {
            "vae": vae,
            "text_encoder": text_encoder,
            "tokenizer": tokenizer,
            "unet": diffusers.UNetMotionModel.from_unet2d(flat, adapter),
            "motion_adapter": adapter,
            "scheduler": _schedule(card, diffusers.DDIMScheduler(beta_start=0.00085, beta_end=0.012)),
        }
        kind: Any = diffusers.AnimateDiffPipeline
        if is_sdxl:
            kind = diffusers.AnimateDiffSDXLPipeline
            parts["tokenizer_2"], parts["text_encoder_2"] = tiny.clip_text(projected=True)
        if is_sparse:
            kind = diffusers.AnimateDiffSparseControlNetPipeline
            parts["controlnet"] = diffusers.SparseControlNetModel(
                down_block_types=("CrossAttnDownBlockMotion", "DownBlockMotion"),
                attention_head_dim=4,
                conditioning_channels=4 if "rgb" in card.id else 3,
                conditioning_embedding_out_channels=(16,) * 4,
                use_simplified_condition_embedding="rgb" in card.id,
                **shape,
            )
    return tiny.saved(
        kind(**parts),
        folder,
        card,
        limits={
            "min_frames": 2,
            "max_frames": 8,
            "size_multiple": 16,
            "min_size": (16, 16),
            "max_size": (64, 64),
            "max_pixels": 64 * 64,
        },
        native={"size": (32, 32), "frames": 4, "steps": min(2, card.native.steps if card.native else 2)},
    )

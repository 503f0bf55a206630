"""LTX-2: video with its sound by one transformer of two streams (HaCohen et al. 2026)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Codec, Denoiser, Limits, ModelCard, Native, Part, Weights
from moviola.diffusion.drive import Drive, Shot, call_of
from moviola.diffusion.drive import load as load_drive
from moviola.model import Model, Setup

_DISTILLED_STEPS = 8
_LOOK = 8
"""Latents along the longer side of a preview: 256 pixels."""

_LEAST = (64, 64)
"""The decoder mirrors latents at the edges: it needs two of them in each direction."""

_FOLDERS = (
    "audio_vae",
    "connectors",
    "scheduler",
    "text_encoder",
    "tokenizer",
    "transformer",
    "vae",
    "vocoder",
)


def _card(id: str, repo: str, summary: str, *, distilled: bool = False, unsure: str) -> ModelCard:
    return ModelCard(
        id=id,
        summary=summary,
        licence="LTX-2.x Community Licence, not open source: commercial use is limited by yearly revenue",
        tasks=("generate",),
        extra="local",
        limits=Limits(
            min_frames=9,
            max_frames=481,
            frame_step=8,
            frame_base=1,
            min_size=_LEAST,
            size_multiple=32,
            any_fps=True,
            max_prompt_tokens=1024,
        ),
        native=Native(
            size=(768, 512),
            frames=121,
            fps=24,
            steps=_DISTILLED_STEPS if distilled else 30,
            guidance=None if distilled else 3,
        ),
        takes=("prompt", "image", "last_image", *([] if distilled else ["negative_prompt", "guidance"])),
        needs=("prompt",),
        weights=(Weights(repo=repo, files=("model_index.json", *(f"{folder}/*" for folder in _FOLDERS))),),
        parts=(
            Part(name="transformer", parameters=18_876_174_592, role="denoiser"),
            Part(name="text_encoder", parameters=12_202_563_392, role="text"),
            Part(name="connectors", parameters=1_431_475_200, role="text"),
            Part(name="vae", parameters=1_222_479_601, role="codec"),
            Part(name="audio_vae", parameters=53_248_146, role="codec"),
            Part(name="vocoder", parameters=55_592_802, role="codec"),
        ),
        denoiser=Denoiser(
            stride=(8, 32, 32),
            layers=48,
            width=4096,
            token_parameters=13_123_977_216,
            cross_tokens=1150,
            token_bytes=178_230,
            # Prompt and negative together, then without one block's self-attention, then each stream alone.
            passes=4,
        ),
        # No tiles: diffusers' fail where a single latent is left over for the last, as 480 pixels leave.
        codec=Codec(frame_bytes=86.6),
        source=f"https://huggingface.co/{repo}",
        facts={
            "languages": "English",
            "context-parallel": True,
            "sound": "stereo at 24 kHz, made together with the pictures",
            "length": "20 seconds at 24 frames/s in one piece; further chunks go on from the pictures, "
            "their sound is made anew and cross-faded",
            "unsure": unsure,
        },
    )


_NOT_READ = "the licence's text was not read; sound and text parts are counted as diffusers builds them"

CARDS: Sequence[ModelCard] = (
    _card(
        "ltx2-19b",
        "Lightricks/LTX-2",
        "Five seconds of video with sound from a text, a first and a last image.",
        unsure=_NOT_READ,
    ),
    _card(
        "ltx2-19b-distilled",
        "rootonchair/LTX-2-19b-distilled",
        "The same in eight steps without guidance.",
        distilled=True,
        unsure=f"{_NOT_READ}; this copy in diffusers layout is not the publisher's own",
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    audio_guidance: float | None = Field(
        None, ge=1, le=100, description="how closely the sound follows the prompt; default 7, distilled 1"
    )
    stg_scale: float | None = Field(
        None,
        ge=0,
        le=100,
        description="how far pictures and sound are pushed from what they are without the self-attention of "
        "one block; 0 is off and saves a pass in each step; default 1, distilled 0",
    )
    stg_block: int = Field(29, ge=0, le=47, description="the block without self-attention, see `stg_scale`")
    modality_scale: float | None = Field(
        None,
        ge=1,
        le=100,
        description="how far pictures and sound are pushed towards each other; 1 is off and saves a pass in "
        "each step; default 3, distilled 1",
    )
    guidance_rescale: float | None = Field(
        None,
        ge=0,
        le=1,
        description="how far guidance is kept from raising contrast; default 0.7, distilled 0",
    )
    image_crf: int = Field(
        33,
        ge=0,
        le=51,
        description="H.264 quality (CRF) that a given picture is brought to, as in training; 0 leaves it",
    )


def _is_distilled(card: ModelCard) -> bool:
    return "guidance" not in card.takes


def _pipeline(card: ModelCard, shot: Shot, options: Options) -> str:
    given = (shot.image, shot.last_image, shot.known)
    return "LTX2Pipeline" if given == (None, None, None) else "LTX2ConditionPipeline"


def _arguments(card: ModelCard, shot: Shot, options: Options) -> Mapping[str, Any]:
    distilled = _is_distilled(card)

    def scale(asked: float | None, usual: float, off: float) -> float:
        return asked if asked is not None else off if distilled else usual

    stg = scale(options.stg_scale, 1.0, 0.0)
    modality = scale(options.modality_scale, 3.0, 1.0)
    rescale = scale(options.guidance_rescale, 0.7, 0.0)
    asked: dict[str, Any] = {
        **call_of(card, shot),
        "num_frames": shot.frames,
        "frame_rate": shot.fps,
        "guidance_scale": 1.0 if shot.guidance is None else shot.guidance,
        "audio_guidance_scale": scale(options.audio_guidance, 7.0, 1.0),
        # The pipeline takes 0 for the sound as "the same as for the pictures": both are always given alike.
        "stg_scale": stg,
        "audio_stg_scale": stg,
        "modality_scale": modality,
        "audio_modality_scale": modality,
        "guidance_rescale": rescale,
        "audio_guidance_rescale": rescale,
        "spatio_temporal_guidance_blocks": [options.stg_block],
    }
    if _has_own_levels(shot):
        asked["sigmas"] = _own_levels()
    conditions = _conditions(shot, options)
    return asked | ({"conditions": conditions} if conditions else {})


def _has_own_levels(shot: Shot) -> bool:
    """Only distilled checkpoints are asked without guidance."""
    return shot.guidance is None and shot.steps == _DISTILLED_STEPS


def _own_levels() -> list[float]:
    from diffusers.pipelines.ltx2.utils import DISTILLED_SIGMA_VALUES

    return list(DISTILLED_SIGMA_VALUES)


def _conditions(shot: Shot, options: Options) -> list[Any]:
    """What is known of the video, and at which of its latents."""
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition
    from PIL import Image

    known = []
    if shot.known is not None:
        known.append(LTX2VideoCondition([Image.fromarray(data) for data in shot.known.data], index=0))
    if shot.image is not None:
        known.append(LTX2VideoCondition(shot.image, index=0, crf=options.image_crf))
    if shot.last_image is not None:
        known.append(LTX2VideoCondition(shot.last_image, index=-1, crf=options.image_crf))
    return known


def _prepare(pipeline: Any, shot: Shot, options: Options) -> None:
    """The distilled checkpoints' own noise levels are meant as they are: the schedule must not shift them."""
    if _has_own_levels(shot):
        schedule = pipeline.scheduler
        pipeline.scheduler = type(schedule).from_config(
            schedule.config, use_dynamic_shifting=False, shift_terminal=None
        )


def _decode(pipeline: Any, latents: Any, shot: Shot) -> Any:
    from moviola.diffusion.look import decoded, pooled
    from moviola.diffusion.packed import unpacked
    from moviola.diffusion.standard import restored

    video = pooled(unpacked(pipeline, latents, shot), most=_LOOK, least=2)
    return decoded(pipeline.vae, restored(pipeline.vae, video))


def _sound(pipeline: Any, output: Any) -> tuple[Any, int]:
    samples = output.audio[0].float().cpu().numpy().T
    return samples, pipeline.vocoder.config.output_sampling_rate


_DRIVE = Drive(
    pipeline=_pipeline,
    arguments=_arguments,
    prepare=_prepare,
    continuation="family",
    overlap=9,
    decode=_decode,
    sound=_sound,
)


def load(card: ModelCard, setup: Setup) -> Model:
    return load_drive(card, setup, _DRIVE)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import diffusers
    from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
    from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder

    from moviola.diffusion import tiny

    with tiny.seeded():
        tokenizer, text_encoder = tiny.gemma3()
        transformer = diffusers.LTX2VideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            num_attention_heads=2,
            attention_head_dim=16,
            cross_attention_dim=32,
            audio_in_channels=8,
            audio_out_channels=8,
            audio_num_attention_heads=2,
            audio_attention_head_dim=8,
            audio_cross_attention_dim=16,
            num_layers=2,
            caption_channels=tiny.WIDTH,
        )
        connectors = LTX2TextConnectors(
            caption_channels=tiny.WIDTH,
            text_proj_in_factor=text_encoder.config.text_config.num_hidden_layers + 1,
            video_connector_num_attention_heads=2,
            video_connector_attention_head_dim=16,
            video_connector_num_layers=1,
            video_connector_num_learnable_registers=8,
            audio_connector_num_attention_heads=2,
            audio_connector_attention_head_dim=16,
            audio_connector_num_layers=1,
            audio_connector_num_learnable_registers=8,
        )
        vae: Any = diffusers.AutoencoderKLLTX2Video(
            latent_channels=8,
            block_out_channels=(8,) * 4,
            decoder_block_out_channels=(8,) * 3,
            layers_per_block=(1,) * 5,
            decoder_layers_per_block=(1,) * 4,
            upsample_factor=(1,) * 3,
            decoder_causal=False,
            spatial_compression_ratio=32,
            temporal_compression_ratio=8,
        )
        # Random networks answer almost zero where these are 1: every picture would be the same grey.
        vae.latents_std.fill_(4)
        audio_vae = diffusers.AutoencoderKLLTX2Audio(
            base_channels=8, num_res_blocks=1, latent_channels=2, mel_bins=16
        )
        vocoder = LTX2Vocoder(
            in_channels=32,
            hidden_channels=8,
            upsample_kernel_sizes=[24, 40],
            upsample_factors=[12, 20],
            resnet_kernel_sizes=[3],
            resnet_dilations=[[1]],
        )
    schedule = diffusers.FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.95,
        max_shift=2.05,
        base_image_seq_len=1024,
        max_image_seq_len=4096,
        shift_terminal=0.1,
    )
    return tiny.saved(
        diffusers.LTX2Pipeline(
            schedule, vae, audio_vae, text_encoder, tokenizer, connectors, transformer, vocoder
        ),
        folder,
        card,
        limits={"max_frames": 25, "max_prompt_tokens": 16},
        native={"size": _LEAST, "frames": 9, "steps": _DISTILLED_STEPS if _is_distilled(card) else 2},
    )

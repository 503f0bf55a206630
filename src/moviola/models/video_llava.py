"""Video-LLaVA (arXiv 2311.10122): eight frames, all their patches, read by Vicuna-7B."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from moviola.card import ModelCard, Part, Score, Understanding, Weights
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from moviola.understanding.library import Build

_PAPER = "https://arxiv.org/abs/2311.10122"

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        id="video-llava-7b",
        tasks=("ask", "caption"),
        summary="Questions about short videos from eight frames, with Vicuna-7B, 7.37 B.",
        licence="Apache-2.0, released as a research preview for non-commercial use only; its language model, "
        "Vicuna-7B v1.5, is under the Llama 2 Community License",
        commercial=False,
        extra="local",
        understanding=Understanding(
            frames=8,
            max_frames=8,
            fixed=True,
            frame_tokens=257,
            context=4096,
            layers=32,
            key_width=4096,
            parameters_billions=7.366,
            scores=tuple(
                Score(benchmark=name, value=value, setting="judged by GPT-3.5", source=_PAPER)
                for name, value in (
                    ("MSVD-QA", 70.7),
                    ("MSRVTT-QA", 59.2),
                    ("TGIF-QA", 70.0),
                    ("ActivityNet-QA", 45.3),
                )
            ),
        ),
        weights=(Weights(repo="LanguageBind/Video-LLaVA-7B-hf"),),
        parts=(
            Part(name="vision", parameters=627_339_264, role="image"),
            Part(name="language", parameters=6_738_939_904, role="text"),
        ),
        dtype="float16",
        source=_PAPER,
        facts={
            "prompt": "as transformers' documentation of the converted weights has it; the authors' own code "
            "begins with Vicuna's system prompt and ends answers with </s>",
            "context": "trained with 3072 tokens, 2056 of them for the frames",
            "frames": "trained with eight frames, and with one video in a prompt",
            "scores": "not read in the paper itself but remembered",
            "weights": "a second network of vision, for pictures, is loaded and not used",
        },
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(card: ModelCard, setup: Setup) -> Model:
    from moviola.understanding.build import load

    return load(card, setup, _build)


def _build() -> Build:
    from moviola.understanding.library import Build
    from moviola.understanding.vision_language import Dialect

    return Build(
        network="VideoLlavaForConditionalGeneration",
        dialect=Dialect(
            opening="",
            system="{system} ",
            first="USER: {videos}{question} ASSISTANT:",
            later="USER: {question} ASSISTANT:",
            video="{video}\n",
            closing=" ",
            stops=("</s>",),
        ),
    )


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import torch
    import transformers

    from moviola.understanding import tiny

    tokenizer = tiny.converted(tiny.llama_tokenizer(("USER:", "ASSISTANT:")))
    config = transformers.VideoLlavaConfig(
        text_config=transformers.LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=tiny.WIDTH,
            intermediate_size=48,
            num_hidden_layers=3,
            num_attention_heads=4,
        ),
        vision_config=transformers.CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=28,
            patch_size=14,
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_seq_length=4,
        video_seq_length=40,
    )
    sizes: dict[str, Any] = {"size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}}
    processor = transformers.VideoLlavaProcessor(
        transformers.VideoLlavaImageProcessor(**sizes),
        transformers.VideoLlavaVideoProcessor(**sizes),
        tokenizer,
    )
    network = tiny.made(transformers.VideoLlavaForConditionalGeneration, config)
    model = network.model
    parts = {
        "vision": torch.nn.ModuleList([model.video_tower, model.image_tower, model.multi_modal_projector]),
        "language": torch.nn.ModuleList([model.language_model, network.lm_head]),
    }
    return tiny.saved(card, folder, network, processor, parts, context=2048)

"""VideoLLaMA3 as its authors publish it, in the network that transformers has of it.

Zhang et al., arXiv 2501.13106. Names and settings are those of the code beside the weights
(`inference/transformers_api` of github.com/DAMO-NLP-SG/VideoLLaMA3).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import transformers
from torch import Tensor, nn
from transformers.models.video_llama_3.video_processing_video_llama_3 import smart_resize

from moviola.plan.plan import Plan
from moviola.understanding.families import pillow
from moviola.understanding.families.qwen import chatml
from moviola.understanding.library import Build, Library, pretrained
from moviola.understanding.placing import placed
from moviola.understanding.vision_language import Fit
from moviola.weights.quiet import reading

SYSTEM = (
    "You are VideoLLaMA3 created by Alibaba DAMO Academy, a helpful assistant to help people understand "
    "images and videos."
)

NAMES = {
    r"^model\.vision_encoder\.": "model.vision_model.",
    r"^model\.mm_projector\.": "model.projector.",
    r"^model\.(layers|norm|embed_tokens)\.": r"model.language_model.\1.",
}
"""Patterns of the authors' names, and what transformers has for them."""

_MERGED = 2
"""Patches along each side that one token stands for; 1 for pictures, of which there are none here."""


def fit(processor: Any, frames: int, height: int, width: int) -> Fit:
    """To whole tokens, as large as the tokens for all frames allow."""
    video: Any = processor.video_processor
    size = smart_resize(
        height,
        width,
        factor=video.patch_size * video.merge_size,
        min_pixels=video.size.shortest_edge,
        max_pixels=video.size.longest_edge // frames,
    )
    return lambda pictures: pillow.bicubic(pictures, *size)


def build() -> Build:
    return Build(
        network="VideoLlama3ForConditionalGeneration",
        dialect=chatml(system=SYSTEM, video="{video}\n"),
        kept=("video_compression_mask",),
        fit=fit,
    )


def read_from(folder: Path, plan: Plan) -> Library:
    """As published, or as converted for transformers.

    Raises InputError, one line, where the folder holds no such checkpoint.
    """
    with reading(folder):
        told = json.loads((folder / "config.json").read_text())
        converted = told["model_type"] == "video_llama_3"
        processor = None if converted else processor_in(folder, pruned=told["use_token_compression"])
        config = None if converted else config_of(told, processor)
    if processor is None:
        library = Library.read_from(folder, plan, build())
    else:
        kind = transformers.VideoLlama3ForConditionalGeneration
        network = pretrained(kind, folder, plan, config=config, key_mapping=NAMES, use_safetensors=True)
        library = Library(build(), placed(network, plan), processor, plan.device)
    # It reckons what follows each token, of which only the last is asked: gigabytes for a long video.
    library.network.lm_head.register_forward_pre_hook(_last)
    return library


def _last(head: nn.Module, given: tuple[Tensor]) -> tuple[Tensor]:
    return (given[0][:, -1:],)


def processor_in(folder: Path, *, pruned: bool) -> Any:
    """What the authors' own processor does, as far as it is about videos, by those of transformers.

    pruned: whether tokens are left out whose pixels are those of the frame before.
    """
    told = json.loads((folder / "preprocessor_config.json").read_text())
    token = (told["patch_size"] * _MERGED) ** 2
    video = transformers.VideoLlama3VideoProcessor(
        size={"shortest_edge": told["min_tokens"] * token, "longest_edge": told["max_tokens"] * token},
        image_mean=told["image_mean"],
        image_std=told["image_std"],
        patch_size=told["patch_size"],
        merge_size=_MERGED,
        use_token_compression=pruned,
    )
    tokenizer = transformers.Qwen2Tokenizer.from_pretrained(str(folder), local_files_only=True)
    return transformers.VideoLlama3Processor(transformers.VideoLlama3ImageProcessor(), tokenizer, video)


def config_of(told: Mapping[str, Any], processor: Any) -> Any:
    """The authors' configuration in the words of transformers.

    Their placeholder is a token of its own, `<image>`; here it is Qwen2.5's for videos. It makes no odds, as
    features stand in its place.
    """
    others = ("vision_encoder", "vision_encoder_config", "auto_map", "architectures", "image_token_index")
    words = {name: value for name, value in told.items() if name not in others}
    vision = {name: value for name, value in told["vision_encoder_config"].items() if name != "model_type"}
    return transformers.VideoLlama3Config(
        text_config=words | {"model_type": "qwen2"},
        vision_config=vision,
        image_token_id=processor.image_token_id,
        video_token_id=processor.video_token_id,
        tie_word_embeddings=told["tie_word_embeddings"],
    )

"""LLaVA-Video as its authors publish it, run by transformers' LLaVA-OneVision, of which it is a sibling.

Zhang et al., arXiv 2410.02713. Entries of the checkpoint have the names of the authors' code (LLaVA-NeXT).
Its `config.json` is that of the language model with their own settings beside it; there is no processor.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import transformers
from torch import Tensor
from torch.nn import functional
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.llava_onevision.modeling_llava_onevision import LlavaOnevisionModel
from transformers.video_utils import VideoMetadata

from moviola.errors import InputError
from moviola.plan.plan import Plan
from moviola.understanding.library import DTYPES, Build, Library
from moviola.understanding.placing import placed
from moviola.understanding.vision_language import Dialect
from moviola.weights.quiet import reading

NAMES = {
    r"^model\.vision_tower\.vision_tower\.vision_model\.": "model.vision_tower.",
    r"^model\.mm_projector\.0\.": "model.multi_modal_projector.linear_1.",
    r"^model\.mm_projector\.2\.": "model.multi_modal_projector.linear_2.",
    r"^model\.(embed_tokens|layers|norm)\.": r"model.language_model.\1.",
}
"""Of the checkpoint's entries, as patterns, and what they are in `Network`; all others have the same name."""

VIDEO, _PICTURE = "<video>", "<image>"
"""Placeholder tokens. The authors put features into a prompt behind the tokenizer, so theirs has none."""

_SETTINGS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
    "rms_norm_eps",
    "rope_theta",
    "tie_word_embeddings",
    "vocab_size",
)
"""Of the language model."""

Pooling = Literal["bilinear", "average", "max"]
Newline = Literal["grid", "frame", "one_token", "no_token"]


@dataclass(frozen=True, slots=True)
class Packing:
    """How the features of frames become one row of tokens: halved both ways, and with tokens between them.

    pooling: how they are halved. newline: behind what the token of a new line stands: each row of a frame
    ("grid"), each frame, all of them, or nothing. side: patches along one side of a frame.
    """

    pooling: Pooling
    newline: Newline
    side: int

    @property
    def rows(self) -> int:
        """What remains of a frame's rows, and of its columns."""
        return math.ceil(self.side / 2) if self.pooling == "bilinear" else self.side // 2

    def tokens(self, frames: int) -> int:
        ends = {"grid": frames * self.rows, "frame": frames, "one_token": 1, "no_token": 0}
        return frames * self.rows**2 + ends[self.newline]

    def __call__(self, features: Tensor, newline: Tensor) -> Tensor:
        """(N, side², D), and the new line (D,), to (tokens, D)."""
        grid = features.transpose(1, 2).unflatten(2, (self.side, self.side))
        if self.pooling == "bilinear":
            grid = functional.interpolate(grid, size=(self.rows, self.rows), mode="bilinear")
        else:
            grid = (functional.avg_pool2d if self.pooling == "average" else functional.max_pool2d)(grid, 2)
        grid = grid.permute(0, 2, 3, 1)
        lines = {"grid": grid, "frame": grid.flatten(1, 2)}.get(self.newline, grid.flatten(0, 2))
        if self.newline != "no_token":
            lines = torch.cat([lines, newline.to(lines).expand(*lines.shape[:-2], 1, -1)], dim=-2)
        return lines.flatten(0, -2)


class _Model(LlavaOnevisionModel):
    """transformers' own, but for the packing."""

    packing: Packing

    def get_video_features(self, pixel_values_videos: Tensor, **_: Any) -> BaseModelOutputWithPooling:
        """Features (B, tokens, D) of pixels (B, N, 3, h, w)."""
        seen = self.vision_tower(pixel_values_videos.flatten(0, 1), output_hidden_states=True)
        # Not normed, which the tower's own output is.
        features = self.multi_modal_projector(seen.hidden_states[-1])
        videos = features.unflatten(0, pixel_values_videos.shape[:2])
        packed = torch.stack([self.packing(video, self.image_newline) for video in videos])
        return BaseModelOutputWithPooling(pooler_output=packed)


class Network(transformers.LlavaOnevisionForConditionalGeneration):
    """LLaVA-OneVision with another packing of the frames."""

    def __init__(self, config: Any, packing: Packing) -> None:
        super().__init__(config)
        self.model = _Model(config)
        self.model.packing = packing


def read_from(folder: Path, plan: Plan, dialect: Dialect, vision: Mapping[str, Any]) -> Library:
    """vision: arguments of `transformers.SiglipVisionConfig`, which the checkpoint does not tell.

    Raises InputError, one line, where the folder holds no such checkpoint.
    """
    made: Any = Network
    with reading(folder):
        told = json.loads((folder / "config.json").read_text())
        tokenizer = transformers.Qwen2Tokenizer.from_pretrained(str(folder), local_files_only=True)
        config = transformers.LlavaOnevisionConfig(
            text_config=transformers.Qwen2Config(**{name: told[name] for name in _SETTINGS}),
            vision_config=transformers.SiglipVisionConfig(vision_use_head=False, **vision),
            tie_word_embeddings=told["tie_word_embeddings"],
            **placeholders(tokenizer),
        )
    packing = _packing(folder, told, vision["image_size"] // vision["patch_size"])
    with reading(folder):
        network, result = made.from_pretrained(
            str(folder),
            packing=packing,
            config=config,
            key_mapping=NAMES,
            dtype=DTYPES[plan.dtype],
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    if missing := result["missing_keys"]:
        raise InputError(f"{folder} does not fit: it lacks {min(missing)}")
    if unknown := result["unexpected_keys"]:
        raise InputError(f"{folder} does not fit: it has {min(unknown)}, which the network does not know")
    build = Build(network="", dialect=dialect, prepare=partial(timed, packing))
    return Library(build, placed(network, plan), _processor(tokenizer, vision["image_size"]), plan.device)


def placeholders(tokenizer: Any) -> dict[str, Any]:
    """Make a tokenizer know both, in places that the language model has to spare; returns which they are."""
    tokenizer.add_special_tokens(
        {"additional_special_tokens": [_PICTURE, VIDEO]}, replace_extra_special_tokens=False
    )
    image, video = tokenizer.convert_tokens_to_ids([_PICTURE, VIDEO])
    return {"image_token_index": image, "video_token_index": video}


def timed(
    packing: Packing, processor: Any, pictures: Tensor, metadata: VideoMetadata, **given: Any
) -> tuple[str, Mapping[str, Tensor]]:
    """Placeholders for frames, and a sentence on when each is shown, word for word as in training."""
    inputs = processor.video_processor(
        videos=[pictures], do_sample_frames=False, return_tensors="pt", **given
    )
    seconds: Any = metadata.frames_indices
    text = (
        f"{VIDEO * packing.tokens(len(pictures))}\n"
        f"The video lasts for {metadata.duration:.2f} seconds, and {len(pictures)} frames are uniformly "
        f"sampled from it. These frames are located at {','.join(f'{each:.2f}s' for each in seconds)}."
        "Please answer the following questions related to this video.\n"
    )
    return text, {"pixel_values_videos": inputs["pixel_values_videos"]}


def _packing(folder: Path, told: Mapping[str, Any], side: int) -> Packing:
    if told.get("add_faster_video", False):
        raise InputError(
            f"cannot load {folder}: it packs frames at two speeds (add_faster_video), which the authors' "
            "published code does not run; use a checkpoint without"
        )
    # Without them the authors' code trains and reads so.
    pooling = told.get("mm_spatial_pool_mode", "bilinear")
    newline = told.get("mm_newline_position", "one_token")
    for setting, value, known in (
        ("mm_spatial_pool_mode", pooling, get_args(Pooling)),
        ("mm_newline_position", newline, get_args(Newline)),
    ):
        if value not in known:
            raise InputError(f"cannot load {folder}: its {setting} is {value}, none of {', '.join(known)}")
    return Packing(pooling, newline, side)


def _processor(tokenizer: Any, size: int) -> Any:
    how: dict[str, Any] = {
        "size": {"height": size, "width": size},
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    return transformers.LlavaOnevisionProcessor(
        transformers.LlavaOnevisionImageProcessor(**how),
        tokenizer,
        transformers.LlavaOnevisionVideoProcessor(**how),
    )

"""InternVideo2.5 (Wang et al., arXiv 2501.12386): InternViT, tokens of a clip merged by HiCo, InternLM2.5.

Built upon InternVL2.5, whose prompts and preprocessing it keeps: each frame is scaled to a square and is one
"image" of the prompt. After the vision network, the tokens of a few frames in a row are merged together; what
is left is dealt out to these frames in equal parts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import accelerate  # type: ignore[import-untyped]
import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional

from moviola.errors import InputError
from moviola.frames import Seconds
from moviola.nets.hico import joined, merged
from moviola.plan.plan import Plan
from moviola.understanding.families import embedded, internlm2
from moviola.understanding.library import DTYPES
from moviola.understanding.placing import placed
from moviola.understanding.vision_language import Dialect, Features, Fit
from moviola.weights.quiet import quiet, reading

CONTEXT = "<IMG_CONTEXT>"
"""Stands for one feature in a prompt."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_BATCH = 8
"""Clips that are encoded at once; the result is that of each alone."""

_INTERNVL = (
    "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，"
    "英文名叫InternVL, 是一个有用无害的人工智能助手。"
)
_INTERNVL2_5 = (
    "你是书生·万象，英文名是InternVL，"
    "是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"
)


def _dialect(message: str, end: str) -> Dialect:
    return Dialect(
        opening=f"<|im_start|>system\n{message}{end}",
        system=f"<|im_start|>system\n{{system}}{end}",
        first=f"<|im_start|>user\n{{videos}}{{question}}{end}<|im_start|>assistant\n",
        later=f"<|im_start|>user\n{{question}}{end}<|im_start|>assistant\n",
        video="{video}",
        closing=end,
        stops=("<|im_end|>",),
    )


DIALECTS: Mapping[str, Dialect] = {
    "internvl2_5": _dialect(_INTERNVL2_5, "<|im_end|>\n"),
    "internlm2-chat": _dialect(_INTERNVL, "<|im_end|>"),
    "Hermes-2": _dialect(_INTERNVL, "<|im_end|>"),
}
"""By what a checkpoint's configuration calls its template."""


class Network(nn.Module):
    """Its parts, under the names of a checkpoint.

    config: the published configuration. clip: frames whose tokens are merged together, and tokens: how many
    are left of them.
    """

    def __init__(self, config: Mapping[str, Any], *, clip: int, tokens: int) -> None:
        super().__init__()
        vision, language = _vision(config["vision_config"]), internlm2.configured(config["llm_config"])
        width = 4 * vision.hidden_size
        self.clip, self.tokens = clip, tokens
        self.heads: int = language.num_attention_heads
        self.vision_model = transformers.InternVLVisionModel(vision)
        self.mlp1 = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, language.hidden_size),
            nn.GELU(),
            nn.Linear(language.hidden_size, language.hidden_size),
        )
        self.language_model = transformers.LlamaForCausalLM(language)

    def features(self, pixels: Tensor) -> Tensor:
        """pixels (N, 3, side, side), normalised, N a multiple of `clip` → (N · tokens / clip, width)"""
        patches = self.vision_model(pixels).last_hidden_state[:, 1:]
        clips = joined(patches).unflatten(0, (-1, self.clip)).flatten(1, 2)
        # The heads of the language model, not of the vision network: so it was trained.
        features: Tensor = self.mlp1(merged(clips, self.tokens, self.heads)).flatten(0, 1)
        return features


def _vision(config: Mapping[str, Any]) -> transformers.InternVLVisionConfig:
    return transformers.InternVLVisionConfig(
        hidden_size=config["hidden_size"],
        num_hidden_layers=config["num_hidden_layers"],
        num_attention_heads=config["num_attention_heads"],
        intermediate_size=config["intermediate_size"],
        attention_bias=config["qkv_bias"],
        use_qk_norm=config["qk_normalization"],
        hidden_act=config["hidden_act"],
        norm_type=config["norm_type"],
        layer_norm_eps=config["layer_norm_eps"],
        image_size=config["image_size"],
        patch_size=config["patch_size"],
    )


_VISION_NAMES = (
    (".class_embedding", ".cls_token"),
    (".patch_embedding.", ".patch_embeddings.projection."),
    (".position_embedding", ".position_embeddings"),
    (".encoder.layers.", ".encoder.layer."),
    (".attn.proj.", ".attention.projection_layer."),
    (".norm1.", ".layernorm_before."),
    (".norm2.", ".layernorm_after."),
    (".ls1", ".lambda_1"),
    (".ls2", ".lambda_2"),
)
"""Published, and transformers'."""


def renamed(
    state: Iterator[tuple[str, Tensor]], config: transformers.LlamaConfig
) -> Iterator[tuple[str, Tensor]]:
    """Entries of a checkpoint as what `Network` has.

    Others are left out: InternVideo2.5's holds the heads that it was trained with to track and to segment.
    """
    for name, value in state:
        part, _, rest = name.partition(".")
        if part == "language_model":
            for ours, rows in internlm2.renamed(rest, value, config):
                yield f"language_model.{ours}", rows
        elif part == "mlp1":
            yield name, value
        elif part == "vision_model":
            for theirs, ours in _VISION_NAMES:
                name = name.replace(theirs, ours)
            if ".attn.qkv." not in name:
                yield name, value
                continue
            for letter, rows in zip("qkv", value.chunk(3), strict=True):
                yield name.replace(".attn.qkv.", f".attention.{letter}_proj."), rows


def published(network: Network) -> dict[str, Tensor]:
    """The other way round: a network's entries as its authors name them."""
    told = {}
    vision = network.vision_model.state_dict(prefix="vision_model.")
    for name, value in vision.items():
        if ".k_proj." in name or ".v_proj." in name:
            continue
        if ".q_proj." in name:
            value = torch.cat([vision[name.replace("q_proj", f"{letter}_proj")] for letter in "qkv"])
            name = name.replace(".attention.q_proj.", ".attn.qkv.")
        for theirs, ours in _VISION_NAMES:
            name = name.replace(ours, theirs)
        told[name] = value
    told |= network.mlp1.state_dict(prefix="mlp1.")
    language = internlm2.published(network.language_model.state_dict(), network.language_model.config)
    return told | {f"language_model.{name}": value for name, value in language.items()}


class InternVideo25:
    """A `VisionLanguage`: the network with its tokenizer, and how frames come to it."""

    def __init__(self, network: Network, tokenizer: Any, dialect: Dialect, side: int, device: str) -> None:
        self.network, self.tokenizer, self.dialect = network, tokenizer, dialect
        self.side = side
        self._device = device
        self._placeholder: int = tokenizer.convert_tokens_to_ids(CONTEXT)

    @classmethod
    def read_from(cls, folder: Path, plan: Plan, *, clip: int, tokens: int) -> InternVideo25:
        """Raises InputError, one line, where the folder holds no such checkpoint."""
        with reading(folder):
            config = json.loads((folder / "config.json").read_text())
            with accelerate.init_empty_weights(include_buffers=False), quiet():
                network = Network(config, clip=clip, tokens=tokens)
            tokenizer = internlm2.InternLM2Tokenizer.from_pretrained(str(folder), local_files_only=True)
        if config["template"] not in DIALECTS:
            raise InputError(f"{folder}: template {config['template']} is none of {', '.join(DIALECTS)}")
        if config["ps_version"] != "v2" or config["select_layer"] != -1:
            raise InputError(f"{folder}: only ps_version v2 of the last layer is known, as published")
        state = renamed(embedded.entries(folder), network.language_model.config)
        embedded.fill(network, state, folder, DTYPES[plan.dtype])
        side = config["force_image_size"] or config["vision_config"]["image_size"]
        return cls(placed(network, plan), tokenizer, DIALECTS[config["template"]], side, plan.device)

    def fit(self, frames: int, height: int, width: int) -> Fit:
        """To a square, its sides freely, as Pillow's bicubic does: one tile, which videos get."""

        def scaled(pictures: Tensor) -> Tensor:
            return functional.interpolate(
                pictures, (self.side, self.side), mode="bicubic", antialias=True, align_corners=False
            )

        return scaled

    def tokens(self, frames: int, height: int, width: int) -> int:
        return len(self.tokenizer(self._text(frames), add_special_tokens=False)["input_ids"])

    def _text(self, frames: int) -> str:
        whole = -(-frames // self.network.clip) * self.network.clip
        shown = f"<img>{CONTEXT * (self.network.tokens // self.network.clip)}</img>"
        return "".join(f"Frame{number}: {shown}\n" for number in range(1, whole + 1))

    @torch.inference_mode()
    def see(self, pictures: Tensor, seconds: Seconds, start: float, stop: float) -> Features:
        """The last frame is repeated where they are no whole clips: the authors' code takes nothing else."""
        lacking = -len(pictures) % self.network.clip
        whole = torch.cat((pictures, pictures[-1:].expand(lacking, -1, -1, -1)))
        encoded = [self._encoded(part) for part in whole.split(_BATCH * self.network.clip)]
        return Features(self._text(len(pictures)), {embedded.FEATURES: torch.cat(encoded)})

    def _encoded(self, pictures: Tensor) -> Tensor:
        scale = torch.tensor(STD, device=self._device)[:, None, None]
        pixels = (pictures.to(self._device) / 255 - scale.new_tensor(MEAN)[:, None, None]) / scale
        return self.network.features(pixels.to(self.network.language_model.dtype))

    @torch.inference_mode()
    def read(self, ids: Tensor, seen: Any, cache: Any, mask: Tensor | None = None) -> Tensor:
        return embedded.read(self.network.language_model, self._placeholder, ids, seen, cache, mask)

    def state(self) -> None:
        """The network remembers nothing beside the cache."""

    def restore(self, state: None) -> None:
        """There is nothing to take up."""

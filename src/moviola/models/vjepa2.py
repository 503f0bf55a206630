"""V-JEPA 2: probes on an encoder that learnt to predict videos in its own terms (Assran et al. 2025)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from moviola.card import Accuracy, ModelCard, Part, Recognition, Weights
from moviola.model import Model, Setup
from moviola.recognition import build
from moviola.recognition.library import from_transformers

_README = "facebookresearch/vjepa2@c2963a4, README.md"

_PROBE = {"num_pooler_layers": 3, "probe_heads": 16, "probe_norm_eps": 1e-5}
"""As the authors trained it; transformers gives it the encoder's heads and epsilon."""


@dataclass(frozen=True, slots=True)
class _Size:
    """repo: what the Hub calls the encoder. network: its shape. levels: of the encoder, for Diving48."""

    name: str
    repo: str
    side: int
    network: dict[str, Any]
    levels: list[int]


_L = _Size(
    "l",
    "vitl",
    256,
    {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "mlp_ratio": 4, **_PROBE},
    [17, 19, 21, 23],
)
_G = _Size(
    "g",
    "vitg",
    384,
    {"hidden_size": 1408, "num_hidden_layers": 40, "num_attention_heads": 22, "mlp_ratio": 48 / 11, **_PROBE},
    [24, 29, 34, 39],
)

_FACTS = {
    "clips": "the published test shows the probe the tokens of all its clips at once; so does the network, "
    "with clips one after another",
    "scale": "the published test with three crops scales the shorter side to the crop itself; for one crop "
    "the authors and the Hub scale it to 256 / 224 of that, as here",
    "encoder": "unsure: the Hub's is the entry `encoder` of the authors' checkpoint, and their test reads "
    "`target_encoder`",
    "cost": "not published",
}
_HEADS = "16 of the probe, as it was trained; transformers takes the encoder's 22, which is another function"
_LEVELS = "the probe was trained on four levels of the encoder; transformers shows it the last one alone"


def _card(size: _Size, frames: int, stride: int, parameters: int, top1: float, *, dives: bool) -> ModelCard:
    labels, classes = ("diving48", 48) if dives else ("something-something-v2", 174)
    told = "48 kinds of dives" if dives else "174 ways to handle something"
    views = (4, 3) if dives else (2, 3)
    name = "diving48" if dives else "ssv2"
    repo = f"facebook/vjepa2-{size.repo}-fpc{frames}-{size.side}-{name}"
    facts = dict(_FACTS)
    if size is _G:
        facts["heads"] = _HEADS
    if dives:
        facts["levels"] = _LEVELS
    return ModelCard(
        id=f"vjepa2-{size.name}-{name}",
        tasks=("recognize", "watch"),
        summary=f"{told}: a probe on ViT-{size.name}, {frames} frames of {size.side} pixels.",
        licence="MIT",
        extra="local",
        recognition=Recognition(
            labels=labels,
            classes=classes,
            protocol="vjepa2",
            frames=frames,
            stride=stride,
            short_side=size.side,
            single_side=size.side * 256 // 224,
            crop=(size.side, size.side),
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            views=views,
            joined=True,
            accuracy=(Accuracy(dataset=labels, top1=top1, views=views, source=_README),),
        ),
        network=size.network | {"levels": size.levels} if dives else size.network,
        weights=(Weights(repo=repo, files=("*.safetensors",)),),
        parts=(Part(name="network", parameters=parameters, role="other"),),
        source=f"https://huggingface.co/{repo}",
        facts=facts,
    )


CARDS: tuple[ModelCard, ...] = (
    _card(_L, 16, 4, 353_399_982, 73.7, dives=False),
    _card(_G, 64, 2, 1_105_668_142, 77.3, dives=False),
    _card(_L, 32, 2, 353_270_832, 89.0, dives=True),
    _card(_G, 32, 2, 1_105_490_608, 90.2, dives=True),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_BUILD = from_transformers("vjepa2")

network = _BUILD.network


def load(card: ModelCard, setup: Setup) -> Model:
    return build.load(card, setup, _BUILD)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    from moviola.recognition import tiny, transformer

    small: dict[str, Any] = {
        "hidden_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "probe_heads": 3,
    }
    if "levels" in card.network:
        small["levels"] = [0, 2]
    return tiny.saved(
        card,
        folder,
        network,
        recognition={"frames": 4, "short_side": 32, "single_side": 36, "crop": (32, 32)},
        arguments=dict(card.network) | small,
        published=transformer.theirs,
    )

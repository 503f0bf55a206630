"""VideoMAE: classifiers that first learnt to fill in masked videos (Tong et al. 2022, arXiv 2203.12602)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from moviola.card import Accuracy, ModelCard, Part, Recognition, Weights
from moviola.model import Model, Setup
from moviola.recognition import build
from moviola.recognition.library import from_transformers

_ZOO = "MCG-NJU/VideoMAE@14ef8d8, MODEL_ZOO.md"
_COSTS = "the VideoMAE paper (arXiv 2203.12602), tables of Kinetics-400 and Something-Something V2"

_EPS = {"layer_norm_eps": 1e-6, "head_norm_eps": 1e-6}
"""As the authors trained it. The Hub's configurations say 1e-12, and transformers has 1e-5 at the head."""


@dataclass(frozen=True, slots=True)
class _Size:
    """network: its shape. gmacs, millions (of parameters): as published."""

    name: str
    network: dict[str, Any]
    gmacs: float
    millions: float
    facts: dict[str, str]


def _shape(width: int, layers: int, heads: int, drop_path: float = 0.1, **more: Any) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
        "drop_path": drop_path,
        **_EPS,
        **more,
    }


_S = _Size(
    "small",
    _shape(384, 12, 6),
    57,
    22,
    {"heads": "6, as the authors trained it; the 16 of the Hub's configuration are another function"},
)
_B = _Size("base", _shape(768, 12, 12), 180, 87, {})
_L = _Size(
    "large",
    _shape(1024, 24, 16),
    597,
    305,
    {
        "siblings": "no public checkpoint: 86.1/97.3 on Kinetics-400 at 32x320x320 (3958 GMACs); on "
        "Something-Something V2 74.3/94.6, with 32 frames 75.4/95.2 (1436 GMACs)"
    },
)
_H = _Size(
    "huge",
    _shape(1280, 32, 16, drop_path=0.2, head_dropout=0.5),
    1192,
    633,
    {
        "siblings": "no public checkpoint: 87.4/97.6 on Kinetics-400 at 32x320x320 (7397 GMACs), which is "
        "quoted, wrongly, for VideoMAE V2-g too"
    },
)


def _card(
    size: _Size,
    parameters: int,
    top1: float,
    top5: float,
    *,
    ssv2: bool = False,
    short: bool = False,
    file: str = "pytorch_model.bin",
    **facts: str,
) -> ModelCard:
    """short: pretrained for 800 epochs, where others were for 1600 or 2400. file: of its repository."""
    labels = "something-something-v2" if ssv2 else "kinetics-400"
    views = (2, 3) if ssv2 else (5, 3)
    told = "174 ways to handle something" if ssv2 else "400 actions of Kinetics"
    repo = f"MCG-NJU/videomae-{size.name}{'-short' * short}-finetuned-{'ssv2' if ssv2 else 'kinetics'}"
    return ModelCard(
        id=f"videomae-{size.name}{'-short' * short}-{'ssv2' if ssv2 else 'k400'}",
        tasks=("recognize", "watch"),
        summary=f"{told}: ViT-{size.name[0].upper()}, 16 frames{', pretrained for less long' * short}.",
        licence="CC-BY-NC-4.0",
        commercial=False,
        extra="local",
        recognition=Recognition(
            labels=labels,
            classes=174 if ssv2 else 400,
            protocol="videomae",
            frames=16,
            stride=None if ssv2 else 4,
            short_side=224,
            crop=(224, 224),
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            views=views,
            accuracy=(Accuracy(dataset=labels, top1=top1, top5=top5, views=views, source=_ZOO),),
            gmacs=size.gmacs,
            parameters_millions=size.millions,
            cost_source=_COSTS,
        ),
        network=size.network,
        weights=(Weights(repo=repo, files=(file,)),),
        parts=(Part(name="network", parameters=parameters, role="other"),),
        source=f"https://huggingface.co/{repo}",
        facts={
            "epsilon": "1e-6 as in the authors' code; the Hub's configuration says 1e-12",
            **size.facts,
            **facts,
        },
    )


CARDS: tuple[ModelCard, ...] = (
    _card(_S, 22_033_936, 79.0, 93.8),
    _card(
        _B,
        86_534_800,
        81.5,
        95.1,
        file="model.safetensors",
        page="the Hub's page has 80.9/94.7, without saying how it was measured",
    ),
    _card(
        _B,
        86_534_800,
        80.0,
        94.4,
        short=True,
        siblings="no public checkpoint: 81.0/94.8, after 800 epochs too, but with repeated augmentation",
    ),
    _card(_L, 304_270_736, 85.2, 96.8, file="model.safetensors"),
    _card(_H, 632_119_440, 86.6, 97.1),
    _card(_S, 21_946_926, 66.8, 90.3, ssv2=True),
    _card(_B, 86_361_006, 70.8, 92.4, ssv2=True),
    _card(_B, 86_361_006, 69.6, 92.0, ssv2=True, short=True),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_BUILD = from_transformers("videomae")

network = _BUILD.network


def load(card: ModelCard, setup: Setup) -> Model:
    return build.load(card, setup, _BUILD)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    from moviola.recognition import tiny, videomae

    return tiny.saved(
        card,
        folder,
        network,
        recognition={"frames": 4, "short_side": 32, "crop": (32, 32)},
        arguments=_shape(48, 2, 3),
        published=videomae.on_the_hub,
    )

"""TimeSformer: attention along time, then in space (Bertasius et al. 2021, arXiv 2102.05095)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from moviola.card import Accuracy, ModelCard, Part, Recognition, Weights
from moviola.model import Model, Setup
from moviola.recognition import build
from moviola.recognition.library import from_transformers

_ZOO = "facebookresearch/TimeSformer@a5ef29a, README.md"
_PAPER = "the TimeSformer paper (arXiv 2102.05095): TFLOPs of 1x3 views, by 3"

_NETWORK: dict[str, Any] = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-6,
    "drop_path": 0.1,
}


@dataclass(frozen=True, slots=True)
class _Data:
    """name: in ids and on the Hub. spread: whether frames are taken from all of the video."""

    name: str
    labels: str
    classes: int
    told: str
    spread: bool = False


_K400 = _Data("k400", "kinetics-400", 400, "400 actions of Kinetics")
_K600 = _Data("k600", "kinetics-600", 600, "600 actions of Kinetics")
_SSV2 = _Data("ssv2", "something-something-v2", 174, "174 ways to handle something", spread=True)


@dataclass(frozen=True, slots=True)
class _Size:
    """stride: between frames, at 30 a second. gmacs: as published."""

    name: str
    told: str
    frames: int
    side: int
    stride: int
    gmacs: float | None


_BASE = _Size("base", "8 frames", 8, 224, 32, 196.7)
_HR = _Size("hr", "16 frames of high resolution", 16, 448, 16, 1703)
_L = _Size("l", "96 frames", 96, 224, 4, 2380)
_L64 = _Size("l", "64 frames", 64, 224, 4, None)

_RETRAINED = "of the released weights, which were trained again: the paper has {}"
_BGR = (
    "blue before red: for Something-Something the authors' loader reads pictures as OpenCV has them, and the "
    "flag that would turn them round is not looked at for this architecture"
)


def _card(
    size: _Size, data: _Data, weights: Weights, parameters: int, top1: float, top5: float, paper: str = ""
) -> ModelCard:
    facts = {"accuracy": _RETRAINED.format(paper)} if paper else {}
    if data.spread:
        facts["channels"] = _BGR
    if data is _K400 and size is _L:
        facts["size"] = "the base model on more frames; a ViT-L of 430 M was never released"
    return ModelCard(
        id=f"timesformer-{size.name}-{data.name}",
        tasks=("recognize", "watch"),
        summary=f"{data.told}: {size.told}{' spread over the video' * data.spread}.",
        licence="CC-BY-NC-4.0",
        commercial=False,
        extra="local",
        recognition=Recognition(
            labels=data.labels,
            classes=data.classes,
            protocol="timesformer",
            frames=size.frames,
            stride=None if data.spread else size.stride,
            fps=None if data.spread else 30,
            short_side=size.side,
            crop=(size.side, size.side),
            mean=(0.45, 0.45, 0.45),
            std=(0.225, 0.225, 0.225),
            views=(1, 3),
            accuracy=(Accuracy(dataset=data.labels, top1=top1, top5=top5, views=(1, 3), source=_ZOO),),
            gmacs=size.gmacs,
            parameters_millions=121.4,
            cost_source=_PAPER,
        ),
        network=_NETWORK | {"bgr": True} if data.spread else _NETWORK,
        weights=(weights,),
        parts=(Part(name="network", parameters=parameters, role="other"),),
        source="https://github.com/facebookresearch/TimeSformer",
        facts=facts,
    )


def _hub(name: str) -> Weights:
    return Weights(repo=f"facebook/timesformer-{name}", files=("pytorch_model.bin",))


def _dropbox(path: str) -> Weights:
    return Weights(url=f"https://www.dropbox.com/s/{path}?dl=1")


CARDS: tuple[ModelCard, ...] = (
    _card(_BASE, _K400, _hub("base-finetuned-k400"), 121_566_352, 77.9, 93.2, "78.0/93.7"),
    _card(_HR, _K400, _hub("hr-finetuned-k400"), 122_024_080, 79.6, 94.0, "79.7/94.4"),
    _card(
        _L,
        _K400,
        _dropbox("r1iuxahif3sgimo/TimeSformer_divST_96x4_224_K400.pyth"),
        121_633_936,
        80.6,
        94.7,
        "80.7/94.7",
    ),
    _card(_BASE, _K600, _hub("base-finetuned-k600"), 121_720_152, 79.1, 94.4),
    _card(_HR, _K600, _hub("hr-finetuned-k600"), 122_177_880, 81.8, 95.8),
    _card(
        _L,
        _K600,
        _dropbox("857rx6xeclxfhdg/TimeSformer_divST_96x4_224_K600.pyth"),
        121_787_736,
        82.2,
        95.6,
    ),
    _card(_BASE, _SSV2, _hub("base-finetuned-ssv2"), 121_392_558, 59.1, 85.6, "59.5"),
    _card(_HR, _SSV2, _hub("hr-finetuned-ssv2"), 121_850_286, 61.8, 86.9, "62.5"),
    _card(
        _L64,
        _SSV2,
        _dropbox("3f1rm2al8mhprwa/TimeSformer_divST_64_224_SSv2.pyth"),
        121_435_566,
        62.0,
        87.5,
        "62.3 and 62.4",
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_BUILD = from_transformers("timesformer")

network = _BUILD.network


def load(card: ModelCard, setup: Setup) -> Model:
    return build.load(card, setup, _BUILD)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    from moviola.recognition import timesformer, tiny, transformer

    by_the_authors = card.weights[0].url is not None
    return tiny.saved(
        card,
        folder,
        network,
        recognition={"frames": 4, "short_side": 32, "crop": (32, 32)},
        arguments=dict(card.network)
        | {
            "hidden_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 3,
            "intermediate_size": 192,
        },
        published=timesformer.by_the_authors if by_the_authors else transformer.theirs,
    )

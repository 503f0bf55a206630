"""InternVideo2: classifiers on a video foundation model and its distilled small ones (Wang et al. 2024)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from moviola.card import Accuracy, ModelCard, Part, Protocol, Recognition, Weights
from moviola.model import Model, Setup
from moviola.recognition import build
from moviola.recognition.build import Build, State

if TYPE_CHECKING:
    from torch import nn

_ZOO = "OpenGVLab/InternVideo@3965eef, InternVideo2/single_modality/MODEL_ZOO.md"


@dataclass(frozen=True, slots=True)
class _Data:
    """What a classifier was trained on last.

    tuned: how its files are called. repo: how the 1B's repository ends. order: of the labels.
    protocol, views (clips × crops): of the published test.
    """

    name: str
    told: str
    tuned: str
    repo: str
    labels: str
    classes: int
    order: str
    protocol: Protocol
    views: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Size:
    """network: arguments of its class. repo, file: where classifiers are, by `_Data` and frames."""

    name: str
    told: str
    network: dict[str, Any]
    repo: str
    file: str
    licence: str
    gated: bool = False


_K400 = _Data(
    name="k400",
    told="400 actions of Kinetics",
    tuned="ft_k710_ft_k400",
    repo="K400",
    labels="kinetics-400-uniformer",
    classes=400,
    order="UniFormer's, as the first 400 of Kinetics-710; not alphabetical",
    protocol="internvideo2",
    views=(4, 3),
)
_K710 = _Data(
    name="k710",
    told="710 actions, of all of Kinetics",
    tuned="ft_k710",
    repo="f8-k710",
    labels="kinetics-710",
    classes=710,
    order="UniFormer's",
    protocol="internvideo2",
    views=(4, 3),
)
_SSV2 = _Data(
    name="ssv2",
    told="174 ways to handle something",
    tuned="ft_ssv2",
    repo="f8-SthSth",
    labels="something-something-v2",
    classes=174,
    order="the dataset's own",
    protocol="videomae",  # whose loader of Something-Something the authors kept
    views=(2, 3),
)

_S = _Size(
    name="s",
    told="S/14, distilled",
    network={"width": 384, "depth": 12, "heads": 6, "mlp": 1536, "drop_path": 0.1},
    repo="OpenGVLab/InternVideo2_distillation_models",
    file="stage1/S14/S14_{tuned}_f{frames}/pytorch_model.bin",
    licence="Apache-2.0 of the authors' repository; the page of the weights states none",
)
_B = replace(
    _S,
    name="b",
    told="B/14, distilled",
    network={"width": 768, "depth": 12, "heads": 12, "mlp": 3072, "drop_path": 0.1},
    file="stage1/B14/B14_{tuned}_f{frames}/pytorch_model.bin",
)
_L = replace(
    _S,
    name="l",
    told="L/14, distilled",
    network={"width": 1024, "depth": 24, "heads": 16, "mlp": 4096, "drop_path": 0.1},
    file="stage1/L14/L14_{tuned}_f{frames}/pytorch_model.bin",
)
_1B = _Size(
    name="1b",
    told="the 1B model",
    network={"width": 1408, "depth": 40, "heads": 16, "mlp": 6144, "drop_path": 0.3},
    repo="OpenGVLab/InternVideo2-Stage1-1B-224p-{repo}",
    file="1B_{tuned}_f{frames}.pth",
    licence="Apache-2.0",
    gated=True,
)

_SHARED = {
    "published figures": "top-1 alone, no top-5 and no cost; a leaderboard has a cost of the 6B only, "
    "13321 GFLOPs at 8x224x224",
    "published test": "the authors' code averages one view for each sum of the numbers of clip and crop: "
    "6 of 4x3, 4 of 2x3",
    "activation": "GELU in its tanh form, which the fused layers have that the authors trained and tested "
    "with; their code without them has the exact form",
}
_SSV2_VIEWS = "2x3 in the scripts of B and 1B, 4x3 in those of S and L and in the model zoo"
_MORE = "no card for the classifiers of Kinetics-600 and -700: their labels are in an order of their own too"
_RENAMED = "the model zoo links to this repository under an older name, ending in 224p-f8-K400"
_6B = (
    "no public checkpoint of the 6B's classifiers: Kinetics-400 91.9 (16 frames: 92.1), Kinetics-710 88.1, "
    "Something-Something v2 77.5"
)


def _card(size: _Size, data: _Data, top1: float, parameters: int, frames: int = 8, **facts: str) -> ModelCard:
    longer = "" if frames == 8 else f"-{frames}f"
    words = {"tuned": data.tuned, "repo": data.repo, "frames": frames}
    repo = size.repo.format(**words)
    return ModelCard(
        id=f"internvideo2-{size.name}-{data.name}{longer}",
        tasks=("recognize", "watch"),
        summary=f"{data.told}: {size.told}, {frames} frames spread over the video.",
        licence=size.licence,
        extra="local",
        recognition=Recognition(
            labels=data.labels,
            classes=data.classes,
            protocol=data.protocol,
            frames=frames,
            short_side=224,
            crop=(224, 224),
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            views=data.views,
            accuracy=(Accuracy(dataset=data.labels, top1=top1, views=data.views, source=_ZOO),),
        ),
        network=size.network,
        weights=(Weights(repo=repo, files=(size.file.format(**words),), gated=size.gated),),
        parts=(Part(name="network", parameters=parameters, role="other"),),
        source=f"https://huggingface.co/{repo}",
        facts=_SHARED | {"order of labels": data.order} | facts,
    )


CARDS: tuple[ModelCard, ...] = (
    _card(_S, _K400, 85.4, 23_352_976),
    _card(_S, _K710, 79.6, 23_591_366, more=_MORE),
    _card(_S, _SSV2, 71.6, 23_179_182, views=_SSV2_VIEWS),
    _card(_B, _K400, 88.4, 89_748_112),
    _card(_B, _K710, 83.5, 89_986_502, more=_MORE),
    _card(
        _B,
        _SSV2,
        73.5,
        89_574_318,
        views=_SSV2_VIEWS,
        file="the model zoo links to another, B14_ft_k710_ft_k700_f8",
    ),
    _card(
        _L,
        _K400,
        90.4,
        309_238_416,
        misquoted="89.1/97.8 at 612 GFLOPs, which no source has: top-1 is 90.4, the rest is not published",
    ),
    _card(
        _L,
        _K710,
        86.2,
        309_476_806,
        file="the model zoo links to another, L14_dist_1B_stage2, which has no classifier",
        more=_MORE,
    ),
    _card(_L, _SSV2, 76.4, 309_064_622, views=_SSV2_VIEWS),
    _card(_1B, _K400, 91.3, 1_021_017_744, siblings=_6B, repository=_RENAMED),
    _card(_1B, _K400, 91.6, 1_023_901_328, frames=16, siblings=_6B, repository=_RENAMED),
    _card(_1B, _K710, 87.6, 1_021_256_134, siblings=_6B, more=_MORE),
    _card(_1B, _SSV2, 77.1, 1_020_843_950, siblings=_6B, views=_SSV2_VIEWS),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def network(card: ModelCard) -> nn.Module:
    from moviola.nets.internvideo2 import InternVideo2

    facts = card.recognition
    assert facts is not None
    width, height = facts.crop
    return InternVideo2(classes=facts.classes, frames=facts.frames, size=(height, width), **card.network)


def names(card: ModelCard, state: State) -> State:
    """Names are the authors' own; a position table of another number or size of frames is resized."""
    from moviola.nets.internvideo2 import fitted, grid_of

    facts = card.recognition
    assert facts is not None
    if "pos_embed" not in state:
        return state
    width, height = facts.crop
    grid = grid_of(facts.frames, (height, width), card.network.get("patch", 14))
    return {**state, "pos_embed": fitted(state["pos_embed"], grid)}


_BUILD = Build(network=network, names=names)


def load(card: ModelCard, setup: Setup) -> Model:
    return build.load(card, setup, _BUILD)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    from moviola.recognition import tiny

    return tiny.saved(
        card,
        folder,
        network,
        recognition={"frames": 4, "short_side": 28, "crop": (28, 28)},
        arguments={"width": 32, "depth": 2, "heads": 2, "mlp": 64, "embedding": 24},
    )

"""Video Swin Transformers, of their authors, of mmaction2 and of torchvision (Liu et al. 2022)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from moviola.card import Accuracy, ModelCard, Part, Recognition, Weights
from moviola.model import Model, Setup
from moviola.recognition import build
from moviola.recognition.build import Build, State

if TYPE_CHECKING:
    from torch import nn

_PAPER = "arXiv 2106.13230, tables of Kinetics-400 and Something-Something v2"
_README = "SwinTransformer/Video-Swin-Transformer@db018fb, README.md"
_MMACTION2 = "open-mmlab/mmaction2@4d6c934, configs/recognition/swin/README.md"
_METADATA = "torchvision 0.28, the metadata of its weights"


@dataclass(frozen=True, slots=True)
class _Data:
    """views: clips × crops of the published test. spread: frames over the whole video, not every second."""

    told: str
    labels: str
    classes: int
    views: tuple[int, int] = (4, 3)
    spread: bool = False


_K400 = _Data("400 actions of Kinetics", "kinetics-400", 400)
_K600 = _Data("600 actions of Kinetics", "kinetics-600", 600)
_K700 = _Data("700 actions of Kinetics", "kinetics-700", 700)
_SSV2 = _Data("174 ways to handle something", "something-something-v2", 174, (1, 3), spread=True)


@dataclass(frozen=True, slots=True)
class _Source:
    """Who published a checkpoint, how its entries are called there, and how it was tested.

    names: rules from the network's own names, in order. short_side, stride, fps: as on the card.
    views: of a test that is not the authors'. counted: (frames, width, height) of the published cost, where
    it is not of one view.
    """

    licence: str
    page: str
    url: str
    names: Sequence[tuple[str, str]]
    facts: Mapping[str, str]
    short_side: int = 224
    stride: int = 2
    fps: float | None = None
    views: tuple[int, int] | None = None
    counted: tuple[int, int, int] | None = None


_AUTHORS = _Source(
    licence="Apache-2.0 of the authors' repository, which says nothing of the weights",
    page="https://github.com/SwinTransformer/Video-Swin-Transformer",
    url="https://github.com/SwinTransformer/storage/releases/download/v1.0.4/{file}.pth",
    names=((r"^head\.", "cls_head.fc_cls."), (r"^(?!cls_head)", "backbone.")),
    facts={"validation": "in training the authors look at one crop of 224 from the middle of 256"},
)
_OPENMMLAB = _Source(
    licence="Apache-2.0 of mmaction2's repository, which says nothing of the weights",
    page="https://github.com/open-mmlab/mmaction2/tree/main/configs/recognition/swin",
    url="https://download.openmmlab.com/mmaction/v1.0/recognition/swin/{file}/{file}_20220930-{digits}.pth",
    names=((r"^norm\.", "norm3."), *_AUTHORS.names),
    facts={
        "trained by": "mmaction2: no weights of Swin-L were published by its authors",
        "published test": "mmaction2 takes its clips from the first frame to the last; here they lie in the "
        "middle of equal parts, as with the authors' own models",
        "no public checkpoint": "the authors' Swin-L: 83.1/95.9 on Kinetics-400 (197.0 M, 604 GFLOPs, "
        "4x3 views), and with windows of 8x12x12 at 384 pixels 84.6/96.5 (200.0 M, 2107 GFLOPs, 4x3) or "
        "84.9/96.7 (10x5)",
        "misquoted": "84.9/96.7 at 604 GFLOPs: the accuracy is that of the 384-pixel model with 10x5 views, "
        "the cost that of the 224-pixel one, which has 83.1/95.9",
    },
)
_TORCHVISION = _Source(
    licence="BSD-3-Clause of torchvision's code, Apache-2.0 of the repository the weights come from",
    page="https://pytorch.org/vision/stable/models/video_swin_transformer.html",
    url="https://download.pytorch.org/models/{file}-{digits}.pth",
    names=(
        (r"^layers\.0\.blocks", "features.0"),
        (r"^layers\.1\.blocks", "features.2"),
        (r"^layers\.2\.blocks", "features.4"),
        (r"^layers\.3\.blocks", "features.6"),
        (r"^layers\.0\.downsample", "features.1"),
        (r"^layers\.1\.downsample", "features.3"),
        (r"^layers\.2\.downsample", "features.5"),
        (r"\.fc1\.", ".0."),
        (r"\.fc2\.", ".3."),
    ),
    facts={
        "trained by": "the authors: torchvision ported their weights, and tested them in its own way",
        "published test": "12 clips at 15 frames a second, one crop from the middle",
        "published cost": "the operations in torchvision's metadata are those of 16 frames, half of what the "
        "models were trained and tested with",
    },
    short_side=256,
    stride=1,
    fps=15.0,
    views=(12, 1),
    counted=(16, 224, 224),
)

_T = {"width": 96, "depths": (2, 2, 6, 2), "heads": (3, 6, 12, 24), "window": (8, 7, 7)}
_S = _T | {"depths": (2, 2, 18, 2)}
_B = {"width": 128, "depths": (2, 2, 18, 2), "heads": (4, 8, 16, 32), "window": (8, 7, 7)}
_L = {"width": 192, "depths": (2, 2, 18, 2), "heads": (6, 12, 24, 48), "window": (8, 7, 7)}


def _card(
    id: str,
    told: str,
    *,
    source: _Source,
    file: str,
    digits: str | None = None,
    data: _Data = _K400,
    network: Mapping[str, Any],
    parameters: int,
    accuracy: Sequence[tuple[float, float, str]],
    cost: tuple[float, float, str],
    facts: Mapping[str, str] | None = None,
) -> ModelCard:
    """digits: of the file's hash, where its name has them. accuracy: top-1, top-5, who says so.

    cost: millions of parameters and 10⁹ multiply-adds as published, and by whom.
    """
    views = source.views or data.views
    parameters_millions, gmacs, cost_source = cost
    return ModelCard(
        id=f"video-swin-{id}",
        tasks=("recognize", "watch"),
        summary=f"{data.told}: {told}, 32 frames{' spread over the video' if data.spread else ' a view'}.",
        licence=source.licence,
        extra="local",
        recognition=Recognition(
            labels=data.labels,
            classes=data.classes,
            protocol="mmaction2",
            frames=32,
            stride=None if data.spread else source.stride,
            fps=source.fps,
            short_side=source.short_side,
            single_side=256,
            crop=(224, 224),
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            views=views,
            accuracy=tuple(
                Accuracy(dataset=data.labels, top1=top1, top5=top5, views=views, source=by)
                for top1, top5, by in accuracy
            ),
            gmacs=gmacs,
            gmacs_input=source.counted,
            parameters_millions=parameters_millions,
            cost_source=cost_source,
        ),
        network=network,
        weights=(Weights(url=source.url.format(file=file, digits=digits), sha256=digits),),
        parts=(Part(name="network", parameters=parameters, role="other"),),
        source=source.page,
        facts={**source.facts, **(facts or {})},
    )


CARDS: tuple[ModelCard, ...] = (
    _card(
        "t-k400",
        "Swin-T",
        source=_AUTHORS,
        file="swin_tiny_patch244_window877_kinetics400_1k",
        network=_T | {"drop_path": 0.1},
        parameters=28_158_070,
        accuracy=[(78.8, 93.6, _README), (78.84, 93.76, _MMACTION2)],
        cost=(28.2, 88, _PAPER),
    ),
    _card(
        "s-k400",
        "Swin-S",
        source=_AUTHORS,
        file="swin_small_patch244_window877_kinetics400_1k",
        network=_S | {"drop_path": 0.1},
        parameters=49_816_678,
        accuracy=[(80.6, 94.5, _README), (80.58, 94.45, _MMACTION2)],
        cost=(49.8, 166, _PAPER),
        facts={
            "sibling": "mmaction2 has a Swin-S for Kinetics-710 (76.90/92.96) with labels in an order of its "
            "own; the 604 GFLOPs and 197 M its page prints are Swin-L's"
        },
    ),
    _card(
        "b-k400",
        "Swin-B begun from ImageNet-1K",
        source=_AUTHORS,
        file="swin_base_patch244_window877_kinetics400_1k",
        network=_B | {"drop_path": 0.3},
        parameters=88_048_984,
        accuracy=[(80.6, 94.6, _README), (80.55, 94.66, _MMACTION2)],
        cost=(88.1, 282, _PAPER),
    ),
    _card(
        "b-k400-22k",
        "Swin-B begun from ImageNet-22K",
        source=_AUTHORS,
        file="swin_base_patch244_window877_kinetics400_22k",
        network=_B | {"drop_path": 0.2},
        parameters=88_048_984,
        accuracy=[(82.7, 95.5, _README)],
        cost=(88.1, 282, _PAPER),
    ),
    _card(
        "b-k600",
        "Swin-B begun from ImageNet-22K",
        source=_AUTHORS,
        file="swin_base_patch244_window877_kinetics600_22k",
        data=_K600,
        network=_B | {"drop_path": 0.2},
        parameters=88_253_984,
        accuracy=[(84.0, 96.5, _README)],
        cost=(88, 281.6, _README),
        facts={"order of labels": "alphabetical, as mmaction2's tools write them; the authors do not say"},
    ),
    _card(
        "b-ssv2",
        "Swin-B with windows of 16x7x7",
        source=_AUTHORS,
        file="swin_base_patch244_window1677_sthv2",
        data=_SSV2,
        network=_B | {"window": (16, 7, 7), "drop_path": 0.4},
        parameters=88_834_038,
        accuracy=[(69.6, 92.7, _README)],
        cost=(88.8, 321, _PAPER),
        facts={
            "begun from": "swin_base_patch244_window1677_kinetics400_22k.pth of the same release, for which "
            "no figures are published"
        },
    ),
    _card(
        "l-k400",
        "Swin-L begun from ImageNet-22K",
        source=_OPENMMLAB,
        file="swin-large-p244-w877_in22k-pre_8xb8-amp-32x2x1-30e_kinetics400-rgb",
        digits="78ad8b11",
        network=_L | {"drop_path": 0.4},
        parameters=196_953_916,
        accuracy=[(83.46, 95.91, _MMACTION2)],
        cost=(197, 604, _MMACTION2),
    ),
    _card(
        "l-k700",
        "Swin-L begun from ImageNet-22K",
        source=_OPENMMLAB,
        file="swin-large-p244-w877_in22k-pre_16xb8-amp-32x2x1-30e_kinetics700-rgb",
        digits="f8d74db7",
        data=_K700,
        network=_L | {"drop_path": 0.4},
        parameters=197_415_016,
        accuracy=[(75.92, 92.72, _MMACTION2)],
        cost=(197, 604, _MMACTION2),
    ),
    _card(
        "t-k400-tv",
        "Swin-T in torchvision's copy",
        source=_TORCHVISION,
        file="swin3d_t",
        digits="7615ae03",
        network=_T | {"drop_path": 0.1, "dropout": 0.0},
        parameters=28_158_070,
        accuracy=[(77.715, 93.519, _METADATA)],
        cost=(28.158, 43.882, _METADATA),
    ),
    _card(
        "s-k400-tv",
        "Swin-S in torchvision's copy",
        source=_TORCHVISION,
        file="swin3d_s",
        digits="da41c237",
        network=_S | {"drop_path": 0.1, "dropout": 0.0},
        parameters=49_816_678,
        accuracy=[(79.521, 94.158, _METADATA)],
        cost=(49.817, 82.841, _METADATA),
    ),
    _card(
        "b-k400-tv",
        "Swin-B begun from ImageNet-1K in torchvision's copy",
        source=_TORCHVISION,
        file="swin3d_b_1k",
        digits="24f7c7c6",
        network=_B | {"drop_path": 0.1, "dropout": 0.0},
        parameters=88_048_984,
        accuracy=[(79.427, 94.386, _METADATA)],
        cost=(88.049, 140.667, _METADATA),
    ),
    _card(
        "b-k400-22k-tv",
        "Swin-B begun from ImageNet-22K in torchvision's copy",
        source=_TORCHVISION,
        file="swin3d_b_22k",
        digits="7c6ae6fa",
        network=_B | {"drop_path": 0.1, "dropout": 0.0},
        parameters=88_048_984,
        accuracy=[(81.643, 95.574, _METADATA)],
        cost=(88.049, 140.667, _METADATA),
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def network(card: ModelCard) -> nn.Module:
    from moviola.nets.video_swin import VideoSwin

    assert card.recognition is not None
    return VideoSwin(classes=card.recognition.classes, **card.network)


def names(card: ModelCard, state: State) -> State:
    from moviola.nets import video_swin

    return video_swin.names(state)


_BUILD = Build(network=network, names=names)


def load(card: ModelCard, setup: Setup) -> Model:
    return build.load(card, setup, _BUILD)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    from moviola.recognition import tiny

    source = next(source for source in (_AUTHORS, _OPENMMLAB, _TORCHVISION) if source.page == card.source)

    def published(state: State) -> State:
        renamed = {}
        for name, value in state.items():
            for pattern, replacement in source.names:
                name = re.sub(pattern, replacement, name)
            renamed[name] = value
        return renamed

    return tiny.saved(
        card,
        folder,
        network,
        recognition={"frames": 8, "short_side": 32, "crop": (32, 32)},
        arguments={"width": 16, "depths": (2, 2), "heads": (2, 4), "window": (2, 3, 3)},
        published=published,
    )

"""X3D: convolutional recognizers of few parameters and few multiply-adds (Feichtenhofer 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from moviola.card import Accuracy, ModelCard, Part, Recognition, Weights
from moviola.model import Model, Setup
from moviola.recognition import build
from moviola.recognition.build import Build, State

if TYPE_CHECKING:
    from torch import nn

_WEIGHTS = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics"
_ACCURACY = "facebookresearch/pytorchvideo@f3142bb, docs/source/model_zoo.md"
_COST = "facebookresearch/SlowFast@287ec00, MODEL_ZOO.md, at the crop of training"


def _card(
    size: str,
    *,
    frames: int,
    stride: int,
    crops: tuple[int, int],
    top1: float,
    top5: float,
    gmacs: float,
    millions: float,
    parameters: int,
    network: dict[str, Any],
    other: tuple[float, float],
    over: float,
    **facts: str,
) -> ModelCard:
    """crops: of training and of the test, pixels a side. gmacs: at the first; over: what others print.

    other: top-1 of PySlowFast's own weights, in 10 and in 30 views.
    """
    trained, tested = crops
    return ModelCard(
        id=f"x3d-{size}",
        tasks=("recognize", "watch"),
        summary=f"400 actions of Kinetics: {frames} frames, {millions} million parameters.",
        licence="Apache-2.0",
        extra="local",
        recognition=Recognition(
            labels="kinetics-400",
            classes=400,
            protocol="pyslowfast",
            frames=frames,
            stride=stride,
            fps=30,
            short_side=tested,
            crop=(tested, tested),
            mean=(0.45, 0.45, 0.45),
            std=(0.225, 0.225, 0.225),
            views=(10, 3),
            accuracy=(
                Accuracy(dataset="kinetics-400", top1=top1, top5=top5, views=(10, 3), source=_ACCURACY),
            ),
            gmacs=gmacs,
            gmacs_input=(frames, trained, trained),
            parameters_millions=millions,
            cost_source=_COST,
        ),
        network=network,
        weights=(Weights(url=f"{_WEIGHTS}/X3D_{size.upper()}.pyth"),),
        parts=(Part(name="network", parameters=parameters, role="other"),),
        dtype="float32",
        source="https://github.com/facebookresearch/pytorchvideo",
        facts={
            "crop": f"trained at {trained}, tested at {tested}: the classifier looks at every place where "
            "the training crop fits, and its probabilities are averaged",
            "cost": f"PyTorchVideo prints {over} GFLOPs at {tested}, about 8 % above the multiply-adds",
            "other weights": f"PySlowFast's x3d_{size}.pyth can be given too: top-1 {other[0]} in 10 views, "
            f"{other[1]} in 30",
            **facts,
        },
    )


CARDS: Sequence[ModelCard] = (
    _card(
        "xs",
        frames=4,
        stride=12,
        crops=(160, 182),
        top1=69.12,
        top5=88.63,
        gmacs=0.60,
        millions=3.8,
        parameters=3_794_274,
        network={"window": (4, 5, 5)},
        other=(68.7, 69.5),
        over=0.91,
    ),
    _card(
        "s",
        frames=13,
        stride=6,
        crops=(160, 182),
        top1=73.33,
        top5=91.27,
        gmacs=1.96,
        millions=3.8,
        parameters=3_794_274,
        network={"window": (13, 5, 5)},
        other=(73.1, 73.5),
        over=2.96,
    ),
    _card(
        "m",
        frames=16,
        stride=5,
        crops=(224, 256),
        top1=75.94,
        top5=92.72,
        gmacs=4.73,
        millions=3.8,
        parameters=3_794_274,
        network={"window": (16, 7, 7)},
        other=(75.1, 76.2),
        over=6.72,
    ),
    _card(
        "l",
        frames=16,
        stride=5,
        crops=(312, 356),
        top1=77.44,
        top5=93.31,
        gmacs=18.37,
        millions=6.2,
        parameters=6_153_384,
        network={"window": (16, 10, 10), "depths": (5, 10, 25, 15)},
        other=(76.9, 77.5),
        over=26.64,
        siblings="no public checkpoint: X3D-XL (79.1/93.9, 48.4 GFLOPs, 11.0 M) and X3D-XXL (80.4/94.6)",
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def network(card: ModelCard) -> nn.Module:
    from moviola.nets.x3d import X3D

    assert card.recognition is not None
    return X3D(classes=card.recognition.classes, **card.network)


def names(card: ModelCard, state: State) -> State:
    from moviola.nets import x3d

    return x3d.names(state)


_BUILD = Build(network=network, names=names)


def load(card: ModelCard, setup: Setup) -> Model:
    return build.load(card, setup, _BUILD)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    from moviola.nets.x3d import published
    from moviola.recognition import tiny

    return tiny.saved(
        card,
        folder,
        network,
        recognition={"frames": 4, "short_side": 64, "crop": (64, 64)},
        arguments={"depths": (1, 2, 1, 1), "widths": (8, 16, 24, 32), "features": 24, "window": (4, 1, 1)},
        published=published,
    )

"""SlowFast: a slow pathway for what is seen and a fast one for how it moves (Feichtenhofer et al. 2019)."""

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
_ZOO = "facebookresearch/pytorchvideo@f3142bb, docs/source/model_zoo.md"
_PAPER = "arXiv 1812.03982, multiply-adds of a view at 256x256"


def _card(
    id: str,
    file: str,
    *,
    frames: int = 32,
    slow: int,
    top1: float,
    top5: float,
    gmacs: float,
    cost: str = _PAPER,
    millions: float,
    parameters: int,
    network: dict[str, Any],
    **facts: str,
) -> ModelCard:
    """frames, slow: that the fast and the slow pathway see. millions: of parameters, as published."""
    return ModelCard(
        id=f"slowfast-{id}",
        tasks=("recognize", "watch"),
        summary=f"400 actions of Kinetics: {frames} frames for motion, {slow} of them for detail.",
        licence="Apache-2.0",
        extra="local",
        recognition=Recognition(
            labels="kinetics-400",
            classes=400,
            protocol="pyslowfast",
            frames=frames,
            stride=2,
            fps=30,
            short_side=256,
            crop=(256, 256),
            mean=(0.45, 0.45, 0.45),
            std=(0.225, 0.225, 0.225),
            views=(10, 3),
            accuracy=(Accuracy(dataset="kinetics-400", top1=top1, top5=top5, views=(10, 3), source=_ZOO),),
            gmacs=gmacs,
            parameters_millions=millions,
            cost_source=f"{cost}; parameters: {_ZOO}",
        ),
        network=network | {"alpha": frames // slow},
        weights=(Weights(url=f"{_WEIGHTS}/SLOWFAST_{file}.pyth"),),
        parts=(Part(name="network", parameters=parameters, role="other"),),
        dtype="float32",
        source="https://github.com/facebookresearch/pytorchvideo",
        facts={
            "crop": "trained at 224, tested at 256: the classifier looks at every place where the training "
            "crop fits, and its probabilities are averaged",
            **facts,
        },
    )


CARDS: Sequence[ModelCard] = (
    _card(
        "4x16-r50",
        "4x16_R50",
        slow=4,
        top1=75.34,
        top5=91.89,
        gmacs=36.1,
        millions=34.48,
        parameters=34_480_216,
        network={"lateral": 5},
        figures="paper 75.6/92.1, PySlowFast's own weights 75.6/92.0; PyTorchVideo prints 36.69 GFLOPs",
    ),
    _card(
        "8x8-r50",
        "8x8_R50",
        slow=8,
        top1=76.94,
        top5=92.69,
        gmacs=65.7,
        millions=34.57,
        parameters=34_566_488,
        network={"lateral": 7},
        figures="paper 77.0/92.6, PySlowFast's own weights 77.0/92.6; the loader's docstring says 76.4",
    ),
    _card(
        "8x8-r101",
        "8x8_R101",
        slow=8,
        top1=77.90,
        top5=93.27,
        gmacs=126,
        cost="open-mmlab/mmaction2@4d6c9347, configs/recognition, the same layout",
        millions=62.83,
        parameters=62_826_968,
        network={"lateral": 5, "depths": (3, 4, 23, 3)},
        figures="PyTorchVideo prints 127.2 GFLOPs",
        layout="R101-101-101: all 23 blocks of the fourth stage look along time",
        siblings="no public checkpoint for Kinetics-400 of the paper's 8x8 R101, which is R101-50-50: "
        "77.9/93.2, 106 GFLOPs, 53.3 M",
    ),
    _card(
        "16x8-r101",
        "16x8_R101_50_50",
        frames=64,
        slow=16,
        top1=78.70,
        top5=93.61,
        gmacs=213,
        millions=53.77,
        parameters=53_774_808,
        network={"lateral": 5, "depths": (3, 4, 23, 3), "temporal": (3, 4, 6, 3)},
        figures="paper 78.9/93.5; PyTorchVideo prints 215.61 GFLOPs",
        layout="R101-50-50: the first 6 of the 23 blocks of the fourth stage look along time",
        siblings="no public checkpoint: 16x8 R101 with non-local blocks (79.8/93.9, 234 GFLOPs, 59.9 M)",
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def network(card: ModelCard) -> nn.Module:
    from moviola.nets.slowfast import SlowFast

    assert card.recognition is not None
    return SlowFast(classes=card.recognition.classes, **card.network)


def names(card: ModelCard, state: State) -> State:
    from moviola.nets import slowfast

    return slowfast.names(state)


_BUILD = Build(network=network, names=names)


def load(card: ModelCard, setup: Setup) -> Model:
    return build.load(card, setup, _BUILD)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    from moviola.nets.slowfast import published
    from moviola.recognition import tiny

    return tiny.saved(
        card,
        folder,
        network,
        recognition={"frames": 2 * card.network["alpha"], "short_side": 64, "crop": (64, 64)},
        arguments={**card.network, "depths": (1, 1, 2, 1), "width": 16, "window": (1, 1)},
        published=published,
    )

"""MoViNet: recognizers for small machines, of whole clips or frame by frame (Kondratyuk et al. 2021)."""

from __future__ import annotations

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
    from torch import Tensor, nn

_WEIGHTS = "https://github.com/Atze00/MoViNet-pytorch/raw/c2d1edf48fc6c5259707f9d833f22171b4f63493/weights"
_ACCURACY = "tensorflow/models@09d9656, official/projects/movinet/README.md"
_FPS = 25
"""Frames per second that the authors' strides are counted at: 50 frames, 5 apart, are 10 seconds."""

_GATE = (
    "squeeze and excitation end in Keras's hard sigmoid, clip(0.2 x + 0.5, 0, 1), as in the authors' code "
    "when they trained; their code of 2023 has clip(x / 6 + 0.5, 0, 1)"
)
_PACE = "trained on 5 frames a second; what comes at another rate looks slower or faster than it is"
_NO_STREAM = (
    "no public checkpoint in PyTorch: the streaming network of this size, whose squeeze and excitation also "
    "adds an encoding of time"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    """A network of the authors (a row of their `BLOCK_SPECS`), and how they test it (their configurations).

    stages: channels, stride, and blocks, of which 184:53 is one of 184 inner channels whose kernel is of 5
    frames by 3×3 pixels. sides: that pictures are scaled to and cropped to. cost: as printed for a video.
    """

    stem: int
    stages: Sequence[tuple[int, int, str]]
    projection: int
    dropout: float = 0.2
    frames: int
    stride: int
    sides: tuple[int, int]
    cost: float

    @property
    def network(self) -> dict[str, Any]:
        stages = tuple((channels, stride, _blocks(text)) for channels, stride, text in self.stages)
        return {
            "stem": self.stem,
            "stages": stages,
            "projection": self.projection,
            "dropout": self.dropout,
        }


def _blocks(text: str) -> tuple[tuple[int, int, int], ...]:
    """Inner channels, frames, pixels of each."""
    parts = (block.split(":") for block in text.split())
    return tuple((int(inner), int(kernel[0]), int(kernel[1])) for inner, kernel in parts)


_SIZES = {
    "a0": _Size(
        stem=8,
        stages=(
            (8, 2, "24:15"),
            (32, 2, "80:33 80:33 80:33"),
            (56, 2, "184:53 112:33 184:33"),
            (56, 1, "184:53 184:33 184:33 184:33"),
            (104, 2, "384:53 280:15 280:15 344:15"),
        ),
        projection=480,
        frames=50,
        stride=5,
        sides=(192, 172),
        cost=2.7,
    ),
    "a1": _Size(
        stem=16,
        stages=(
            (16, 2, "40:15 40:33"),
            (40, 2, "96:33 120:33 96:33 96:33"),
            (64, 2, "216:53 128:33 216:33 168:33 216:33"),
            (64, 1, "216:53 216:33 216:33 128:33 128:15 216:33"),
            (136, 2, "456:53 360:15 360:15 360:15 456:15 456:33 544:13"),
        ),
        projection=600,
        dropout=0.5,
        frames=50,
        stride=5,
        sides=(192, 172),
        cost=6,
    ),
    "a2": _Size(
        stem=16,
        stages=(
            (16, 2, "40:15 40:33 64:33"),
            (40, 2, "96:33 120:33 96:33 96:33 120:33"),
            (72, 2, "240:53 160:33 240:33 192:33 240:33"),
            (72, 1, "240:53 240:33 240:33 240:33 144:15 240:33"),
            (144, 2, "480:53 384:15 384:15 480:15 480:15 480:33 576:13"),
        ),
        projection=640,
        dropout=0.5,
        frames=50,
        stride=5,
        sides=(256, 224),
        cost=10,
    ),
    "a3": _Size(
        stem=16,
        stages=(
            (16, 2, "40:15 40:33 64:33 40:33"),
            (48, 2, "112:33 144:33 112:33 112:15 144:33 144:33"),
            (80, 2, "240:53 152:33 240:33 192:33 240:33"),
            (88, 1, "264:53 264:33 264:33 264:33 160:15 264:33 264:33 264:33"),
            (168, 2, "560:53 448:15 448:15 560:15 560:15 560:33 448:15 448:15 560:33 672:13"),
        ),
        projection=744,
        dropout=0.5,
        frames=120,
        stride=2,
        sides=(288, 256),
        cost=57,
    ),
    "a4": _Size(
        stem=24,
        stages=(
            (24, 2, "64:15 64:33 96:33 64:33 96:33 64:33"),
            (56, 2, "168:33 168:33 136:33 136:33 168:33 168:33 168:33 136:15 136:33"),
            (96, 2, "320:53 160:33 320:33 192:33 320:33 160:33 320:33 256:33 320:33"),
            (96, 1, "320:53 320:33 320:33 320:33 192:15 320:33 320:33 192:33 320:33 320:33"),
            (
                192,
                2,
                "640:53 512:15 512:15 640:15 640:15 640:33 512:15 512:15 640:15 768:15 640:15 640:33 768:33",
            ),
        ),
        projection=856,
        dropout=0.5,
        frames=80,
        stride=3,
        sides=(320, 290),
        cost=110,
    ),
    "a5": _Size(
        stem=24,
        stages=(
            (24, 2, "64:15 64:15 96:33 64:33 96:33 64:33"),
            (64, 2, "192:53 152:33 152:33 152:33 192:33 192:33 192:33 152:33 152:33 192:33 192:33"),
            (
                112,
                2,
                "376:53 224:33 376:33 376:33 296:33 376:33 224:33 376:33 376:33 296:33 376:33 376:33 376:33",
            ),
            (120, 1, "376:53 376:33 376:33 376:33 224:15 376:33 376:33 224:33 376:33 376:33 376:33"),
            (
                224,
                2,
                "744:53 744:33 600:15 600:15 744:15 744:15 744:33 896:15 600:15 600:15 896:15 744:15 "
                "744:33 896:15 600:15 600:15 744:15 744:33",
            ),
        ),
        projection=992,
        dropout=0.5,
        frames=120,
        stride=2,
        sides=(368, 320),
        cost=280,
    ),
}


def _card(size: str, kind: str, top1: float, top5: float, parameters: int, **facts: str) -> ModelCard:
    """kind: base or stream."""
    made = _SIZES[size]
    short, crop = made.sides
    causal = kind == "stream"
    millions = f"{parameters / 1e6:.1f} million parameters"
    if causal:
        summary = f"600 actions of Kinetics, frame by frame: {millions}, for live video."
        facts = {"gate": _GATE, "pace": _PACE, **facts}
    else:
        summary = f"600 actions of Kinetics: {made.frames} frames of 10 seconds, {millions}."
    return ModelCard(
        id=f"movinet-{size}-{kind}",
        tasks=("recognize", "watch"),
        summary=summary,
        licence="Apache-2.0",
        extra="local",
        recognition=Recognition(
            labels="kinetics-600",
            classes=600,
            protocol="movinet",
            frames=made.frames,
            stride=made.stride,
            fps=_FPS,
            short_side=short,
            crop=(crop, crop),
            mean=(0, 0, 0),
            std=(1, 1, 1),
            accuracy=(
                Accuracy(dataset="kinetics-600", top1=top1, top5=top5, views=(1, 1), source=_ACCURACY),
            ),
            causal=causal,
        ),
        network={**made.network, "causal": causal},
        weights=(Weights(url=f"{_WEIGHTS}/model{size.upper()}{'_stream' if causal else ''}_statedict_v3"),),
        parts=(Part(name="network", parameters=parameters, role="other"),),
        dtype="float32",
        source="https://github.com/tensorflow/models/tree/master/official/projects/movinet",
        facts={
            "weights": "Google's, published for TensorFlow under Apache-2.0; converted by "
            "Atze00/MoViNet-pytorch (MIT), whose tests compare their answers with TensorFlow's",
            "cost": f"the authors print {made.cost:g} GFLOPs for a video of {made.frames}x{crop}x{crop}, "
            "base and stream alike, and do not say what they count",
            **facts,
        },
    )


CARDS: Sequence[ModelCard] = (
    _card("a0", "base", 72.28, 90.92, 3_111_799),
    _card("a1", "base", 76.69, 93.40, 4_690_296),
    _card("a2", "base", 78.62, 94.17, 5_249_562),
    _card("a3", "base", 81.79, 95.67, 7_397_545, siblings=_NO_STREAM),
    _card("a4", "base", 83.48, 96.16, 11_349_463, siblings=_NO_STREAM),
    _card("a5", "base", 84.27, 96.39, 18_650_523, siblings=_NO_STREAM),
    _card("a0", "stream", 72.05, 90.63, 3_748_031),
    _card("a1", "stream", 76.45, 93.25, 6_447_352),
    _card("a2", "stream", 78.40, 94.05, 7_326_962),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def network(card: ModelCard) -> nn.Module:
    from moviola.nets.movinet import MoViNet

    assert card.recognition is not None
    return MoViNet(classes=card.recognition.classes, **card.network)


def names(card: ModelCard, state: State) -> State:
    from moviola.nets import movinet_layouts

    if movinet_layouts.is_tensorflow(state):
        return movinet_layouts.from_tensorflow(state, card.network["stages"])
    return movinet_layouts.from_port(state)


_BUILD = Build(network=network, names=names)


def load(card: ModelCard, setup: Setup) -> Model:
    return build.load(card, setup, _BUILD)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import torch

    from moviola.nets.movinet_layouts import to_port
    from moviola.recognition import tiny

    causal = card.network["causal"]

    def published(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        # Untrained blocks begin at 0, where nothing in them would show.
        alive = {name: torch.ones(()) if name.endswith("alpha") else held for name, held in state.items()}
        return to_port(alive, causal)

    return tiny.saved(
        card,
        folder,
        network,
        recognition={"frames": 8, "short_side": 40, "crop": (32, 32)},
        arguments={
            "stem": 8,
            "stages": ((8, 2, _blocks("16:15")), (16, 2, _blocks("24:33 24:53"))),
            "projection": 24,
            "hidden": 32,
            "causal": causal,
        },
        published=published,
    )

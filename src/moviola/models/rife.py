"""RIFE: fast interpolation at any time between two frames (Huang et al., ECCV 2022).

The versions of RIFE 4 differ in size and training, not in use; their weights are those that vs-rife has
collected. Those of the paper's own two models lie on pages that no program can read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from moviola.card import Limits, ModelCard, Part, Weights
from moviola.interpolation import build
from moviola.interpolation.build import Build, State
from moviola.model import Model, Setup
from moviola.nets.rife_versions import VERSIONS

if TYPE_CHECKING:
    from torch import Tensor, nn

    from moviola.interpolation.networks import Network

_WEIGHTS = "https://github.com/HolyWu/vs-rife/releases/download/model"

_PARAMETERS = {
    **dict.fromkeys(("4.0", "4.1"), 5_160_980),
    **dict.fromkeys(("4.2", "4.3", "4.4"), 5_156_420),
    "4.5": 5_275_520,
    "4.6": 5_306_256,
    **dict.fromkeys(("4.7", "4.8", "4.9"), 5_325_012),
    **dict.fromkeys(("4.10", "4.11", "4.12", "4.13", "4.14", "4.15", "4.17", "4.18", "4.19"), 5_364_312),
    **dict.fromkeys(("4.12.lite", "4.13.lite"), 2_631_804),
    "4.14.lite": 2_968_152,
    **dict.fromkeys(("4.15.lite", "4.16.lite", "4.17.lite"), 2_616_476),
    "4.20": 15_376_512,
    **dict.fromkeys(("4.21", "4.22", "4.23"), 9_322_416),
    "4.22.lite": 4_866_052,
    "4.24": 5_364_312,
    **dict.fromkeys(("4.25", "4.26"), 5_664_776),
    "4.25.lite": 5_622_700,
    "4.25.heavy": 21_663_528,
    "4.26.heavy": 5_723_156,
}

_SAID = {
    "4.25": "the authors' choice for most scenes",
    "4.25.lite": "the least work of all",
    "4.25.heavy": "twice as wide as 4.25",
    "4.24": "one the authors advise for what diffusion models made",
    "4.22.lite": "one the authors advise for what diffusion models made",
    "4.6": "the last that looks at pictures alone",
}
"""What sets a version apart, where its authors say so or its size does (hzwer/Practical-RIFE @17d8c7a)."""


def _card(version: str, parameters: int) -> ModelCard:
    said = f": {_SAID[version]}" if version in _SAID else ""
    return ModelCard(
        id=f"rife-{version}",
        tasks=("interpolate",),
        summary=f"Fast interpolation, version {version}, {parameters / 1e6:.1f} million parameters{said}.",
        licence="MIT",
        extra="local",
        limits=Limits(max_depth=16, alpha=True),
        weights=(Weights(url=f"{_WEIGHTS}/flownet_v{version}.pkl"),),
        parts=(Part(name="network", parameters=parameters, role="other"),),
        network=VERSIONS[version],
        dtype="float32",
        source="https://github.com/hzwer/Practical-RIFE",
    )


DEFAULT = "rife-4.25"
"""What `rife` alone stands for: the version that its authors recommend."""


def _paper_card(id: str, file: str, summary: str, parameters: int, any_time: bool) -> ModelCard:
    return ModelCard(
        id=id,
        tasks=("interpolate",),
        summary=summary,
        licence="MIT",
        extra="local",
        limits=Limits(max_depth=16, alpha=True),
        weights=(Weights(page=f"https://drive.google.com/file/d/{file}/view"),),
        parts=(Part(name="network", parameters=parameters, role="other"),),
        network={"any_time": any_time},
        dtype="float32",
        source="https://github.com/hzwer/ECCV2022-RIFE",
    )


CARDS: Sequence[ModelCard] = (
    *(_card(version, _PARAMETERS[version]) for version in VERSIONS),
    _paper_card(
        "rife-paper",
        "1h42aGYPNJn2q8j_GVkS_yDu__G_UZ2GX",
        "Interpolation by RIFE as in the paper: the picture halfway, and others by halving again.",
        10_071_550,
        any_time=False,
    ),
    _paper_card(
        "rife-paper-m",
        "147XVsDXBfJPlyct2jfo9kpbL944mNeZr",
        "Interpolation by RIFE_m as in the paper: at any time between two frames.",
        10_073_710,
        any_time=True,
    ),
)

_LARGE = 2560 * 1440
"""Pixels beyond which `auto` looks for flow at half the size. The authors advise that for 4K."""


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: Literal["auto"] | float = Field(
        "auto",
        description="of the pictures that motion is looked for in: 0.25 or 0.5 for large frames and fast "
        "motion, 1, or 2 for small frames; auto is 1, and 0.5 beyond 2560x1440",
    )

    @field_validator("scale")
    @classmethod
    def _offered(cls, scale: Literal["auto"] | float) -> Literal["auto"] | float:
        if scale not in ("auto", 0.25, 0.5, 1.0, 2.0):
            raise ValueError(f"{scale} is none of 0.25, 0.5, 1, 2 and auto")
        return scale

    def scale_for(self, frame: Tensor) -> float:
        """frame: (1, 3, H, W)."""
        if self.scale != "auto":
            return self.scale
        return 0.5 if frame.shape[-1] * frame.shape[-2] > _LARGE else 1.0


class _AnyTime:
    """RIFE 4 and RIFE_m as the shared engine asks for pictures."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def features(self, frame: Tensor, options: Options) -> Any:
        return self._network.features(frame, options.scale_for(frame))

    def between(
        self,
        a: Tensor,
        b: Tensor,
        seen_a: Any,
        seen_b: Any,
        times: Sequence[float],
        options: Options,
    ) -> Iterator[Tensor]:
        scale = options.scale_for(a)
        return (self._network.between(seen_a, seen_b, time, a.shape[-2:], scale) for time in times)


class _Halving:
    """The paper's RIFE, which makes the picture halfway, as the shared engine asks for pictures."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network

    def features(self, frame: Tensor, options: Options) -> None:
        return None

    def between(
        self, a: Tensor, b: Tensor, seen_a: Any, seen_b: Any, times: Sequence[float], options: Options
    ) -> Iterator[Tensor]:
        from moviola.nets.halving import at

        scale = options.scale_for(a)
        return at(lambda first, second: self._network(first, second, 0.5, scale), a, b, times)


def _is_of_paper(card: ModelCard) -> bool:
    return "any_time" in card.network


def network(card: ModelCard) -> nn.Module:
    if _is_of_paper(card):
        from moviola.nets.rife_paper import PaperRIFE

        return PaperRIFE(**card.network)
    from moviola.nets.rife import RIFE

    return RIFE(**card.network)


def names(card: ModelCard, state: State) -> State:
    from moviola.nets import rife, rife_paper

    return rife_paper.names(state) if _is_of_paper(card) else rife.names(state)


def _published(card: ModelCard, state: State) -> State:
    from moviola.nets import rife, rife_paper

    return rife_paper.published(state) if _is_of_paper(card) else rife.published(state)


def _adapter(card: ModelCard) -> Callable[[Any], Network]:
    if not _is_of_paper(card):
        return lambda network: _AnyTime(network.fused())
    return _AnyTime if card.network["any_time"] else _Halving


def load(card: ModelCard, setup: Setup) -> Model:
    return build.load(card, setup, Build(network=network, names=names, adapter=_adapter(card)))


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import torch

    from moviola.recognition.checkpoint import save

    narrow: dict[str, Any] = {"widths": [8] * len(card.network.get("steps", "8421"))}
    if _is_of_paper(card):
        narrow = {"widths": [8, 8, 4], "context": 4}
    small = card.model_copy(update={"network": {**card.network, **narrow}})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = network(small)
    save(_published(small, made.state_dict()), folder / "model.safetensors", own=False)
    parameters = sum(weight.numel() for weight in made.parameters())
    return small.model_copy(update={"parts": (card.parts[0].model_copy(update={"parameters": parameters}),)})

"""FILM: interpolation of large motion (Reda et al., ECCV 2022).

Its network makes the picture halfway between two; other times are reached by halving again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Limits, ModelCard, Part, Weights
from moviola.interpolation import build
from moviola.interpolation.build import Build, State
from moviola.model import Model, Setup

if TYPE_CHECKING:
    from torch import Tensor, nn


def _card(kind: str, repo: str, summary: str, vimeo: str) -> ModelCard:
    """kind: what it was trained with. repo: of a copy, as Google's own file is on Google Drive alone.

    vimeo: PSNR and SSIM on the triplets of Vimeo-90K.
    """
    return ModelCard(
        id=f"film-{kind}",
        tasks=("interpolate",),
        summary=summary,
        licence="Apache-2.0",
        extra="local",
        limits=Limits(max_depth=16, alpha=True),
        weights=(Weights(repo=repo, files=("variables/*",)),),
        parts=(Part(name="network", parameters=34_436_667, role="other"),),
        dtype="float32",
        source="https://github.com/google-research/frame-interpolation",
        facts={
            "Vimeo-90K": f"{vimeo} (arXiv 2202.04901)",
            "cost": "244 billion multiply-adds for a picture of 448 × 256",
            "motion": "up to about 190 pixels from one frame to the next",
        },
    )


DEFAULT = "film-style"
"""What `film` alone stands for: the weights that its authors recommend."""

CARDS: Sequence[ModelCard] = (
    _card(
        "style",
        "akhaliq/frame-interpolation-film-style",
        "Interpolation of large motion, trained for sharp pictures: the authors' choice.",
        "PSNR 35.87",
    ),
    _card(
        "l1",
        "NimaBoscarino/frame-interpolation_film_l1",
        "Interpolation of large motion, trained for small differences: the best PSNR of the three.",
        "PSNR 36.06, SSIM 0.970",
    ),
    _card(
        "vgg",
        "NimaBoscarino/frame_interpolation_film_vgg",
        "Interpolation of large motion, trained for small differences of what VGG-19 sees.",
        "PSNR 35.76",
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    depth: int = Field(
        5,
        ge=1,
        le=8,
        description="how often a pair of frames is halved at most: a picture is at most 1/2^(depth + 1) of "
        "their distance away from its time",
    )
    tile: int | None = Field(
        None,
        ge=256,
        multiple_of=64,
        description="pixels of the squares that large frames are worked on in, where memory is short",
    )


_OVERLAP = 128
"""Pixels of one square that the next one sees too."""


class _Halving:
    """FILM as the shared engine asks for pictures."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network

    def features(self, frame: Tensor, options: Options) -> None:
        return None

    def between(
        self, a: Tensor, b: Tensor, seen_a: Any, seen_b: Any, times: Sequence[float], options: Options
    ) -> Iterator[Tensor]:
        from moviola.nets.halving import at
        from moviola.nets.tiles import tiled

        network = self._network if options.tile is None else tiled(self._network, options.tile, _OVERLAP)
        dtype = next(self._network.parameters()).dtype
        return at(network, a.to(dtype), b.to(dtype), times, options.depth)


def network(card: ModelCard) -> nn.Module:
    from moviola.nets.film import FILM

    return FILM(**card.network)


def names(card: ModelCard, state: State) -> State:
    from moviola.nets import film

    return film.names(state, **_layout(card))


def _layout(card: ModelCard) -> dict[str, Any]:
    """What the order of a checkpoint's variables depends on."""
    return {name: card.network[name] for name in ("flow_depths", "fused") if name in card.network}


_BUILD = Build(network=network, names=names, adapter=_Halving)


def load(card: ModelCard, setup: Setup) -> Model:
    return build.load(card, setup, _BUILD)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import torch

    from moviola.nets.film import published
    from moviola.recognition.checkpoint import save

    arguments = {
        "width": 2,
        "levels": 4,
        "fused": 3,
        "flow_depths": [1, 1, 2],
        "flow_widths": [2, 4, 6],
    }
    small = card.model_copy(update={"network": arguments})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = network(small)
        for weight in made.parameters():
            if weight.ndim > 1:
                # As torch draws them, so narrow a network would answer with one colour.
                torch.nn.init.kaiming_normal_(weight)
    save(published(made.state_dict(), **_layout(small)), folder / "model.safetensors", own=False)
    parameters = sum(weight.numel() for weight in made.parameters())
    return small.model_copy(update={"parts": (card.parts[0].model_copy(update={"parameters": parameters}),)})

"""LPIPS (arXiv 1801.03924): networks for images that judge how far apart two pictures look."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from moviola.card import Limits, ModelCard, Part, Weights
from moviola.errors import InputError, MissingExtraError, ModelError
from moviola.frames import Pixels
from moviola.model import Setup

if TYPE_CHECKING:
    from moviola.nets.lpips import Lpips

DEFAULT = "lpips-alex"

_LINEAR = (
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/"
    "c33f89e9f46522a584cf41d8880eb0afa982708b/lpips/weights/v0.1/"
)
_BACKBONES = "https://download.pytorch.org/models/"


def _card(
    backbone: str, summary: str, file: str, linear: str, parameters: tuple[int, int], smallest: int
) -> ModelCard:
    """file: the backbone's, whose name ends in the first digits of its hash. linear: hash of the weights of
    its features. parameters: of the backbone's features, and how many features are weighed. smallest: side in
    pixels at which every layer has one position."""
    return ModelCard(
        id=f"lpips-{backbone}",
        tasks=("measure",),
        summary=f"Judges how far apart two pictures look, {summary}.",
        licence="BSD-2-Clause; the network for images BSD-3-Clause",
        extra="local",
        limits=Limits(min_size=(smallest, smallest), max_depth=16),
        weights=(
            Weights(url=f"{_BACKBONES}{file}", sha256=file.removesuffix(".pth").rpartition("-")[2]),
            Weights(url=f"{_LINEAR}{backbone}.pth", sha256=linear),
        ),
        parts=(
            Part(name="features", parameters=parameters[0], role="image"),
            Part(name="linear", parameters=parameters[1], role="other"),
        ),
        network={"backbone": backbone},
        dtype="float32",
        source="https://arxiv.org/abs/1801.03924",
    )


CARDS: tuple[ModelCard, ...] = (
    _card(
        "alex",
        "with AlexNet: the one that papers quote",
        "alexnet-owt-7be5be79.pth",
        "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        (2_469_696, 1_152),
        31,
    ),
    _card(
        "vgg",
        "with VGG-16: the one to train against",
        "vgg16-397923af.pth",
        "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        (14_714_688, 1_472),
        16,
    ),
    _card(
        "squeeze",
        "with SqueezeNet 1.1: the smallest",
        "squeezenet1_1-b8a52dc0.pth",
        "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76",
        (722_496, 2_240),
        17,
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(card: ModelCard, setup: Setup) -> Callable[[Pixels, Pixels], float]:
    """A `moviola.metrics.lpips.Distance`. Raises MissingExtraError, InputError."""
    try:
        import torch

        from moviola.recognition.checkpoint import fill, read
    except ImportError as error:
        raise MissingExtraError(card.id, "local") from error
    from moviola.nets.lpips import names

    assert setup.plan is not None, f"{card.id} is loaded without a plan"
    device, dtype = setup.plan.device, getattr(torch, setup.plan.dtype)
    made = network(card)
    files = [file for folder in setup.folders for file in _files(folder)]
    state = {name: value for file in files for name, value in names(read(file)[0]).items()}
    fill(made, state, card, setup.folders[0])
    made.eval().to(device).features.to(dtype)

    def distance(reference: Pixels, candidate: Pixels) -> float:
        _check_size(card, reference)
        half = np.iinfo(reference.dtype).max / np.float32(2)
        pair = np.stack((reference[..., :3], candidate[..., :3])).astype(np.float32) / half - 1
        shown = torch.from_numpy(pair).movedim(-1, 1).to(device)
        try:
            with torch.inference_mode():
                return float(made(shown[:1], shown[1:]))
        except torch.OutOfMemoryError as error:
            height, width = reference.shape[:2]
            raise ModelError(
                f"memory ran out over pictures of {width}x{height}; use --model lpips-squeeze or --device cpu"
            ) from error

    return distance


def network(card: ModelCard) -> Lpips:
    from moviola.nets.lpips import Lpips

    return Lpips(card.network["backbone"])


def _files(place: Path) -> list[Path]:
    """The checkpoints of a folder: one as it was pulled, of a user's own one or both. A file is itself."""
    if place.is_file():
        return [place]
    return sorted(file for file in place.iterdir() if file.suffix in (".safetensors", ".pth", ".pt", ".bin"))


def _check_size(card: ModelCard, picture: Pixels) -> None:
    assert card.limits.min_size is not None
    (smallest, _), (height, width) = card.limits.min_size, picture.shape[:2]
    if min(height, width) < smallest:
        raise InputError(
            f"{card.id} sees nothing in pictures below {smallest}x{smallest}, these are {width}x{height}; "
            "enlarge both videos alike"
        )


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    """The published shape: it is small. Features count for something, and never against."""
    import torch

    from moviola.recognition.checkpoint import save

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = network(card).state_dict()
    weighed = {name: value.abs() if name.startswith("linear.") else value for name, value in state.items()}
    save(weighed, folder / "model.safetensors", own=True)
    return card

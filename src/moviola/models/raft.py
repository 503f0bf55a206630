"""RAFT (arXiv 2003.12039): optical flow by a network, for measures that follow motion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from moviola.card import Limits, ModelCard, Part, Weights
from moviola.errors import MissingExtraError, ModelError
from moviola.frames import Pixels
from moviola.model import Setup
from moviola.motion import Flow

if TYPE_CHECKING:
    from moviola.nets.raft import Raft

DEFAULT = "raft-large"

_TORCHVISION = "https://download.pytorch.org/models/"


def _card(size: str, parameters: int, file: str, trained: str) -> ModelCard:
    """file: whose name ends in the first digits of its hash. trained: on what."""
    return ModelCard(
        id=f"raft-{size}",
        tasks=("measure",),
        summary=f"Optical flow, trained on {trained}.",
        licence="BSD-3-Clause",
        extra="local",
        limits=Limits(max_depth=16),
        weights=(Weights(url=f"{_TORCHVISION}{file}", sha256=file.removesuffix(".pth").rpartition("-")[2]),),
        parts=(Part(name="raft", parameters=parameters, role="other"),),
        network={"small": size == "small", "iterations": 12 if size == "small" else 20},
        dtype="float32",
        source="https://arxiv.org/abs/2003.12039",
    )


CARDS: tuple[ModelCard, ...] = (
    _card("small", 990_162, "raft_small_C_T_V2-01064c6d.pth", "rendered scenes: the small network"),
    _card(
        "large",
        5_257_536,
        "raft_large_C_T_SKHT_V2-ff5fadd5.pth",
        "rendered scenes and streets: the large network",
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(card: ModelCard, setup: Setup) -> Callable[[Pixels, Pixels], tuple[Flow, Flow]]:
    """A `moviola.metrics.warping.Motion`. Raises MissingExtraError, InputError."""
    try:
        import torch

        from moviola.recognition.checkpoint import fill, read
    except ImportError as error:
        raise MissingExtraError(card.id, "local") from error
    from moviola.nets.raft import names

    assert setup.plan is not None, f"{card.id} is loaded without a plan"
    device, dtype = setup.plan.device, getattr(torch, setup.plan.dtype)
    made = network(card)
    (folder,) = setup.folders
    state, own = read(folder)
    fill(made, state if own else names(state), card, folder)
    made.eval().to(device, dtype)

    def motion(a: Pixels, b: Pixels) -> tuple[Flow, Flow]:
        top = np.float32(np.iinfo(a.dtype).max)
        pair = np.stack((a[..., :3], b[..., :3])).astype(np.float32) / top
        shown = torch.from_numpy(pair).movedim(-1, 1)[None].to(device)
        try:
            with torch.inference_mode():
                flows = made.both_ways(shown, card.network["iterations"])
        except torch.OutOfMemoryError as error:
            height, width = a.shape[:2]
            raise ModelError(
                f"memory ran out over pictures of {width}x{height}; leave out --model or use --device cpu"
            ) from error
        forward, backward = (flow[0, 0].movedim(0, -1).cpu().numpy() for flow in flows)
        return forward, backward

    return motion


def network(card: ModelCard) -> Raft:
    from moviola.nets.raft import Raft

    return Raft(small=card.network["small"])


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    """The published shape, refined once."""
    import torch

    from moviola.recognition.checkpoint import save

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = network(card).state_dict()
    save(state, folder / "model.safetensors", own=True)
    return card.model_copy(update={"network": dict(card.network) | {"iterations": 1}})

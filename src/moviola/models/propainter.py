"""ProPainter (arXiv 2309.03897): flow is completed, pixels follow it, a transformer paints the rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from moviola.card import Limits, ModelCard, Part, Weights
from moviola.errors import MissingExtraError
from moviola.frames import Depth, Pixels, quantized
from moviola.model import Model, Setup
from moviola.removal.options import Filling

if TYPE_CHECKING:
    import torch
    from torch import nn

    from moviola.nets.propainting import Networks

_RELEASE = "https://github.com/sczhou/ProPainter/releases/download/v0.1.0/"
_PARTS = ("raft", "completion", "inpainting")

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        id="propainter",
        tasks=("remove",),
        summary="Object removal: completed flow carries the background over, a transformer paints the rest.",
        licence="S-Lab License 1.0, which forbids commercial use",
        commercial=False,
        extra="local",
        limits=Limits(max_depth=16, alpha=True),
        weights=(
            Weights(url=f"{_RELEASE}raft-things.pth"),
            Weights(url=f"{_RELEASE}recurrent_flow_completion.pth"),
            Weights(url=f"{_RELEASE}ProPainter.pth"),
        ),
        parts=(
            Part(name="raft", parameters=5_257_536, role="other"),
            Part(name="completion", parameters=5_079_555, role="other"),
            Part(name="inpainting", parameters=39_429_667, role="other"),
        ),
        network={"small_flow": False, "iterations": 20, "inpainting": {}},
        dtype="float16",
        source="https://arxiv.org/abs/2309.03897",
        facts={
            "quality": "published at 432 × 240: YouTube-VOS 34.43 dB / 0.9735, DAVIS 34.47 dB / 0.9776",
            "sizes": "trained at 432 × 240; larger holes in larger pictures are filled more softly",
        },
    ),
)


class Options(Filling):
    margin: int = Field(
        96, ge=16, le=4096, description="pixels around the mask that are looked at; the rest is not needed"
    )
    iterations: int | None = Field(
        None, ge=1, le=100, description="of the flow's refinement; default 20, as published"
    )


def load(card: ModelCard, setup: Setup) -> Model:
    """Raises MissingExtraError, InputError."""
    try:
        import torch

        from moviola.nets import flow_completion, propainter, raft
        from moviola.nets.propainting import Networks
        from moviola.recognition.checkpoint import fill, read
        from moviola.removal.engine import Removal
    except ImportError as error:
        raise MissingExtraError(card.id, "local") from error
    assert setup.plan is not None, f"{card.id} is loaded without a plan"
    made = network(card)
    names = {"raft": raft.names, "completion": flow_completion.names, "inpainting": propainter.names}
    if setup.own:
        (folder,) = setup.folders
        fill(made, read(folder)[0], card, folder)
    else:
        for part, folder in zip(_PARTS, setup.folders, strict=True):
            fill(made.get_submodule(part), names[part](read(folder)[0]), card, folder)
    made.eval().to(setup.plan.device)
    dtype: torch.dtype = getattr(torch, setup.plan.dtype)
    # RAFT stays in float32, as with the authors: correlations of a whole picture overflow in half.
    raft_, completion, inpainting = (made.get_submodule(part) for part in _PARTS)
    networks = Networks(raft_, completion.to(dtype), inpainting.to(dtype))  # type: ignore[arg-type]
    return cast("Model", Removal(ProPainting(card, networks, setup.plan.device)))


def network(card: ModelCard) -> nn.Module:
    """All three networks under the names of `_PARTS`."""
    from torch import nn

    from moviola.nets.flow_completion import FlowCompletion
    from moviola.nets.propainter import ProPainter
    from moviola.nets.raft import Raft

    return nn.ModuleDict(
        {
            "raft": Raft(small=card.network["small_flow"]),
            "completion": FlowCompletion(),
            "inpainting": ProPainter(**card.network["inpainting"]),
        }
    )


class ProPainting:
    """A `Filler`."""

    def __init__(self, card: ModelCard, networks: Networks, device: str) -> None:
        self.name, self.device = card.id, device
        self._networks, self._iterations = networks, card.network["iterations"]
        tensors = [
            p for part in (networks.raft, networks.completion, networks.inpainting) for p in part.parameters()
        ]
        self.held_bytes = sum(p.numel() * p.element_size() for p in tensors)

    def margin(self, options: Options) -> int:
        return options.margin

    def needed_bytes(self, frames: int, height: int, width: int) -> int:
        from moviola.nets.propainting import needed_bytes

        return needed_bytes(self._networks, frames, height, width)

    def filled(self, frames: Pixels, holes: NDArray[np.bool_], options: Options) -> Pixels:
        import torch

        from moviola.nets.propainting import filled
        from moviola.removal.memory import running_out

        depth: Depth = 8 if frames.dtype == np.uint8 else 16
        shown = frames.astype(np.float32) / np.float32(255 if depth == 8 else 65535)
        height, width = frames.shape[1:3]
        # Where the picture is no multiple of 8 its edge is repeated.
        padding = (0, -width % 8, 0, -height % 8)
        with running_out(), torch.inference_mode():
            video = torch.from_numpy(shown).to(self.device).permute(0, 3, 1, 2)
            hidden = torch.from_numpy(holes).to(self.device).float()[:, None]
            made = filled(
                self._networks,
                torch.nn.functional.pad(video, padding, mode="replicate")[None],
                torch.nn.functional.pad(hidden, padding)[None],
                options.iterations or self._iterations,
            )[0, :, :, :height, :width]
            pictures = [frame.permute(1, 2, 0).float().clamp(0, 1).cpu().numpy() for frame in made]
        return np.stack([quantized(picture, depth, source=self.name) for picture in pictures])


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    import torch

    from moviola.recognition.checkpoint import save

    small: dict[str, Any] = {
        "small_flow": True,
        "iterations": 1,
        "inpainting": {"width": 32, "heads": 2, "depth": 1, "inner": 64},
    }
    made_small = card.model_copy(update={"network": small})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = network(made_small)
    save(made.state_dict(), folder / "model.safetensors", own=True)
    parts = tuple(
        part.model_copy(
            update={"parameters": sum(p.numel() for p in made.get_submodule(part.name).parameters())}
        )
        for part in card.parts
    )
    return made_small.model_copy(update={"parts": parts})

"""ProPainter (arXiv 2309.03897): flow is completed, pixels follow it, a transformer paints the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Limits, ModelCard, Part, Weights
from moviola.errors import MissingExtraError, ModelError
from moviola.frames import Depth, Frames, Pixels, quantized
from moviola.media.masks import open_mask
from moviola.model import Context, Events, Note, Setup, Window

if TYPE_CHECKING:
    import torch
    from torch import nn

    from moviola.nets.propainting import Networks
    from moviola.tasks import Remove

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


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    grow: int = Field(4, ge=0, le=64, description="pixels the mask is widened by, for soft edges and halos")
    window: int = Field(
        40,
        ge=20,
        le=400,
        description="frames filled together; more find more, and need more memory",
    )
    margin: int = Field(
        96, ge=16, le=4096, description="pixels around the mask that are looked at; the rest is not needed"
    )
    iterations: int | None = Field(
        None, ge=1, le=100, description="of the flow's refinement; default 20, as published"
    )


def load(card: ModelCard, setup: Setup) -> ProPainting:
    """Raises MissingExtraError, InputError."""
    try:
        import torch

        from moviola.nets import flow_completion, propainter, raft
        from moviola.nets.propainting import Networks
        from moviola.recognition.checkpoint import fill, read
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
    return ProPainting(card, networks, setup.plan.device)


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
    def __init__(self, card: ModelCard, networks: Networks, device: str) -> None:
        self._card, self._networks, self._device = card, networks, device

    def run(self, request: Remove, options: Options, context: Context) -> Events:
        """Ends with a Note where the mask selects nothing at all."""
        mask = open_mask(request.mask, context.clip.source)
        selects: dict[int, bool] = {}

        def step(window: Window) -> Iterator[Frames]:
            frames = window.frames
            masks = mask.at(window.first, len(frames))
            selects[window.number] = bool(masks.any())
            filled = self._filled(frames.data, masks, options) if selects[window.number] else frames.data
            yield Frames(filled, frames.pts_seconds, frames.duration_seconds)

        quarter = options.window // 4
        yield from context.each_window(step, size=options.window, before=quarter, after=quarter, fade=True)
        # A resumed run begins with a later window and knows nothing of the ones before.
        if 0 in selects and not any(selects.values()):
            yield Note(f"mask {mask.name} selects nothing; the pictures are unchanged")

    def _filled(self, frames: Pixels, masks: NDArray[np.bool_], options: Options) -> Pixels:
        """Frames (T, H, W, C) with what is under the masks (T, H, W) replaced; nothing else is touched."""
        import torch

        from moviola.inpaint.background import surroundings, widened
        from moviola.nets.propainting import filled

        holes = np.stack([widened(mask, options.grow) for mask in masks]) if options.grow else masks
        rows, columns = surroundings(holes, options.margin)
        depth: Depth = 8 if frames.dtype == np.uint8 else 16
        top = 255 if depth == 8 else 65535
        shown = np.ascontiguousarray(frames[:, rows, columns, :3]).astype(np.float32) / top
        video = torch.from_numpy(shown).permute(0, 3, 1, 2)[None].to(self._device)
        hidden = torch.from_numpy(holes[:, rows, columns]).float()[None, :, None].to(self._device)
        iterations = options.iterations or self._card.network["iterations"]
        height, width = video.shape[-2:]
        # Where the picture is no multiple of 8 its edge is repeated.
        padding = (0, -width % 8, 0, -height % 8)
        try:
            with torch.inference_mode():
                made = filled(
                    self._networks,
                    torch.nn.functional.pad(video[0], padding, mode="replicate")[None],
                    torch.nn.functional.pad(hidden[0], padding)[None],
                    iterations,
                )
        except torch.OutOfMemoryError as error:
            raise ModelError(
                f"memory ran out over {len(frames)} frames of {width}x{height}; use a smaller -O window "
                "or -O margin, --dtype float16 or --device cpu"
            ) from error
        values = made[0, :, :, :height, :width].permute(0, 2, 3, 1).float().clamp(0, 1).cpu().numpy()
        result = frames.copy()
        part = result[:, rows, columns, :3]
        part[holes[:, rows, columns]] = quantized(values, depth, source=self._card.id)[
            holes[:, rows, columns]
        ]
        return result


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

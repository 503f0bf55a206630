"""Fits CoDeF's two fields to a clip: the authors' losses, Adam, and a learning rate halved three times.

The schedule is in shares of the steps, so that a short fit is a short version of a long one. The same clip,
settings and seed give the same fields on the same machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.optim.lr_scheduler import MultiStepLR

from moviola.frames import Depth, Pixels
from moviola.model import Progress
from moviola.nets.codef import MARGIN, CoDeF, pixels
from moviola.nets.hash_grid import annealed

_HALVED = (0.25, 0.5, 0.75)
"""Shares of the steps after which the learning rate is halved: the authors' 2,500, 5,000, 7,500 of 10,000."""

_AT_ONCE = 2**17
"""Points: without gradients a field takes about 1 KB for each."""

_LUMA = (0.299, 0.587, 0.114)

_SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Settings:
    """How a clip is fitted.

    steps: each on one whole frame. rate, table_rate: the learning rates of networks and of hash tables.
    edges, flow, still: weights of the losses of edges, of motion, and of what deforms the reference frame,
    beside 1 for colour.
    smooth: for what share the deformation is without its hash grid, and so smooth.
    rising: in what share after that the grid's levels come in, coarse ones first.
    deformation, canonical: arguments of the two fields.
    """

    deformation: dict[str, Any]
    canonical: dict[str, Any]
    steps: int = 10_000
    rate: float = 1e-3
    table_rate: float = 1e-3
    edges: float = 0.1
    flow: float = 1.0
    still: float = 3.0
    smooth: float = 0.4
    rising: float = 0.4


def suited(count: int, width: int, height: int) -> Settings:
    """Settings for `count` frames of a size, found on small rendered clips; the authors' are the defaults.

    A grid gets no finer than about a vertex per pixel, and no table has many more rows than the clip has
    pixels: for 16 frames of 96×64 that is 7 and 8 levels instead of 16. Each frame is seen 50 times, which is
    enough because tables learn five times as fast as the authors' and the hash grid comes in early.
    """
    side = max(width, height)
    rows = min(19, math.ceil(math.log2(count * width * height)))

    def grid(growth: float, finest: float) -> dict[str, Any]:
        levels = 1 + math.ceil(math.log(max(1.0, finest / 16), growth))
        return {"levels": min(16, levels), "log2_rows": rows, "growth": growth}

    return Settings(
        deformation=grid(1.38, side),
        canonical=grid(1.44, (1 + 2 * MARGIN) * side),
        steps=min(10_000, max(500, 50 * count)),
        table_rate=5e-3,
        smooth=0.05,
        rising=0.3,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A clip as fields.

    count: of frames. size: their width and height in pixels. depth: bits per channel.
    """

    network: CoDeF
    count: int
    size: tuple[int, int]
    depth: Depth

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    def time(self, index: int) -> float:
        """Of a frame, as the fields count it."""
        return (index + 0.5) / self.count

    @torch.inference_mode()
    def places(self, index: int) -> Tensor:
        """Where in the picture each pixel of a frame lies, (H · W, 2), in shares of the frame's size."""
        time = self.time(index)
        points = pixels(*self.size).to(self.device)
        return in_parts(lambda part: self.network.places(part, time), points)


def in_parts(field: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """What a field answers for many points (N, 2), some at a time to save memory."""
    return torch.cat([field(part) for part in points.split(_AT_ONCE)])


def fit(
    frames: Pixels,
    flows: NDArray[np.float32] | None = None,
    masks: NDArray[np.bool_] | None = None,
    *,
    settings: Settings | None = None,
    reference: int | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> Generator[Progress, None, Fitted]:
    """Fit a clip of one scene. Yields after every step; returns the fields.

    frames: (T, H, W, 3) uint8 or uint16.
    flows: (T - 1, H, W, 2) in pixels: what is at p in one frame is at p + flow in the next; NaN where that is
        not known or not to be seen there.
    masks: (T, H, W), True where the clip is to be fitted. What moves apart has to be fitted apart: the ground
        behind an object has the object's place in the picture, and edits of either slip.
    settings: None for those that suit the clip.
    reference: the frame that the picture is to look like; None for the middle one of those selected from.

    Raises ValueError where shapes do not agree, or where the masks select nothing.
    """
    count, height, width, _ = frames.shape
    settings = settings or suited(count, width, height)
    clip = _Clip(frames, flows, masks, torch.device(device))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = CoDeF(settings.deformation, settings.canonical).to(device)
    fitted = Fitted(network, count, (width, height), 8 if frames.dtype == np.uint8 else 16)
    optimizer = torch.optim.Adam(
        group
        for field in (network.deformation, network.canonical)
        for group in (
            {"params": [*field.network.parameters()], "lr": settings.rate},
            {"params": [*field.grid.parameters()], "lr": settings.table_rate},
        )
    )
    falls = [round(share * settings.steps) for share in _HALVED]
    schedule = MultiStepLR(optimizer, falls, gamma=0.5)
    if reference is None:
        reference = int(clip.shown[len(clip.shown) // 2])
    for step, index in enumerate(_order(clip.shown, settings.steps, seed)):
        loss = _loss(fitted, clip, index, reference, settings, step / settings.steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        yield Progress(step + 1, settings.steps, "steps")
    network.requires_grad_(False)
    return fitted


class _Clip:
    """What is fitted, as tensors, each frame's pixels in a row.

    points: (H · W, 2). colours: (T, H · W, 3) in 0–1. mask: (T, H · W) bool.
    flows: (T - 1, H · W, 2) in shares of the frame, NaN where unknown.
    shown: the frames in which the mask selects anything.
    """

    def __init__(
        self,
        frames: Pixels,
        flows: NDArray[np.float32] | None,
        masks: NDArray[np.bool_] | None,
        device: torch.device,
    ) -> None:
        count, height, width, channels = frames.shape
        if channels != 3:
            raise ValueError(f"frames have {channels} channels, expected 3")
        if masks is not None and masks.shape != frames.shape[:3]:
            raise ValueError(f"masks have shape {masks.shape}, expected {frames.shape[:3]}")
        if flows is not None and flows.shape != (count - 1, height, width, 2):
            raise ValueError(f"flows have shape {flows.shape}, expected {(count - 1, height, width, 2)}")
        top = np.iinfo(frames.dtype).max
        self.points = pixels(width, height).to(device)
        self.colours = torch.from_numpy(frames.astype(np.float32) / top).reshape(count, -1, 3).to(device)
        chosen = np.ones(frames.shape[:3], np.bool_) if masks is None else masks
        self.mask = torch.from_numpy(chosen.reshape(count, -1)).to(device)
        self.shown = np.flatnonzero(chosen.any((1, 2)))
        if not len(self.shown):
            raise ValueError("the masks select nothing")
        self.flows: Tensor | None = None
        if flows is not None:
            scaled = (flows / np.array([width, height], np.float32)).astype(np.float32)
            self.flows = torch.from_numpy(scaled).reshape(count - 1, height * width, 2).to(device)


def _order(shown: NDArray[np.intp], steps: int, seed: int) -> Iterator[int]:
    """Indices of frames, each as often as any other, in random order."""
    random = np.random.default_rng(seed)
    for step in range(steps):
        if step % len(shown) == 0:
            turn = random.permutation(shown)
        yield int(turn[step % len(shown)])


def _loss(
    fitted: Fitted, clip: _Clip, index: int, reference: int, settings: Settings, share: float
) -> Tensor:
    """share: of the steps that are done."""
    network = fitted.network
    levels = len(network.deformation.grid.grids)
    shown = annealed(levels, 1.0 if not settings.rising else (share - settings.smooth) / settings.rising)
    mask = clip.mask[index]
    places = network.places(clip.points, fitted.time(index), shown)
    error = network.canonical(places) - clip.colours[index]
    loss: Tensor = error[mask].square().mean() + settings.edges * _edges(error, mask, fitted.size)
    if index == reference:
        # The authors draw the picture's colours towards this frame's, at first. That fixes neither its place
        # nor its scale for good; that this frame is not deformed does, and costs nothing.
        loss = loss + settings.still * functional.l1_loss(places[mask], clip.points[mask])
    if clip.flows is not None and index + 1 < fitted.count:
        flow = clip.flows[index]
        linked = mask & flow.isfinite().all(1)
        if linked.any():
            moved = clip.points[linked] + flow[linked]
            there = network.places(moved, fitted.time(index + 1), shown)
            loss = loss + settings.flow * functional.l1_loss(there, places[linked])
    return loss


def _edges(error: Tensor, mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Mean absolute Sobel gradient of what luma is wrong by."""
    width, height = size
    luma = (error @ error.new_tensor(_LUMA)).view(1, 1, height, width)
    across = error.new_tensor(_SOBEL)
    gradients = functional.conv2d(luma, torch.stack([across, across.T])[:, None], padding=1)
    loss: Tensor = gradients.abs().mean(1).view(-1)[mask].mean()
    return loss

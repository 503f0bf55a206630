"""The motion of the background behind holes: measured around them and carried on into them.

Importing this module needs OpenCV.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from moviola.motion import Flow, Preset, dense_flow, inconsistency

Pixels = NDArray[Any]
Holes = NDArray[np.bool_]
Floats = NDArray[np.float32]

NOISE = 0.2
"""Pixels; how exactly a flow is measured."""

SAMPLES = 4000
"""Places at most where the motion of the whole picture is fitted."""


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """The part of a flow that lies around a hole; `top`, `left` is where it lies."""

    flow: Flow
    top: int
    left: int

    @classmethod
    def around(cls, hole: Holes, flow: Flow) -> Patch | None:
        if not hole.any():
            return None
        rows, columns = surroundings(hole, 3)
        return cls(flow[rows, columns].copy(), rows.start, columns.start)

    def at(self, x: Floats, y: Floats) -> Floats:
        return read(self.flow, x - self.left, y - self.top, cv2.INTER_LINEAR)


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """How the background moves: onward[t] from frame t to t + 1, back[t] back again; None: no hole there."""

    onward: Sequence[Patch | None]
    back: Sequence[Patch | None]

    def step(self, frame: int, direction: int) -> Patch | None:
        return self.onward[frame] if direction > 0 else self.back[frame - 1]


def background_motion(pictures: Pixels, holes: Holes, rim: int, preset: Preset) -> Motion:
    """Flows between neighbours, carried on into the holes.

    pictures: what to measure on, the holes filled with a guess.
    rim: how far around the holes, and in them, the guess makes the flow worthless; 0: the guess is good.
    """
    onward: list[Patch | None] = []
    back: list[Patch | None] = []
    doubts = [widened(hole, rim) if rim else np.zeros_like(hole) for hole in holes]
    for (a, b), (hole_a, hole_b), (doubt_a, doubt_b) in zip(
        pairwise(pictures), pairwise(holes), pairwise(doubts), strict=True
    ):
        if not (hole_a.any() or hole_b.any()):
            onward.append(None)
            back.append(None)
            continue
        there, again = dense_flow(a, b, preset=preset), dense_flow(b, a, preset=preset)
        onward.append(Patch.around(hole_a, carried_on(there, trusted(there, again, doubt_a, doubt_b))))
        back.append(Patch.around(hole_b, carried_on(again, trusted(again, there, doubt_b, doubt_a))))
    return Motion(onward, back)


def trusted(flow: Flow, inverse: Flow, doubt: Holes, doubt_there: Holes) -> Holes:
    """Where both flows agree to half a pixel and touch nothing doubtful at either end."""
    height, width = doubt.shape
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    landing = cv2.remap(doubt_there.astype(np.float32), x, y, cv2.INTER_LINEAR, borderValue=1)
    good: Holes = ~doubt & (landing == 0) & (inconsistency(flow, inverse) < 0.5)
    return good


def carried_on(flow: Flow, known: Holes) -> Flow:
    """The flow with its unknown part replaced by the picture's planar motion plus the smoothly continued
    difference from it: far inside the plane decides, near the edge the neighbourhood.

    Differences from the plane of NOISE and less are dropped, greater ones kept nearly whole (the garrote of
    Breiman, 1995): followed over many frames, small errors of measurement would add up.
    """
    plane = planar_flow(flow, known)
    rest = np.where(known[..., None], flow - plane, smoothed(flow - plane, known))
    squares = np.square(rest).sum(-1, keepdims=True)
    kept: Flow = plane + rest * np.maximum(0, 1 - NOISE**2 / np.maximum(squares, NOISE**2))
    return kept


def planar_flow(flow: Flow, known: Holes) -> Flow:
    """The motion of a plane seen by a moving camera that fits most of the known flow.

    u = a + b x + c y + g x² + h x y, v = d + e x + f y + g x y + h y² (Adiv, 1985), fitted by least squares,
    reweighted ten times by Geman and McClure's function so that other motions do not count.
    """
    height, width = known.shape
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.float32(height / width)
    rows, columns = np.nonzero(known)
    thin = slice(None, None, len(rows) // SAMPLES + 1)
    aims, px, py = flow[rows[thin], columns[thin]].T, x[columns[thin]], y[rows[thin], 0]
    if len(px) < 16:
        middle = np.median(aims, axis=1) if len(px) else np.zeros(2)
        return np.broadcast_to(middle.astype(np.float32), flow.shape)
    one, zero = np.ones_like(px), np.zeros_like(px)
    across = np.stack([one, px, py, zero, zero, zero, px * px, px * py])
    down = np.stack([zero, zero, zero, one, px, py, px * py, py * py])
    answer = np.zeros(8, np.float32)
    answer[[0, 3]] = np.median(aims, axis=1)
    for _ in range(10):
        misses = np.square(answer @ across - aims[0]) + np.square(answer @ down - aims[1])
        weights = (1 + misses / max(2.25 * np.median(misses), 0.0025)) ** -2
        square = (across * weights) @ across.T + (down * weights) @ down.T
        aim = (across * weights) @ aims[0] + (down * weights) @ aims[1]
        # The least of all that fit: in a picture one pixel wide, much is said twice.
        answer = np.linalg.lstsq(square, aim, rcond=1e-6)[0]
    a, b, c, d, e, f, g, h = answer
    bend = g * x + h * y
    return np.stack([a + b * x + c * y + bend * x, d + e * x + f * y + bend * y], axis=-1)


def smoothed(values: Floats, known: Holes) -> Floats:
    """`values` (H, W, C) continued smoothly to where they are not known."""
    return pull_push(values, known.astype(np.float32))


def pull_push(values: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """Averages over ever larger neighbourhoods fill what has no weight: Gortler et al., The Lumigraph (1996).

    values: (H, W, C) float32; weights: (H, W) float32 in 0–1.
    """
    if max(weights.shape) <= 2 or weights.min() > 0.5:
        return values
    fewer, summed = cv2.pyrDown(weights), cv2.pyrDown(values * weights[..., None])
    coarse = pull_push(summed / np.maximum(fewer, 1e-6)[..., None], fewer)
    height, width = weights.shape
    raised = cv2.pyrUp(coarse, dstsize=(width, height))
    mixed: NDArray[Any] = raised + weights[..., None] * (values - raised)
    return mixed


def widened(mask: Holes, radius: int) -> Holes:
    """`mask` grown by a disc; as it is where nothing would be left outside of it."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    grown = cv2.dilate(mask.astype(np.uint8), disc).astype(bool)
    return mask if grown.all() else grown


def surroundings(holes: Holes, margin: int) -> tuple[slice, slice]:
    """Rows and columns that hold all holes, (…, H, W), and `margin` pixels around them."""
    rows, columns = np.nonzero(holes.reshape(-1, *holes.shape[-2:]).any(axis=0))
    return (
        slice(max(0, int(rows.min()) - margin), int(rows.max()) + 1 + margin),
        slice(max(0, int(columns.min()) - margin), int(columns.max()) + 1 + margin),
    )


def read(image: Pixels, x: Floats, y: Floats, interpolation: int) -> Floats:
    """`image` (H, W) or (H, W, C) at scattered places, (N,) or (N, C)."""
    side = min(len(x), 2**14)  # OpenCV's maps are two-dimensional, and no side may reach 2**15
    spare = -len(x) % side
    columns, rows = ((np.pad(at, (0, spare)) if spare else at).reshape(-1, side) for at in (x, y))
    values = cv2.remap(image, columns, rows, interpolation, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(values.reshape(-1, *image.shape[2:])[: len(x)], np.float32)

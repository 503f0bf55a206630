"""Classical motion: dense optical flow, how far it can be trusted, and warping along it.

A flow is (H, W, 2) float32 in pixels: the picture content at (x, y) of `a` is at (x, y) + flow[y, x] in `b`;
channel 0 points right, channel 1 down. Pictures here are (H, W), (H, W, 3) or (H, W, 4) arrays without times.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from moviola.errors import MissingExtraError

Preset = Literal["fast", "balanced", "best"]
"""How much work is put into a flow."""

Picture = NDArray[Any]
Flow = NDArray[np.float32]
Plane = NDArray[np.float32]

SMALLEST = 32
"""Pixels; DIS builds a pyramid of 8-pixel patches and fails on a side shorter than this."""


@dataclass(frozen=True, slots=True)
class _Search:
    """How DIS looks: down to pictures halved `finest` times, a patch every `stride` pixels, `descents` steps
    of gradient descent each, and `refinements` passes of variational refinement at every scale."""

    finest: int
    stride: int
    descents: int
    refinements: int


# The finest scale is what counts. At a quarter of the resolution refinement smooths what the patches leave
# rough; below, it costs as much as the search and gains nothing on real clips.
_SEARCHES: dict[Preset, _Search] = {
    "fast": _Search(finest=2, stride=4, descents=16, refinements=5),
    "balanced": _Search(finest=1, stride=4, descents=16, refinements=0),
    "best": _Search(finest=0, stride=4, descents=16, refinements=0),
}


def _cv2() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise MissingExtraError("optical flow", "classical") from error
    return cv2


def luma8(image: Picture) -> NDArray[np.uint8]:
    """Luma of a gray, R'G'B' or R'G'B'A picture, (H, W) uint8 0–255; the transparent counts as mid-gray."""
    cv2 = _cv2()
    if image.dtype == np.uint16:
        image = cv2.convertScaleAbs(image, alpha=1 / 257)
    if image.ndim == 2:
        return np.ascontiguousarray(image)
    luma: NDArray[np.uint8] = cv2.cvtColor(image[..., :3], cv2.COLOR_RGB2GRAY)
    if image.shape[2] == 4:
        opaque = image[..., 3].astype(np.float32) / 255
        luma = cv2.blendLinear(luma, np.full_like(luma, 128), opaque, 1 - opaque)
    return luma


def dense_flow(a: Picture, b: Picture, *, preset: Preset = "fast", refinements: int | None = None) -> Flow:
    """Displacement of every pixel of `a` towards `b`, (H, W, 2) float32 pixels.

    a, b: pictures of one size, uint8 or uint16, gray, RGB or RGBA; any size down to 1×1.
    refinements: passes that smooth the flow inside of what moves alike, at every scale; default the preset's.
    Method: dense inverse search (Kroeger et al., 2016) as in OpenCV.
    """
    cv2 = _cv2()
    height, width = a.shape[:2]
    first, second = luma8(a), luma8(b)
    below, right = max(0, SMALLEST - height), max(0, SMALLEST - width)
    if below or right:
        first, second = (
            cv2.copyMakeBorder(side, 0, below, 0, right, cv2.BORDER_REPLICATE) for side in (first, second)
        )
    chosen = _SEARCHES[preset]
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(chosen.finest)
    search.setPatchStride(chosen.stride)
    search.setGradientDescentIterations(chosen.descents)
    search.setVariationalRefinementIterations(chosen.refinements if refinements is None else refinements)
    flow: Flow = search.calc(first, second, None)[:height, :width]
    return flow


def warp(image: Picture, flow: Flow) -> Picture:
    """`image` looked up along `flow`: out[y, x] = image at (x, y) + flow[y, x], bilinear, edges repeated.

    With flow = dense_flow(a, b), warp(b, flow) looks like a. Same type and channels as `image`.
    """
    return look_up(image, places(*flow.shape[:2]) + flow)


def look_up(image: Picture, positions: Flow, *, sharp: bool = False) -> Picture:
    """`image` at the positions (x, y) of (H, W, 2), (H, W) or (H, W, C) of its type; edges repeated.

    sharp: bicubic instead of bilinear; integers saturate, floats may overshoot.
    """
    cv2 = _cv2()
    kernel = cv2.INTER_CUBIC if sharp else cv2.INTER_LINEAR
    found: Picture = cv2.remap(image, positions, None, kernel, borderMode=cv2.BORDER_REPLICATE)
    return found


@lru_cache(maxsize=4)
def places(height: int, width: int) -> Flow:
    """The x and y of every pixel, (H, W, 2); shared, so not writable."""
    y, x = np.indices((height, width), np.float32)
    grid: Flow = np.dstack([x, y])
    grid.flags.writeable = False
    return grid


def inconsistency(forward: Flow, backward: Flow) -> Plane:
    """How far a pixel lands from where it started after going forth and back, (H, W) float32 pixels.

    Near zero where both flows agree; large where the content is hidden or has left the picture.
    """
    cv2 = _cv2()
    loop = forward + warp(backward, forward)
    distance: Plane = cv2.magnitude(loop[..., 0], loop[..., 1])
    return distance

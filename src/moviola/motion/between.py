"""Pictures between two pictures, carried along the optical flow.

Every pixel of a new picture weighs five guesses of the motion through it: each of both flows, brought to the
new picture's time or taken as it stands, and no motion at all, as of things the camera follows. A guess is as
good as the two pictures agree where it leads. The best ones are blended, and where none is good the picture
is softened: a blur hurts less than a ghost. Guesses are weighed at half resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from moviola.frames import Pixels
from moviola.motion.dense import Flow, Picture, Plane, Preset, dense_flow, look_up, luma8, places

_BLENDED: dict[Preset, int] = {"fast": 1, "balanced": 2, "best": 5}
"""How many guesses are blended in every pixel."""

# In levels of 8-bit luma. None is critical: half or double of each moves the mean PSNR of the real clips and
# triplets of benchmarks/interpolation.py by 0.12 dB at most, mostly by less than 0.02.
_STILL = 1.0
"""Where no block of 8 pixels differs by more than this on the mean, there is no motion worth following."""
_UNMOVED = 4.0
"""Handicap of the guess that nothing moves: flat surfaces agree with it by chance."""
_UNSEEN = 20.0
"""Disagreement assumed where a guess leads out of a picture."""
_BLEND = 6.0
"""A guess that disagrees by this much more than the best one weighs 1/e of it."""
_DOUBT = 25.0
"""Disagreement at which a picture is half softened."""

_WINDOW = (7, 7)
"""Pixels at half resolution over which disagreement is averaged."""
_SOFT = 1.5
"""Standard deviation in pixels of the softening."""


def interpolate_pair(a: Pixels, b: Pixels, times: Sequence[float], *, quality: Preset = "balanced") -> Pixels:
    """The pictures at `times` between `a` (at 0) and `b` (at 1), (N, H, W, C) of the type of `a`.

    a, b: (H, W, 3 or 4), uint8 or uint16, any size. Alpha is straight; colour is carried premultiplied.
    times: in [0, 1]; 0 and 1 give the pictures themselves. Flow is measured once for all of them.
    """
    luma = luma8(a), luma8(b)
    motion = None if still(*luma) else _Motion.between(*luma, quality)
    start, end = _opened(a), _opened(b)
    result = np.empty((len(times), *a.shape), a.dtype)
    for picture, t in zip(result, times, strict=True):
        if t in (0, 1):
            picture[...] = b if t else a
        elif motion is None:
            picture[...] = _closed(cv2.addWeighted(start, 1 - t, end, t, 0), a)
        else:
            picture[...] = _closed(motion.picture(start, end, t, _BLENDED[quality]), a)
    return result


def still(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    """Whether nothing moves between two pictures: a and b are their luma, (H, W)."""
    height, width = a.shape
    blocks = max(1, width // 8), max(1, height // 8)
    return float(cv2.resize(cv2.absdiff(a, b), blocks, interpolation=cv2.INTER_AREA).max()) <= _STILL


def _opened(picture: Pixels) -> Picture:
    """The form that warping and blending work on: uint8 as it is, else float32; alpha premultiplied."""
    if picture.shape[2] == 4:
        opened = picture.astype(np.float32)
        opened[..., :3] *= opened[..., 3:] / np.iinfo(picture.dtype).max
        return opened
    return picture if picture.dtype == np.uint8 else picture.astype(np.float32)


def _closed(opened: Picture, like: Pixels) -> Picture:
    """Back from `_opened` to the range of `like`; the caller's assignment converts the type."""
    if opened.dtype == np.uint8:
        return opened
    top = np.iinfo(like.dtype).max
    if like.shape[2] == 4:
        alpha = opened[..., 3:]
        opened[..., :3] *= np.divide(top, alpha, out=np.zeros_like(alpha), where=alpha > 0.5)
    return np.rint(opened).clip(0, top)


@dataclass(frozen=True, slots=True)
class _Motion:
    """What is known of the motion between two pictures, at half their resolution.

    luma_a, luma_b: the pictures. forward: from the first to the second, backward: the other way; in pixels of
    half size. scale: (1, 1, 2), pixels of full size in one of those, in x and y.
    """

    luma_a: NDArray[np.uint8]
    luma_b: NDArray[np.uint8]
    forward: Flow
    backward: Flow
    scale: NDArray[np.float32]

    @classmethod
    def between(cls, a: NDArray[np.uint8], b: NDArray[np.uint8], quality: Preset) -> _Motion:
        height, width = a.shape
        half = (width + 1) // 2, (height + 1) // 2
        scale = np.array([[[width / half[0], height / half[1]]]], np.float32)

        def small(plane: Picture) -> Picture:
            return cv2.resize(plane, half, interpolation=cv2.INTER_AREA)

        forward, backward = dense_flow(a, b, preset=quality), dense_flow(b, a, preset=quality)
        return cls(small(a), small(b), small(forward / scale), small(backward / scale), scale)

    def picture(self, a: Picture, b: Picture, t: float, blended: int) -> Picture:
        """The picture at `t`, blended from the best guesses of the motion."""
        guesses = self._guesses(t)
        costs = np.stack([self._disagreement(guess, t) for guess in guesses])
        costs[-1] += _UNMOVED
        least = costs.min(0)
        y, x = np.ogrid[: least.shape[0], : least.shape[1]]

        best = costs.argmin(0)
        # Only the best guess is trusted with sharp detail.
        result = self._carried(a, b, guesses[best, y, x], t, sharp=True)
        total, doubt = np.ones_like(least), least
        for _ in range(1, blended):
            costs[best, y, x] = np.inf
            best = costs.argmin(0)
            cost = costs[best, y, x]
            weight = np.exp((least - cost) / _BLEND)
            total = total + weight
            doubt = doubt + weight * cost
            result = _mixed(result, self._carried(a, b, guesses[best, y, x], t), weight / total)
        doubt = doubt / total * (4 * t * (1 - t) / _DOUBT)
        return _mixed(result, cv2.GaussianBlur(result, (0, 0), _SOFT), 1 - 1 / (1 + doubt**4))

    def _guesses(self, t: float) -> NDArray[np.float32]:
        """Displacements from the first picture to the second through each pixel of the one at `t`."""
        forward, backward = self.forward, self.backward
        return np.stack(
            [
                look_up(forward, _moved(forward, -t)),
                -look_up(backward, _moved(backward, t - 1)),
                forward,
                -backward,
                np.zeros_like(forward),
            ]
        )

    def _disagreement(self, guess: Flow, t: float) -> Plane:
        """How much both pictures differ where a guess leads, in levels of luma averaged over a window."""
        in_a, in_b = _moved(guess, -t), _moved(guess, 1 - t)
        apart = cv2.absdiff(look_up(self.luma_a, in_a), look_up(self.luma_b, in_b))
        difference: Plane = apart.astype(np.float32)
        difference[~(_inside(in_a) & _inside(in_b))] = _UNSEEN
        return np.asarray(cv2.blur(difference, _WINDOW), np.float32)

    def _carried(self, a: Picture, b: Picture, guess: Flow, t: float, *, sharp: bool = False) -> Picture:
        """Both pictures carried along a guess and blended by their nearness in time; what lies outside of one
        is taken from the other."""
        whole = np.asarray(cv2.resize(guess * self.scale, (a.shape[1], a.shape[0])), np.float32)
        from_a = look_up(a, _moved(whole, -t), sharp=sharp)
        from_b = look_up(b, _moved(whole, 1 - t), sharp=sharp)
        weight_a = (1 - t) * _nearly_zero_outside(_moved(guess, -t))
        weight_b = t * _nearly_zero_outside(_moved(guess, 1 - t))
        return _mixed(from_a, from_b, np.asarray(weight_b / (weight_a + weight_b), np.float32))


def _moved(flow: Flow, share: float) -> Flow:
    """Where each pixel is after `share` of a flow: positions x, y."""
    return np.asarray(cv2.scaleAdd(flow, share, places(*flow.shape[:2])), np.float32)


def _inside(positions: Flow) -> NDArray[np.bool_]:
    """Which positions lie inside of the picture, (H, W)."""
    height, width = positions.shape[:2]
    return cv2.inRange(positions, (-0.5, -0.5), (width - 0.5, height - 0.5)) > 0


def _nearly_zero_outside(positions: Flow) -> Plane:
    """1 where a position lies inside of the picture; outside, where only its edge is repeated, 0.001."""
    return np.where(_inside(positions), np.float32(1), np.float32(1e-3))


def _mixed(a: Picture, b: Picture, share: Plane) -> Picture:
    """`share` of `b`, the rest of `a`, for every pixel; `share` may be smaller than the pictures."""
    # OpenCV divides by the sum of weights and 1e-5; large weights drown that.
    weight = np.asarray(cv2.resize(1024 * share, (a.shape[1], a.shape[0])), np.float32)
    return cv2.blendLinear(a, b, 1024 - weight, weight)

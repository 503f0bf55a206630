"""Filling holes in a run of frames with the background that other frames show.

What lies behind a hole moves with the picture around it. So the motion between neighbouring frames is
measured outside of the holes and carried on into them; every hidden pixel is followed along it, forward and
backward in time, until it comes out of the hole, and its colour is read there: once, from the original frame,
so that nothing blurs on the way. What never comes out is painted in one frame and followed from there the
same way. A second round measures the motion anew on the filled frames.

Everything happens on the pixels as they are, at full size. Importing this module needs OpenCV.
"""

from __future__ import annotations

import numpy as np

from moviola.inpaint.background import Holes, Pixels, background_motion, smoothed, surroundings
from moviola.inpaint.follow import recovered
from moviola.inpaint.paint import painted, softly_painted
from moviola.motion import Preset

CONTEXT = 48
"""Pixels around the holes that are looked at: room for the pyramids of the flow and its continuation."""

RIM = 12
"""Pixels around a hole where the first measured flow is not trusted: what fills the hole leaks that far."""


def fill(frames: Pixels, holes: Holes, *, preset: Preset = "fast") -> Pixels:
    """The frames with their holes replaced by what is behind them; elsewhere to the bit as they are.

    frames: (T, H, W, 3 or 4) uint8 or uint16, one scene; alpha passes through.
    holes: (T, H, W), True where to fill. Where a whole frame is one, it is taken to be as its neighbours are.
    """
    answer = frames.copy()
    if not holes.any():
        return answer
    area = (slice(None), *surroundings(holes, CONTEXT))
    pictures, holes = np.ascontiguousarray(frames[area][..., :3]), holes[area]
    guess = np.stack([softened(*pair) for pair in zip(pictures, holes, strict=True)])
    for rim, paint in ((RIM, softly_painted), (0, painted)):
        guess = recovered(pictures, holes, background_motion(guess, holes, rim, preset), paint)
    answer[area][..., :3][holes] = guess[holes]
    return answer


def softened(picture: Pixels, hole: Holes) -> Pixels:
    """The picture with a smooth hole, which has no motion of its own to be measured."""
    smooth: Pixels = np.rint(smoothed(picture.astype(np.float32), ~hole)).astype(picture.dtype)
    return smooth

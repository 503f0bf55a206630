"""The motion that a fit is held to: classical flow, without the places where it cannot be trusted."""

from __future__ import annotations

from collections.abc import Generator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from moviola.frames import Pixels
from moviola.model import Progress
from moviola.motion import Preset, dense_flow
from moviola.motion.dense import inconsistency

DOUBTFUL = 0.5
"""Pixels between forward and backward flow from which an estimate is not trusted."""


def estimated(frames: Pixels, preset: Preset = "best") -> Generator[Progress, None, NDArray[np.float32]]:
    """From each frame to the next, (T - 1, H, W, 2) in pixels, NaN where forth and back do not agree.

    frames: (T, H, W, 3). Yields after every pair. Raises MissingExtraError without OpenCV.
    """
    count, height, width = frames.shape[:3]
    flows = np.empty((count - 1, height, width, 2), np.float32)
    for index, (here, there) in enumerate(pairwise(frames)):
        forward = dense_flow(here, there, preset=preset)
        doubt = inconsistency(forward, dense_flow(there, here, preset=preset))
        flows[index] = np.where(doubt[..., None] < DOUBTFUL, forward, np.nan)
        yield Progress(index + 1, count - 1, "pairs")
    return flows

"""Classifiers that were trained on one crop and are tested on a larger one, at every place where it fits.

PySlowFast, with which the published figures of SlowFast and X3D were measured, takes means over a window of
the training crop's size, classifies each position, and averages the positions' probabilities.
"""

from __future__ import annotations

import math

from torch import Tensor


def pooled(video: Tensor, window: tuple[int | None, int, int]) -> Tensor:
    """(B, C, T, H, W) → (B, C, t, h, w): means over all windows, with step 1.

    window: (time, height, width); None is all of time. It shrinks to a video that is smaller.
    """
    for axis, side in zip((2, 3, 4), window, strict=True):
        size = video.shape[axis]
        video = video.unfold(axis, size if side is None else min(side, size), 1)
    return video.mean((-3, -2, -1))


def averaged(logits: Tensor) -> Tensor:
    """(B, …, classes) logits of positions → (B, classes), whose softmax is the mean of theirs.

    Logits of a single position, and of positions that are all alike, come out as they are.
    """
    positions = logits.flatten(1, -2)
    level = positions.logsumexp(-1, keepdim=True)
    mean = (positions - level).logsumexp(1) - math.log(positions.shape[1])
    return mean + level.mean(1)

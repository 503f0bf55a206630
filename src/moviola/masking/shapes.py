"""Masks made wider or softer. Importing this module needs OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from moviola.frames import Mask
from moviola.inpaint.background import widened

Opacity = NDArray[np.float32]


def grown(mask: Mask, radius: int) -> Mask:
    """Each mask widened by a disc of so many pixels; as it is where nothing would be left outside of it."""
    if radius == 0:
        return mask
    data = np.empty_like(mask.data)
    for wide, one in zip(data, mask.data, strict=True):
        wide[:] = widened(one, radius)
    return Mask(data, mask.pts_seconds, mask.duration_seconds)


def feathered(mask: Mask, radius: int) -> Opacity:
    """(T, H, W) in 0–1: 1 on what is selected, falling evenly to 0 over `radius` pixels around it."""
    opacity = np.empty(mask.data.shape, np.float32)
    for soft, one in zip(opacity, mask.data, strict=True):
        # Where nothing is selected, OpenCV's distances to it would be of no meaning.
        away = cv2.distanceTransform((~one).astype(np.uint8), cv2.DIST_L2, 5) if one.any() else None
        soft[:] = 0 if away is None else np.clip(1 - away / (radius + 1), 0, 1)
    return opacity

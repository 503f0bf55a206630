"""Pictures with their background taken away. Importing this module needs OpenCV."""

from __future__ import annotations

import numpy as np

from moviola.frames import Pixels
from moviola.inpaint.background import smoothed
from moviola.masking.shapes import Opacity


def made_clear(picture: Pixels, shown: Opacity) -> Pixels:
    """The picture with transparency: (H, W, 3 or 4) uint8 or uint16 → (H, W, 4), straight alpha.

    shown: (H, W) in 0–1; the picture's own alpha is multiplied in. Where alpha is not 0 the colours are the
    picture's own; where it is, they are those of the edge carried on, and black where nothing is seen at all.
    """
    alpha = np.rint(_own(picture) * shown * np.iinfo(picture.dtype).max).astype(picture.dtype)
    seen = alpha > 0
    colours = picture[..., :3]
    if not seen.any():
        colours = np.zeros_like(colours)
    elif not seen.all():
        carried_on = np.rint(smoothed(colours.astype(np.float32), seen)).astype(picture.dtype)
        colours = np.where(seen[..., None], colours, carried_on)
    return np.concatenate([colours, alpha[..., None]], axis=-1)


def laid_over(picture: Pixels, shown: Opacity, colour: tuple[int, int, int], *, white: float = 1.0) -> Pixels:
    """The picture over a colour: (H, W, 3 or 4) uint8 or uint16 → (H, W, 3).

    shown: (H, W) in 0–1; the picture's own alpha is multiplied in. Where both are 1 nothing changes.
    colour: R', G', B' in 0 to 255. white: what white has of full scale; below 1 for HDR.
    """
    ground = np.asarray(colour, np.float32) / 255 * white * np.iinfo(picture.dtype).max
    weight = (_own(picture) * shown)[..., None]
    mixed: Pixels = np.rint(picture[..., :3] * weight + ground * (1 - weight)).astype(picture.dtype)
    return mixed


def _own(picture: Pixels) -> Opacity:
    """The picture's own alpha, (H, W) in 0–1."""
    if picture.shape[-1] == 3:
        return np.ones(picture.shape[:2], np.float32)
    return np.divide(picture[..., 3], np.iinfo(picture.dtype).max, dtype=np.float32)

"""Single pictures that a request names: the first frame, the last frame, a reference."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from moviola.card import Size
from moviola.clip import Clip
from moviola.errors import InputError
from moviola.frames import Pixels


def picture(origin: Any, name: str) -> Image.Image:
    """The first picture of an image, a video, an array or a PIL image, as 8-bit RGB.

    name: the request's field, for messages. Raises InputError, MediaError where it cannot be read.
    """
    return Image.fromarray(pictures(origin, name).source.frames_at([0]).data[0])


def pictures(origin: Any, name: str) -> Clip:
    """All pictures of an image, a folder, a video, an array or a PIL image.

    name: the request's field, for messages. Raises InputError, MediaError where they cannot be read.
    """
    clip = Clip([origin] if isinstance(origin, Image.Image) else _with_time(origin))
    if clip.source.live:
        raise InputError(f"{name}: {clip.source.name} is a live source; give a picture")
    return clip


def _with_time(origin: Any) -> Any:
    """An array of one picture as an array of one frame."""
    return origin[None] if getattr(origin, "ndim", None) == 3 else origin


def fitted(image: Image.Image, size: Size) -> Image.Image:
    """Scaled (Lanczos) to cover `size`, the rest cut off evenly on both sides."""
    if image.size == size:
        return image
    width, height = image.size
    scale = max(size[0] / width, size[1] / height)
    # Rounding may give a little more than there is, which Pillow refuses.
    kept = min(width, size[0] / scale), min(height, size[1] / scale)
    left, top = (width - kept[0]) / 2, (height - kept[1]) / 2
    box = (left, top, left + kept[0], top + kept[1])
    return image.resize(size, Image.Resampling.LANCZOS, box=box)


def feathered(mask: Image.Image) -> NDArray[np.float32]:
    """How much of what was changed is shown, (H, W) in 0 to 1: all under the mask (L, 255 where selected).

    Around it, it fades to nothing over about a fortieth of the shorter side, so that no edge shows.
    """
    reach = max(1, round(min(mask.size) / 80))
    grown = mask.filter(ImageFilter.MaxFilter(2 * reach + 1)).filter(ImageFilter.GaussianBlur(reach / 2))
    shown: NDArray[np.uint8] = np.maximum(np.asarray(grown), np.asarray(mask))
    return np.divide(shown, 255, dtype=np.float32)


def pasted(changed: Pixels, original: Image.Image, shown: NDArray[np.float32]) -> Pixels:
    """A changed picture (H, W, 3) over the original, as far as `shown` (H, W) says."""
    weight = shown[..., None]
    mixed: Pixels = np.rint(np.asarray(original) * (1 - weight) + changed * weight).astype(changed.dtype)
    return mixed

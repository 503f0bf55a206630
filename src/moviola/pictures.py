"""Single pictures that a request names: the first frame, the last frame, a reference."""

from __future__ import annotations

from typing import Any

from PIL import Image

from moviola.card import Size
from moviola.clip import Clip
from moviola.errors import InputError


def picture(origin: Any, name: str) -> Image.Image:
    """The first picture of an image, a video, an array or a PIL image, as 8-bit RGB.

    name: the request's field, for messages. Raises InputError, MediaError where it cannot be read.
    """
    clip = Clip([origin] if isinstance(origin, Image.Image) else _with_time(origin))
    frames = clip.source.frames_at([0]) if not clip.source.live else None
    if frames is None:
        raise InputError(f"{name}: {clip.source.name} is a live source; give a picture")
    return Image.fromarray(frames.data[0])


def _with_time(origin: Any) -> Any:
    """An array of one picture as an array of one frame."""
    return origin[None] if getattr(origin, "ndim", None) == 3 else origin


def fitted(image: Image.Image, size: Size) -> Image.Image:
    """Scaled (Lanczos) to cover `size`, the rest cut off evenly on both sides."""
    if image.size == size:
        return image
    width, height = image.size
    scale = max(size[0] / width, size[1] / height)
    kept = size[0] / scale, size[1] / scale
    left, top = (width - kept[0]) / 2, (height - kept[1]) / 2
    box = (left, top, left + kept[0], top + kept[1])
    return image.resize(size, Image.Resampling.LANCZOS, box=box)

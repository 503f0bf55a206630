"""Pictures as a video: a folder, a printf pattern, a list of files or of PIL images."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import av
import av.error
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from moviola.errors import InputError, MediaError
from moviola.frames import Depth, Frames, Pixels
from moviola.media.array import (
    as_depth,
    checked_indices,
    even_rate,
    even_timeline,
    still_info,
    with_channels,
)
from moviola.media.embed import read_recipe
from moviola.media.info import MediaInfo
from moviola.media.source import R, Timeline, reduced_in_turn

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2"})

Picture = Path | Image.Image


class ImagesSource:
    """Pictures of one size, in natural order (`2.png` before `10.png`); the rest of a folder is ignored.

    origin: `folder/`, `folder/%05d.png`, or a list of paths or PIL images in the order given.
    rate: frames per second; 25 where not given.

    Pixels pass through as they are stored: embedded colour profiles are not applied. Orientation tags of
    cameras are not applied either. Raises InputError where there is no picture.
    """

    def __init__(self, origin: str | Path | Sequence[Any], rate: Any = None) -> None:
        self.live = False
        self.losses: list[str] = []
        self._rate = even_rate(rate)
        if isinstance(origin, str | os.PathLike):
            self.name = str(origin)
            self._pictures: list[Picture] = list(_find(Path(origin)))
        else:
            self.name = "images"
            self._pictures = [_named(picture) for picture in origin]
        if not self._pictures:
            raise InputError(f"{self.name} holds no pictures ({' '.join(sorted(SUFFIXES))})")
        self._first = _load(self._pictures[0])

    def probe(self, *, count: bool = False) -> MediaInfo:
        first = self._first
        recipe = read_recipe(self._pictures[0]) if isinstance(self._pictures[0], Path) else None
        return still_info(
            self.name,
            "images",
            self.timeline(),
            size=(first.shape[1], first.shape[0]),
            depth=first.dtype.itemsize * 8,
            alpha=first.shape[2] == 4,
            rate=self._rate,
            codec=_codec(self._pictures[0]),
            recipe=recipe,
        )

    def timeline(self) -> Timeline:
        return even_timeline(len(self._pictures), self._rate)

    def read(
        self,
        *,
        start: int = 0,
        stop: int | None = None,
        chunk: int = 16,
        depth: Depth = 8,
        alpha: bool = False,
    ) -> Iterator[Frames]:
        wanted = range(len(self._pictures))[start:stop]
        for first in range(0, len(wanted), chunk):
            yield self.frames_at(wanted[first : first + chunk], depth=depth, alpha=alpha)

    def frames_at(
        self, indices: Sequence[int] | NDArray[np.int64], *, depth: Depth = 8, alpha: bool = False
    ) -> Frames:
        wanted = checked_indices(indices, len(self._pictures), self.name)
        height, width = self._first.shape[:2]
        dtype = np.uint8 if depth == 8 else np.uint16
        data: Pixels = np.empty((len(wanted), height, width, 4 if alpha else 3), dtype)
        for place, index in enumerate(wanted):
            data[place] = with_channels(as_depth(self._picture(int(index)), depth), data.shape[3])
        timeline = self.timeline()
        return Frames(data, timeline.pts_seconds[wanted], timeline.duration_seconds[wanted])

    def reduced_at(
        self, indices: Sequence[int] | NDArray[np.int64], reduce: Callable[[Pixels], R]
    ) -> dict[int, R]:
        return reduced_in_turn(self, indices, reduce)

    def _picture(self, index: int) -> Pixels:
        picture = _load(self._pictures[index])
        if picture.shape[:2] != self._first.shape[:2]:
            (height, width), (first_height, first_width) = picture.shape[:2], self._first.shape[:2]
            raise MediaError(
                f"{_name(self._pictures[index])} is {width}×{height}, but the first picture is "
                f"{first_width}×{first_height}; make all of one size"
            )
        return picture


def _find(path: Path) -> list[Path]:
    if re.search(r"%0?\d*d", path.name):
        before, after = re.split(r"%0?\d*d", path.name, maxsplit=1)
        fits = re.compile(f"{re.escape(before)}\\d+{re.escape(after)}")
        folder = path.parent
        names = [file for file in _listed(folder) if fits.fullmatch(file.name)]
    else:
        names = [file for file in _listed(path) if file.suffix.lower() in SUFFIXES]
    return sorted((file for file in names if not file.name.startswith(".")), key=natural)


def _listed(folder: Path) -> list[Path]:
    if not os.path.isdir(folder):
        raise InputError(f"{folder} does not exist or is not a folder")
    return list(folder.iterdir())


def natural(path: Path) -> list[tuple[int, str]]:
    """Order by the numbers in a name as numbers."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part.lower()) for part in parts]


def _named(picture: Any) -> Picture:
    if isinstance(picture, Image.Image):
        return picture
    if isinstance(picture, str | os.PathLike):
        return Path(picture)
    raise InputError(f"a list of {type(picture).__name__} is no video; give paths or PIL images")


def _name(picture: Picture) -> str:
    return str(picture) if isinstance(picture, Path) else "an image"


def _codec(picture: Picture) -> str:
    if isinstance(picture, Path):
        return {"jpg": "mjpeg", "jpeg": "mjpeg"}.get(picture.suffix.lower()[1:], picture.suffix.lower()[1:])
    return "rawvideo"


def _load(picture: Picture) -> Pixels:
    """(H, W, 3 or 4) of uint8 or uint16."""
    if isinstance(picture, Image.Image):
        return pixels_of(picture)
    if not os.path.isfile(picture):
        raise InputError(f"{picture} does not exist")
    try:
        with Image.open(picture) as image:
            if _is_deep_png(picture):
                return _load_deep(picture)
            return pixels_of(image)
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise MediaError(f"{picture} has more than {most:.0f} million pixels; make it smaller") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise MediaError(f"cannot read {picture} as a picture: it is damaged or no image") from error


def pixels_of(image: Image.Image) -> Pixels:
    """A PIL image as (H, W, 3 or 4), uint8, or uint16 for 16-bit grey."""
    if image.mode.startswith("I;16"):
        return with_channels(np.asarray(image, np.uint16)[..., None], 3)
    clear = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
    return np.asarray(image.convert("RGBA" if clear else "RGB"))


def _is_deep_png(path: Path) -> bool:
    """Whether a PNG's header says 16 bits per channel, which Pillow would cut to 8 for colour."""
    with path.open("rb") as file:
        head = file.read(26)
    return head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) == 26 and head[24] == 16


def _load_deep(path: Path) -> Pixels:
    try:
        with av.open(f"file:{path}", format="png_pipe") as container:
            frame = next(container.decode(video=0))
    except (av.error.FFmpegError, StopIteration) as error:
        raise MediaError(f"cannot read {path} as a picture: it is damaged or no image") from error
    clear = any(component.is_alpha for component in frame.format.components)
    return cast(Pixels, frame.to_ndarray(format="rgba64le" if clear else "rgb48le"))

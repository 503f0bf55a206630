"""Animated GIF, WebP and PNG, with the real duration of every frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from moviola.errors import InputError, MediaError
from moviola.frames import Depth, Frames, Pixels
from moviola.media.array import as_depth, checked_indices, still_info, with_channels
from moviola.media.embed import read_recipe
from moviola.media.images import pixels_of
from moviola.media.info import MediaInfo
from moviola.media.source import R, Timeline, reduced_in_turn

_UNTIMED = 100.0
"""Milliseconds that browsers show a frame whose stored duration is zero."""


class AnimationSource:
    """A GIF, WebP or APNG file. A still picture is a video of one frame.

    Raises InputError where the file is missing, MediaError where it is no animation.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = str(path)
        self.live = False
        self.losses: list[str] = []
        self._path = Path(path)
        if not self._path.is_file():
            raise InputError(f"{path} does not exist")
        with self._open() as image:
            self._size = image.size
            self._format = (image.format or "").lower()
            self._count = int(getattr(image, "n_frames", 1))
            self._alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info

    def probe(self, *, count: bool = False) -> MediaInfo:
        return still_info(
            self.name,
            "apng" if self._format == "png" else self._format,
            self.timeline(),
            size=self._size,
            depth=8,
            alpha=self._alpha,
            rate=None,
            codec="apng" if self._format == "png" else self._format,
            tick=Fraction(1, 100 if self._format == "gif" else 1000),
            size_bytes=self._path.stat().st_size,
            recipe=read_recipe(self._path),
        )

    def timeline(self) -> Timeline:
        return self._timeline

    @cached_property
    def _timeline(self) -> Timeline:
        with self._open() as image:
            # WebP tells a frame's duration only once it is decoded.
            milliseconds = [self._show(image, index) for index in range(self._count)]
        ends = np.cumsum([0, *milliseconds]) / 1000
        return Timeline(ends[:-1], np.diff(ends))

    def read(
        self,
        *,
        start: int = 0,
        stop: int | None = None,
        chunk: int = 16,
        depth: Depth = 8,
        alpha: bool = False,
    ) -> Iterator[Frames]:
        wanted = range(self._count)[start:stop]
        with self._open() as image:
            for first in range(0, len(wanted), chunk):
                yield self._frames(image, np.array(wanted[first : first + chunk]), depth, alpha)

    def frames_at(
        self, indices: Sequence[int] | NDArray[np.int64], *, depth: Depth = 8, alpha: bool = False
    ) -> Frames:
        wanted = checked_indices(indices, self._count, self.name)
        distinct, back = np.unique(wanted, return_inverse=True)
        with self._open() as image:
            return self._frames(image, distinct, depth, alpha)[back]

    def reduced_at(
        self, indices: Sequence[int] | NDArray[np.int64], reduce: Callable[[Pixels], R]
    ) -> dict[int, R]:
        return reduced_in_turn(self, indices, reduce)

    def _frames(self, image: Image.Image, indices: NDArray[np.int64], depth: Depth, alpha: bool) -> Frames:
        width, height = self._size
        channels = 4 if alpha else 3
        data: Pixels = np.empty(
            (len(indices), height, width, channels), np.uint8 if depth == 8 else np.uint16
        )
        for place, index in enumerate(indices):
            self._show(image, int(index))
            data[place] = with_channels(as_depth(pixels_of(image), depth), channels)
        return Frames(data, self._timeline.pts_seconds[indices], self._timeline.duration_seconds[indices])

    def _show(self, image: Image.Image, index: int) -> float:
        """Move to a frame; returns its duration in milliseconds."""
        try:
            image.seek(index)
            image.load()
        except (OSError, EOFError, SyntaxError, ValueError) as error:
            raise MediaError(f"{self.name} is damaged at frame {index}") from error
        return float(image.info.get("duration") or _UNTIMED)

    def _open(self) -> Image.Image:
        try:
            return Image.open(self._path)
        except (
            UnidentifiedImageError,
            OSError,
            SyntaxError,
            ValueError,
            Image.DecompressionBombError,
        ) as error:
            raise MediaError(f"cannot read {self.name} as an animation: it is damaged or no image") from error

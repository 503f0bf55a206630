"""Two pictures side by side: brought to one size, seen over a checkerboard where transparent, labelled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from PIL import Image

from moviola.comparison.clock import Clock
from moviola.frames import Depth, Frames, Pixels
from moviola.media.info import VideoTrack
from moviola.overlay import Overlay

_CHUNK = 4
"""Pictures made at once."""

_SQUARES = 45
"""Of the checkerboard, over a picture's height."""

_BRIGHT, _DARK = 0.8, 0.6
"""Greys of the checkerboard, of full scale: those of most image editors."""

_DIVIDER = 0.85
"""Grey of the line between both sides, of full scale."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where two pictures lie that are seen together; all in pixels, which are square.

    width, height: of either side. A picture fills one of them, and lies in the middle of black.
    gap: of the line between both.
    """

    width: int
    height: int
    gap: int

    @classmethod
    def of(cls, before: VideoTrack, after: VideoTrack, *, widest: int) -> Layout:
        """As high as the higher of both, and as wide as the wider one then is.

        widest: of both together; where they are wider, both are scaled down.
        """
        height = max(before.height, after.height)
        width = max(_width(before, height), _width(after, height))
        gap = 2 * max(1, round(min(width, widest // 2) / 640))
        most = (widest - gap) // 4 * 2
        if width > most:
            width, height = most, max(1, round(height * most / width))
        return cls(width, height, gap)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of both together: even, so that any player shows them."""
        return self.shift + _even(self.width), _even(self.height)

    @property
    def shift(self) -> int:
        """How far the right picture lies to the right of the left one."""
        return _even(self.width) + self.gap

    def fitted(self, picture: Pixels, track: VideoTrack) -> Pixels:
        """(height, width, 3) from a picture of this track, (H, W, 3) or (H, W, 4) with straight alpha."""
        wide = _width(track, self.height)
        size = (wide, self.height) if wide <= self.width else (self.width, _height(track, self.width))
        picture = resized(picture, size)
        if picture.shape[2] == 4:
            picture = _over_checkerboard(picture)
        if size == (self.width, self.height):
            return picture
        whole = np.zeros((self.height, self.width, 3), picture.dtype)
        top, left = (self.height - size[1]) // 2, (self.width - size[0]) // 2
        whole[top : top + size[1], left : left + size[0]] = picture
        return whole


def side_by_side(
    left: Iterator[Pixels],
    right: Iterator[Pixels],
    clock: Clock,
    layout: Layout,
    *,
    names: tuple[str, str] | None = None,
    white: float = 1.0,
) -> Iterator[Frames]:
    """Pairs of fitted pictures as frames, a few at a time.

    names: drawn into both sides; None leaves the pictures as they are.
    white: what white graphics have of full scale; below 1 for HDR, where full scale would dazzle.

    Raises OutputError where names are to be drawn and no text can be on this machine.
    """
    overlay = Overlay(white=white)
    for first in range(0, len(clock), _CHUNK):
        part = slice(first, min(first + _CHUNK, len(clock)))
        times = clock.pts_seconds[part], clock.duration_seconds[part]
        sides = [Frames(np.stack(list(islice(side, len(times[0])))), *times) for side in (left, right)]
        if names is not None:
            sides = [overlay.draw(side, (), name) for side, name in zip(sides, names, strict=True)]
        width, height = layout.size
        data = np.zeros((len(times[0]), height, width, 3), sides[0].data.dtype)
        data[:, :, layout.shift - layout.gap : layout.shift] = _level(_DIVIDER * white, sides[0].depth)
        for side, at in zip(sides, (0, layout.shift), strict=True):
            data[:, : layout.height, at : at + layout.width] = side.data
        yield replace(sides[0], data=data)


def resized(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """A picture (H, W, C) at another width and height, in as many bits; the same one where it has them."""
    if picture.shape[1::-1] == size:
        return picture
    if picture.dtype == np.uint8:
        return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
    # Pillow knows no colour of 16 bits, but single planes of floats.
    planes = [
        Image.fromarray(plane.astype(np.float32)).resize(size, Image.Resampling.LANCZOS)
        for plane in np.moveaxis(picture, 2, 0)
    ]
    deep: Pixels = np.rint(np.stack([np.asarray(plane) for plane in planes], axis=2)).clip(0, 65535)
    return deep.astype(np.uint16)


def _over_checkerboard(picture: Pixels) -> Pixels:
    height, width = picture.shape[:2]
    side = max(4, height // _SQUARES)
    rows, columns = np.arange(height)[:, None] // side, np.arange(width) // side
    depth: Depth = 8 if picture.dtype == np.uint8 else 16
    grey = np.where((rows + columns) % 2, _level(_DARK, depth), _level(_BRIGHT, depth))[..., None]
    alpha = picture[..., 3:] / np.float32(_level(1, depth))
    seen: Pixels = np.rint(picture[..., :3] * alpha + grey * (1 - alpha)).astype(picture.dtype)
    return seen


def _level(share: float, depth: Depth) -> int:
    return round(share * (255 if depth == 8 else 65535))


def _width(track: VideoTrack, height: int) -> int:
    """How wide the track's picture is shown at this height."""
    return max(1, round(track.width * track.sample_aspect * height / track.height))


def _height(track: VideoTrack, width: int) -> int:
    return max(1, round(track.height * width / (track.width * track.sample_aspect)))


def _even(length: int) -> int:
    return length + length % 2

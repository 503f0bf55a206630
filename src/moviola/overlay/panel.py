"""A drawn picture laid over a part of every frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from moviola.frames import Depth, Frames, Pixels

GROUND = (14, 16, 20, 184)
"""R, G, B and opacity, 0 to 255: grey enough over any picture to read white text on it."""


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """What becomes of a part of every picture: (pixel · keep + paint) / 2^bits.

    rows, columns: the part; columns count samples, since channels lie side by side.
    keep, paint: (rows, columns), unsigned integers of twice as many bits.
    """

    rows: slice
    columns: slice
    bits: int
    keep: NDArray[np.unsignedinteger]
    paint: NDArray[np.unsignedinteger]

    @classmethod
    def of(
        cls, image: Image.Image, left: int, top: int, *, channels: int, depth: Depth, white: float
    ) -> Panel:
        """An RGBA image at a place in pixels, for pictures of so many channels and bits.

        white: what white has of full scale; below 1 for HDR, where full scale would dazzle.
        """
        wide, full = np.uint16 if depth == 8 else np.uint32, 2**depth - 1
        scale = np.arange(256) / 255
        drawn = np.asarray(image)
        opacity = np.rint(scale * 2**depth).astype(wide)[drawn[..., 3:]].repeat(channels, axis=2)
        # The fourth channel of a picture is painted as opaque as can be, as far as the panel is.
        colour = np.full_like(opacity, full)
        colour[..., :3] = np.rint(scale * white * full).astype(wide)[drawn[..., :3]]
        colour *= opacity
        colour += wide(2 ** (depth - 1))
        keep = np.subtract(2**depth, opacity, dtype=wide)
        return cls(
            slice(top, top + image.height),
            slice(left * channels, (left + image.width) * channels),
            depth,
            keep.reshape(image.height, -1),
            colour.reshape(image.height, -1),
        )

    def over(self, frames: Frames) -> Frames:
        """The same frames with this over them. Alpha rises under it, so it is seen over transparent ones."""
        data = frames.data.copy(order="C")
        self._cover(data)
        return replace(frames, data=data)

    def _cover(self, pictures: Pixels) -> None:
        """Draw into (T, H, W, C), in place."""
        mixed = np.empty_like(self.keep)
        for picture in pictures.reshape(*pictures.shape[:2], -1):
            part = picture[self.rows, self.columns]
            mixed[...] = part
            mixed *= self.keep
            mixed += self.paint
            mixed >>= self.bits
            part[...] = mixed

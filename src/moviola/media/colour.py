"""From stored samples to upright, full-range R'G'B'.

The matrix and the range are the frame's own. Where a stream does not say, FFmpeg's reading holds: BT.601 and
limited range (`yuvj…` formats: full). Transfer and primaries are left as they are: PQ stays PQ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

from moviola.frames import Depth, Pixels
from moviola.media.info import Colour, MediaInfo

# Code points of ITU-T H.273 by FFmpeg's names.
PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
    10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213",
}  # fmt: skip
TRANSFERS = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100",
    10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12",
    16: "smpte2084", 17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
MATRICES = {
    0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc",
    10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c", 14: "ictcp",
}  # fmt: skip
_CONVERTED = {0, 1, 2, 4, 5, 6, 7, 9}
"""Matrices that swscale can convert; 2 is unspecified, which it takes for BT.601."""

# 8 bit: swscale's plain path, the one most tools take, so that frames are comparable bit for bit. It is up to
# 3 codes off where chroma is subsampled; 16 bit, below, is exact.
_FLAGS_8 = Interpolation.BILINEAR
# 16 bit: its plain bilinear path is wrong for rgb48 at odd widths, and rounds coarsely elsewhere.
_FLAGS_16 = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT

_WHITE = {"smpte2084": 0.58, "arib-std-b67": 0.75}
"""White of graphics in HDR, 203 cd/m², of full scale by transfer function (ITU-R BT.2408, table 1)."""


def graphics_white(info: MediaInfo) -> float:
    """What white graphics have of full scale in pictures like these."""
    return _WHITE.get(info.video.colour.transfer or "", 1.0)


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a stored picture is turned upright: first transposed, then flipped."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """From the frame's display matrix, [a b u; c d v; x y w]: x' = ax + cy, y' = bx + dy.

        Angles between the right ones go to the nearest.
        """
        side = cast(Any, frame.side_data).get("DISPLAYMATRIX")
        if side is None:
            return cls()
        a, b, _, c, d = (int(value) for value in np.frombuffer(side, np.int32)[:5])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    @property
    def rotation(self) -> int:
        """Degrees clockwise, after a possible mirroring: 0, 90, 180 or 270."""
        if not self.transpose:
            return 180 if self.flip_y else 0
        return 90 if self.flip_x else 270

    @property
    def mirrored(self) -> bool:
        """Whether left and right of the stored picture are exchanged before it is rotated."""
        return self.flip_x == self.flip_y if self.transpose else self.flip_x != self.flip_y

    def size(self, width: int, height: int) -> tuple[int, int]:
        return (height, width) if self.transpose else (width, height)

    def apply(self, picture: NDArray[Any]) -> NDArray[Any]:
        """A view of (H, W, C) turned upright."""
        if self.transpose:
            picture = picture.swapaxes(0, 1)
        return picture[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


class Painter:
    """Turns decoded frames into pictures of one size. Not for use by two threads at once.

    width, height: as stored; a frame of another size is scaled to it.
    """

    def __init__(self, width: int, height: int, orientation: Orientation, depth: Depth, alpha: bool) -> None:
        self._size = width, height
        self._orientation = orientation
        self._depth = depth
        self._channels = 4 if alpha else 3
        self._format = {8: ("rgb24", "rgba"), 16: ("rgb48le", "rgba64le")}[depth][alpha]
        self._scaler = VideoReformatter()

    def canvas(self, count: int) -> Pixels:
        """Room for so many pictures: (count, H, W, C), uninitialised."""
        width, height = self._orientation.size(*self._size)
        return np.empty((count, height, width, self._channels), np.uint8 if self._depth == 8 else np.uint16)

    def paint(self, frame: VideoFrame, out: Pixels) -> None:
        """Write the frame into `out` (H, W, C)."""
        width, height = self._size
        frame.colorspace = stand_in(frame.colorspace)
        if frame.color_range not in (ColorRange.MPEG, ColorRange.JPEG):
            frame.color_range = ColorRange.UNSPECIFIED
        scaled = self._scaler.reformat(
            frame,
            width,
            height,
            self._format,
            interpolation=_FLAGS_8 if self._depth == 8 else _FLAGS_16,
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        plane = scaled.planes[0]
        rows = np.frombuffer(cast(Any, plane), out.dtype).reshape(-1, plane.line_size // out.itemsize)
        picture = rows[:height, : width * self._channels].reshape(height, width, self._channels)
        np.copyto(out, self._orientation.apply(picture))
        if self._depth == 16 and not is_rgb(frame.format.name):
            full = frame.color_range == ColorRange.JPEG
            _to_full_scale(out[..., :3], bit_depth(frame.format.name) if full else 8)


def _to_full_scale(samples: NDArray[np.uint16], bits: int) -> None:
    """Move swscale's white in 16 bit R'G'B' from Y'CbCr to 65535, in place.

    swscale has white at 255·256, and takes the white of full-range `bits` deep samples to be 255·2^(bits-8)
    where it is 2^bits - 1.
    """
    white = round(255 * 256 * ((1 << bits) - 1) / (255 << (bits - 8)))
    np.minimum(samples, white, out=samples)
    gain = round((65535 / white - 1) * 2**16)
    samples += (samples.astype(np.uint32) * gain >> 16).astype(np.uint16)


def stand_in(matrix: int) -> int:
    """The H.273 code point that a matrix is converted by: its own where swscale knows it.

    Constant-luminance BT.2020 goes by the ordinary one, all others by BT.601.
    """
    if int(matrix) in _CONVERTED:
        return int(matrix)
    return 9 if MATRICES.get(int(matrix)) == "bt2020c" else 2


def colour_of(frame: VideoFrame) -> Colour:
    """The frame's tags by FFmpeg's names."""
    full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    return Colour(
        primaries=PRIMARIES.get(int(frame.color_primaries)),
        transfer=TRANSFERS.get(int(frame.color_trc)),
        matrix=MATRICES.get(int(frame.colorspace))
        if int(frame.colorspace) or is_rgb(frame.format.name)
        else None,
        range="full" if full else "limited" if frame.color_range == ColorRange.MPEG else None,
    )


@lru_cache
def is_rgb(pixel_format: str) -> bool:
    described = VideoFormat(pixel_format)
    return bool(described.is_rgb or described.has_palette)


@lru_cache
def bit_depth(pixel_format: str) -> int:
    """Bits of the deepest channel."""
    described = VideoFormat(pixel_format)
    return 8 if described.has_palette else max(component.bits for component in described.components)


@lru_cache
def has_alpha(pixel_format: str) -> bool:
    described = VideoFormat(pixel_format)
    return bool(described.has_palette) or any(component.is_alpha for component in described.components)

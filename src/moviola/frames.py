"""Frames and masks: arrays that carry the time of every picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from moviola.errors import ModelError

Depth = Literal[8, 16]
"""Bits per channel of pixels in memory: 8 is uint8 in 0–255, 16 is uint16 in 0–65535 (full scale)."""

Pixels = NDArray[Any]
"""uint8 or uint16, full range, sRGB-style R'G'B' or R'G'B'A with straight alpha."""

Seconds = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Timed:
    """An array whose first axis is time, with the start and the length of every picture in seconds."""

    data: NDArray[Any]
    pts_seconds: Seconds
    duration_seconds: Seconds

    def __post_init__(self) -> None:
        for name in ("pts_seconds", "duration_seconds"):
            times = np.asarray(getattr(self, name), dtype=np.float64)
            if times.shape != (len(self.data),):
                raise ValueError(f"{name} has shape {times.shape}, expected ({len(self.data)},)")
            object.__setattr__(self, name, times)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, key: slice | NDArray[Any]) -> Self:
        return type(self)(self.data[key], self.pts_seconds[key], self.duration_seconds[key])

    @property
    def height(self) -> int:
        return int(self.data.shape[1])

    @property
    def width(self) -> int:
        return int(self.data.shape[2])

    @property
    def end_seconds(self) -> float:
        """When the last picture stops being shown."""
        return float(self.pts_seconds[-1] + self.duration_seconds[-1])

    @classmethod
    def concatenate(cls, parts: Iterable[Self]) -> Self:
        """Join in time. A single part is returned as it is, without a copy."""
        parts = list(parts)
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.data for part in parts]),
            np.concatenate([part.pts_seconds for part in parts]),
            np.concatenate([part.duration_seconds for part in parts]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Frames(_Timed):
    """A run of pictures.

    data: (T, H, W, C), C is 3 (RGB) or 4 (RGBA, straight alpha); uint8 in 0–255 or uint16 in 0–65535.
    pts_seconds: (T,) float64, presentation time of each frame on the source's clock.
    duration_seconds: (T,) float64, how long each frame is shown.
    """

    def __post_init__(self) -> None:
        if self.data.ndim != 4 or self.data.shape[3] not in (3, 4):
            raise ValueError(f"frames have shape {self.data.shape}, expected (T, H, W, 3 or 4)")
        if self.data.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"frames are {self.data.dtype}, expected uint8 or uint16")
        _Timed.__post_init__(self)

    @property
    def depth(self) -> Depth:
        return 8 if self.data.dtype == np.uint8 else 16

    @property
    def alpha(self) -> bool:
        return bool(self.data.shape[3] == 4)

    @classmethod
    def empty(cls, height: int, width: int, *, channels: int = 3, depth: Depth = 8) -> Frames:
        dtype = np.uint8 if depth == 8 else np.uint16
        return cls(np.empty((0, height, width, channels), dtype), np.empty(0), np.empty(0))

    def rechunked(self, size: int) -> Iterator[Frames]:
        for first in range(0, len(self), size):
            yield self[first : first + size]


@dataclass(frozen=True, slots=True, eq=False)
class Mask(_Timed):
    """Which pixels are meant: (T, H, W) bool, True where selected."""

    def __post_init__(self) -> None:
        if self.data.ndim != 3 or self.data.dtype != np.bool_:
            raise ValueError(f"a mask is {self.data.dtype} {self.data.shape}, expected bool (T, H, W)")
        _Timed.__post_init__(self)


def quantized(values: NDArray[Any], depth: Depth, *, source: str) -> Pixels:
    """Round a model's float pixels to integers.

    values: floats where 0 is black and 1 is full scale. Rounding noise up to 1/255 outside of [0, 1] is
    clipped; anything beyond it, NaN or infinity is an error, never a black frame.

    Raises ModelError naming `source`.
    """
    if values.size == 0:
        low = high = 0.0
    else:
        low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ModelError(f"{source} produced NaN or infinite pixels; try a wider dtype (float32)")
    if low < -1 / 255 or high > 1 + 1 / 255:
        raise ModelError(f"{source} produced pixels in [{low:.3g}, {high:.3g}], expected [0, 1]")
    top, dtype = (255, np.uint8) if depth == 8 else (65535, np.uint16)
    scaled: Pixels = np.rint(values.clip(0, 1) * top).astype(dtype)
    return scaled

"""Structural similarity: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment" (IEEE TIP 2004).

A Gaussian window of 11 × 11 with deviation 1.5, K1 = 0.01, K2 = 0.03, only where the window lies wholly
inside, at full resolution. On luma (BT.601 weights) as in the paper, or, with channel "rgb", the mean of the
three channels' values. Transparency is not looked at.
"""

from __future__ import annotations

from math import fsum

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from moviola.errors import InputError
from moviola.frames import Frames, Pixels
from moviola.metrics import _pair
from moviola.metrics._pair import LUMA, Channel, check_fit, peak

NAME = "ssim"
UNIT = ""
HIGHER_IS_BETTER = True
REFERENCE = "needed"
MODELS = ()
NEEDS_MODEL = False
SUMMARY = "Structural similarity: 1 for equal pictures, near 0 for unrelated ones, per frame and in the mean."

WINDOW = 11
_K1, _K2, _DEVIATION = 0.01, 0.03, 1.5

_TAPS = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * _DEVIATION**2))
_TAPS = (_TAPS / _TAPS.sum()).astype(np.float32)

_BAND = 32
"""Rows worked on at once: few enough to stay in the processor's cache."""


class Options(_pair.Options):
    channel: Channel = Field("luma", description="luma: brightness alone; rgb: mean of the three channels")


class Ssim:
    def __init__(self, channel: Channel = "luma") -> None:
        self.channel = channel
        self._values: list[float] = []

    def update(self, reference: Frames, candidate: Frames) -> NDArray[np.float64]:
        """The mean over each picture, −1 to 1."""
        check_fit(reference, candidate)
        if min(reference.height, reference.width) < WINDOW:
            size = f"{reference.width}x{reference.height}"
            raise InputError(
                f"ssim looks through a window of {WINDOW}x{WINDOW}; pictures of {size} are too small"
            )
        scale = 1 / peak(reference)
        pairs = zip(reference.data, candidate.data, strict=True)
        values = [self._similarity(a, b, scale) for a, b in pairs]
        self._values += values
        return np.array(values, np.float64)

    def merge(self, other: Ssim) -> None:
        self._values += other._values

    def compute(self) -> float:
        """The mean over all frames.  Raises InputError when no frame was compared."""
        if not self._values:
            raise InputError("ssim has no frames to compare; give two videos with at least one frame")
        return fsum(self._values) / len(self._values)

    def _similarity(self, reference: Pixels, candidate: Pixels, scale: float) -> float:
        planes = zip(self._planes(reference, scale), self._planes(candidate, scale), strict=True)
        values = [similarity(a, b) for a, b in planes]
        return fsum(values) / len(values)

    def _planes(self, picture: Pixels, scale: float) -> list[NDArray[np.float32]]:
        """What is compared, each (H, W) in 0–1."""
        if self.channel == "luma":
            return [picture[..., :3] @ (LUMA * scale).astype(np.float32)]
        return [picture[..., i] * np.float32(scale) for i in range(3)]


def similarity(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Mean SSIM of two planes (H, W) in 0–1."""
    rows = len(a) - WINDOW + 1
    columns = a.shape[1] - WINDOW + 1
    bands = [slice(top, top + _BAND + WINDOW - 1) for top in range(0, rows, _BAND)]
    # Single precision may end a hair above the greatest value there is.
    return min(1.0, fsum(_band_sum(a[band], b[band]) for band in bands) / int(rows * columns))


def _band_sum(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    # Variances do not feel a shift, and float32 keeps them better around zero.
    centre = np.float32((a.mean() + b.mean()) / 2)
    x, y = a - centre, b - centre
    mean_x, mean_y, squares, product = smoothed(np.stack([x, y, x * x + y * y, x * y]))
    variances = squares - mean_x * mean_x - mean_y * mean_y
    covariance = product - mean_x * mean_y
    mean_x, mean_y = mean_x + centre, mean_y + centre
    c1, c2 = np.float32(_K1**2), np.float32(_K2**2)
    above = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    below = (mean_x * mean_x + mean_y * mean_y + c1) * (variances + c2)
    return float((above / below).sum(dtype=np.float64))


def smoothed(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, H, W) under the Gaussian window, where it lies wholly inside: (N, H - 10, W - 10)."""
    return _weighted(_weighted(planes, 1), 2)


def _weighted(planes: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """One axis of the window: opposite taps weigh the same and are added first."""
    size = planes.shape[axis] - WINDOW + 1

    def shifted(by: int) -> NDArray[np.float32]:
        return planes[:, by : by + size] if axis == 1 else planes[:, :, by : by + size]

    total: NDArray[np.float32] = shifted(WINDOW // 2) * _TAPS[WINDOW // 2]
    for tap in range(WINDOW // 2):
        both = shifted(tap) + shifted(WINDOW - 1 - tap)
        both *= _TAPS[tap]
        total += both
    return total


def start(options: Options) -> Ssim:
    return Ssim(options.channel)

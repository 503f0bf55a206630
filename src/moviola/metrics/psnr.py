"""Peak signal-to-noise ratio: 10·log10(peak² / MSE) in dB, peak 255 or 65535.

Two conventions are in use for a whole video. The figure quoted here is the mean of the frames' own values, as
in papers on interpolation and inpainting. `pooled` is the ratio for the mean squared error of all frames
together, as FFmpeg's filter prints; bad frames weigh more there, so it is the lower one where all differ.

A frame without any difference has an infinite ratio. It is reported as such, but the mean is over the others,
so that one repeated frame does not hide all the rest; only where no frame differs is the mean infinite.
Transparency is not looked at.
"""

from __future__ import annotations

from math import fsum, inf, log10

import numpy as np
from numpy.typing import NDArray

from moviola.errors import InputError
from moviola.frames import Frames, Pixels
from moviola.metrics._pair import LUMA, Channel, Options, check_fit, peak

__all__ = ["Options", "Psnr", "start"]

NAME = "psnr"
UNIT = "dB"
HIGHER_IS_BETTER = True
REFERENCE = "needed"
MODELS = ()
NEEDS_MODEL = False
SUMMARY = "Peak signal-to-noise ratio: how small the squared error is, per frame and in the mean."


class Psnr:
    def __init__(self, channel: Channel = "rgb") -> None:
        self.channel = channel
        self._errors: list[float] = []
        """Mean squared error of each frame, as a share of peak²."""

    def update(self, reference: Frames, candidate: Frames) -> NDArray[np.float64]:
        """dB of each frame, infinite where nothing differs."""
        check_fit(reference, candidate)
        scale = peak(reference) ** 2
        pairs = zip(reference.data, candidate.data, strict=True)
        errors = [self._squared_error(a, b) / scale for a, b in pairs]
        self._errors += errors
        return np.array([_decibels(error) for error in errors], np.float64)

    def merge(self, other: Psnr) -> None:
        self._errors += other._errors

    def compute(self) -> float:
        """Mean dB of the frames that differ at all.  Raises InputError when no frame was compared."""
        self._check_any()
        ratios = [_decibels(error) for error in self._errors if error > 0]
        return fsum(ratios) / len(ratios) if ratios else inf

    @property
    def pooled(self) -> float:
        """dB of the mean squared error of all frames together."""
        self._check_any()
        return _decibels(fsum(self._errors) / len(self._errors))

    def _check_any(self) -> None:
        if not self._errors:
            raise InputError("psnr has no frames to compare; give two videos with at least one frame")

    def _squared_error(self, reference: Pixels, candidate: Pixels) -> float:
        signal = reference[..., :3].astype(np.float64)
        signal -= candidate[..., :3]
        if self.channel == "luma":
            signal = signal @ LUMA
        return float(np.square(signal, out=signal).mean())


def _decibels(error: float) -> float:
    return -10 * log10(error) if error > 0 else inf


def start(options: Options) -> Psnr:
    return Psnr(options.channel)

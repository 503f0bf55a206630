"""Whether frame times follow a constant rate, and which."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


def constant_rate(pts: NDArray[np.int64], time_base: Fraction, hints: Sequence[Fraction]) -> Fraction | None:
    """The rate, in frames per second, on whose grid all times lie, to the time base's rounding; None if none.

    pts: (N,) ascending, in `time_base` seconds.
    hints: rates to try before those that the times themselves suggest.
    """
    if len(pts) < 2:
        return hints[0] if hints else None
    ticks = int(pts[-1] - pts[0])
    measured = Fraction(len(pts) - 1) / (ticks * time_base)
    elapsed = pts - pts[0]
    for rate in (*hints, _nearest_usual(measured), measured):
        step = 1 / (rate * time_base)
        grid = np.arange(len(pts), dtype=np.int64) * step.numerator / step.denominator
        # The first time may be rounded as well as the one compared with it.
        if bool((np.abs(elapsed - grid) <= 1.0 + 1e-6).all()):
            return rate
    return None


def _nearest_usual(rate: Fraction) -> Fraction:
    """The nearest rate that is a whole number, or one of the NTSC family's n·1000/1001."""
    whole = Fraction(max(1, round(rate)))
    ntsc = Fraction(max(1, round(rate * 1001 / 1000)) * 1000, 1001)
    return min(whole, ntsc, key=lambda usual: abs(usual - rate))

"""Calm labels from restless probabilities: smoothing over time, and a threshold to enter and one to leave."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp

import numpy as np
from numpy.typing import NDArray


class Smooth:
    """An exponential average over time, whatever the distance between two looks.

    seconds: its time constant: what was seen that long ago weighs 1/e. 0 smooths nothing.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._mean: NDArray[np.float64] | None = None
        self._at = 0.0

    def add(self, probabilities: NDArray[np.float32], at: float) -> NDArray[np.float64]:
        """Take in a look (classes,) at a time in seconds; returns the average, which sums to 1 as they do."""
        new = probabilities.astype(np.float64)
        if self._mean is None or self._seconds == 0:
            self._mean = new
        else:
            kept = exp(-max(0.0, at - self._at) / self._seconds)
            self._mean = kept * self._mean + (1 - kept) * new
        self._at = at
        return self._mean


class Hold:
    """Which class is shown: one enters at `enter` and stays until it falls below `leave`."""

    def __init__(self, enter: float, leave: float) -> None:
        self._enter, self._leave = enter, leave
        self._shown: int | None = None

    def show(self, probabilities: Mapping[int, float]) -> int | None:
        """The class to show now, None for none."""
        if self._shown is not None and probabilities[self._shown] < self._leave:
            self._shown = None
        best = max(probabilities, key=probabilities.__getitem__)
        if probabilities[best] >= self._enter:
            self._shown = best
        return self._shown

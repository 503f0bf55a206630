"""One number that makes a classifier's probabilities believable: the temperature of its softmax.

Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, 2017 (arXiv 1706.04599), section 4.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]

_RANGE = (0.05, 20.0)
"""Temperatures that are looked at."""

_ROUNDS = 60
"""Of the golden section: enough for more digits than matter."""


def probabilities(logits: Logits, clips: NDArray[np.int64], temperature: float) -> NDArray[np.float64]:
    """Of every clip: the mean over its views of the softmax at a temperature.

    logits: (views, classes). clips: (views,), whose each view is, from 0 on without a gap.
    Returns (clips, classes).
    """
    scaled = logits.astype(np.float64) / temperature
    shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    sums = np.zeros((int(clips.max()) + 1, logits.shape[1]))
    np.add.at(sums, clips, shares)
    mean: NDArray[np.float64] = sums / np.bincount(clips)[:, None]
    return mean


def cross_entropy(shares: NDArray[np.float64], targets: NDArray[np.int64]) -> float:
    """Mean negative log-likelihood, in nats. shares: (n, classes). targets: (n,)."""
    right = shares[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(right, np.finfo(np.float64).tiny)).mean())


def temperature(logits: Logits, clips: NDArray[np.int64], targets: NDArray[np.int64]) -> float:
    """The temperature at which the likelihood of held-out clips is greatest.

    Where all clips are right, no temperature would be low enough. So the truth is taken to be less than
    certain, as Platt (1999) does for his scaling: a clip is of its class with probability (n + 1) / (n + 2),
    n the number of clips, and of any other with an equal share of the rest.

    logits, clips: as for `probabilities`. targets: (clips,).
    """
    count, classes = len(targets), logits.shape[1]
    wrong = 1 / (count + 2) / max(1, classes - 1)
    truth = np.full((count, classes), wrong)
    truth[np.arange(count), targets] = (count + 1) / (count + 2)

    def loss(power: float) -> float:
        shares = probabilities(logits, clips, float(np.exp(power)))
        return float(-(truth * np.log(np.maximum(shares, 1e-300))).sum())

    low, high = np.log(_RANGE)
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(_ROUNDS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))

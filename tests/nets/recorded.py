"""Recorded outputs of the authors' implementations, and the random weights both sides were given.

A recording is a JSON file in `recorded/`:

    from      repository, commit and class that was run
    config    arguments of our network
    keys      name → shape of every entry of its checkpoint, under the authors' names
    input     name and shape of the clip, (B, 3, T, H, W)
    output    (B, classes), what the authors' implementation gave

Weights and clips are drawn from their names alone, so that neither has to be stored.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).parent / "recorded"


def noise(name: str, shape: Sequence[int]) -> np.ndarray:
    """Normal noise, float32, the same for the same name and shape everywhere.

    `RandomState` is the one generator whose stream NumPy promises never to change (NEP 19).
    """
    drawn = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(tuple(shape))
    return drawn.astype(np.float32)


def clip(name: str, shape: Sequence[int]) -> torch.Tensor:
    """An already normalised clip (B, 3, T, H, W)."""
    return torch.from_numpy(noise(name, shape))


def checkpoint(keys: Mapping[str, Sequence[int]]) -> dict[str, torch.Tensor]:
    """Random weights for every entry, of a size that keeps activations near 1 and no part without effect."""
    return {name: torch.from_numpy(np.asarray(_values(name, shape))) for name, shape in keys.items()}


def _values(name: str, shape: Sequence[int]) -> np.ndarray:
    last = name.rsplit(".", 1)[-1]
    if last == "num_batches_tracked" or last.endswith("_index"):
        return np.zeros(tuple(shape), np.int64)
    drawn = noise(name, shape)
    if last == "running_var":
        return 0.5 + np.abs(drawn)
    if len(shape) < 2:
        return 1 + 0.1 * drawn if last == "weight" else 0.1 * drawn
    return drawn * np.float32(max(0.02, np.prod(shape[1:]) ** -0.5))


def recording(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text())


def difference(ours: torch.Tensor, theirs: Any) -> float:
    """Greatest difference, relative to the greatest value: what a test holds to 1e-4."""
    expected = torch.tensor(theirs, dtype=torch.float64)
    return float((ours.double() - expected).abs().max() / expected.abs().max())

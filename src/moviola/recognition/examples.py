"""What a fit learns from and is measured with: clips as pictures, or what a frozen network makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from moviola.recognition.views import Views, varied

Batch = NDArray[Any]
"""Views side by side: pictures (B, T, h, w, 3) uint8, or features (B, D) float32."""


class Examples(Protocol):
    """Clips with their classes.

    targets: (n,), the class of each clip.
    """

    @property
    def targets(self) -> NDArray[np.int64]: ...

    def one(self, clip: int, random: np.random.Generator) -> NDArray[Any]:
        """A view to learn from: another one each time."""
        ...

    def every(self, clip: int) -> Batch:
        """All views to be measured with."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Clips as a network sees them.

    views: of which `one` takes crops, so that they are `roomy` in training. flip: mirror half of these.
    """

    targets: NDArray[np.int64]
    paths: Sequence[Path]
    views: Views
    crop: tuple[int, int]
    flip: bool = False

    def one(self, clip: int, random: np.random.Generator) -> NDArray[Any]:
        held = self.views.of(self.paths[clip])
        return varied(held[random.integers(len(held))], self.crop, random, flip=self.flip)

    def every(self, clip: int) -> Batch:
        return self.views.of(self.paths[clip])


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Clips as a frozen network's features of their views. rows: (V, D) float32 for each clip."""

    targets: NDArray[np.int64]
    rows: Sequence[NDArray[np.float32]]

    def one(self, clip: int, random: np.random.Generator) -> NDArray[Any]:
        row: NDArray[np.float32] = self.rows[clip][random.integers(len(self.rows[clip]))]
        return row

    def every(self, clip: int) -> Batch:
        return self.rows[clip]


def shuffled(
    examples: Examples, size: int, random: np.random.Generator
) -> Iterator[tuple[Batch, NDArray[np.int64]]]:
    """Every clip once in any order: even batches of `size` at most, views and their classes."""
    order = random.permutation(len(examples.targets))
    for some in np.array_split(order, -(-len(order) // size)):
        views = np.stack([examples.one(int(clip), random) for clip in some])
        yield views, examples.targets[some]


def in_order(examples: Examples, size: int) -> Iterator[tuple[Batch, NDArray[np.int64]]]:
    """All views of every clip: batches of about `size` views, and the clip that each is of."""
    views: list[Batch] = []
    clips: list[int] = []
    for clip in range(len(examples.targets)):
        views.append(examples.every(clip))
        clips += [clip] * len(views[-1])
        if len(clips) >= size or clip == len(examples.targets) - 1:
            yield np.concatenate(views), np.array(clips)
            views, clips = [], []

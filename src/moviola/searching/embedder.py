"""What puts videos and texts into one space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from moviola.card import ModelCard
from moviola.frames import Pixels

if TYPE_CHECKING:
    import torch


class Embedder(Protocol):
    """A network that embeds looks at videos, and texts. Embeddings are float32 rows of length 1."""

    card: ModelCard
    """`card.embedding` says how it is fed."""
    device: torch.device

    def fit(self, picture: Pixels) -> NDArray[np.uint8]:
        """Scale a picture (H, W, 3) to what the network takes, (h, w, 3). Several threads may call it."""
        ...

    def videos(self, looks: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed looks (B, frames, h, w, 3); returns (B, width)."""
        ...

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts; returns (len(texts), width)."""
        ...

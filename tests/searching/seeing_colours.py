"""An embedder that sees nothing but colour, and clips that show one colour after the other."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from moviola.card import Embedding, ModelCard
from moviola.clip import Clip
from moviola.tasks import request
from moviola.tasks.understanding import Search

COLOURS = {
    "red": (1.0, 0.1, 0.1),
    "green": (0.1, 1.0, 0.1),
    "blue": (0.1, 0.1, 1.0),
    "yellow": (1.0, 1.0, 0.1),
    "grey": (0.8, 0.8, 0.8),
}

RATE = 10


def painted(path: Path, *scenes: tuple[str, float]) -> Path:
    """A clip of scenes (colour, seconds): a texture in that colour, at RATE frames a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(len(scenes))
    pictures = []
    for colour, seconds in scenes:
        grain = random.uniform(0.4, 1, (12, 16, 1)).repeat(4, 0).repeat(4, 1)
        picture = (255 * grain * COLOURS[colour]).astype(np.uint8)
        pictures += [picture] * round(seconds * RATE)
    Clip(np.stack(pictures), rate=RATE).save(path, overwrite=True)
    return path


def length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


class Colours:
    """Embeds the mean colour of a look, and of a text the colour it names."""

    def __init__(self, name: str = "colours", frames: int = 3, seconds: float = 2.0) -> None:
        facts = Embedding(
            frames=frames,
            size=(8, 6),
            mean=(0, 0, 0),
            std=(1, 1, 1),
            width=3,
            text_tokens=8,
            temperature=0.01,
            seconds=seconds,
        )
        self.card = ModelCard(id=name, tasks=("search",), summary=".", licence=".", embedding=facts)
        self.device = torch.device("cpu")
        self.fitted = 0
        self.batches: Counter[int] = Counter()

    def fit(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        self.fitted += 1
        return picture[::8, ::8]  # a view: the decoder paints the next picture into the same place

    def videos(self, looks: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert looks.shape[1:] == (self.card.embedding.frames, 6, 8, 3)
        self.batches[len(looks)] += 1
        return length(looks.mean(axis=(1, 2, 3)).astype(np.float32))

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return length(np.array([COLOURS[text] for text in texts], np.float32))


def asked(folder: Path, text: str, **fields) -> Search:
    return request(Search, {"folder": folder, "text": text, "model": "colours"} | fields)

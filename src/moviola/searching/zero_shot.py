"""Recognition by labels that nobody trained for: a classifier made of texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.frames import Pixels
from moviola.media.source import R, Source
from moviola.model import Events
from moviola.recognition import files
from moviola.recognition.recognizer import Recognizer
from moviola.searching.local import LocalEmbedder, as_recognition
from moviola.tasks import Recognize

PROMPTS = (
    "a photo of action {}",
    "a picture of action {}",
    "Human action of {}",
    "{}, an action",
    "{} this is an action",
    "{}, a video of action",
    "Playing action of {}",
    "{}",
    "Playing a kind of action, {}",
    "Doing a kind of action, {}",
    "Look, the human is {}",
    "Can you recognize the action of {}?",
    "Video classification of {}",
    "A video of {}",
    "The man is {}",
    "The woman is {}",
)
"""What is said of a label in the authors' test: OpenGVLab/InternVideo@3965eef, InternVideo2/multi_modality,
dataset/text_prompt.py, after ActionCLIP (Wang et al., arXiv 2109.08472)."""


class _ByTexts(nn.Module):
    """A video encoder with texts as its classifier.

    texts: (classes, D) float32, kept so whatever the network computes in: a difference of 0.001 in similarity
    is one of 10 % in probability.
    """

    def __init__(self, network: Any, texts: Tensor) -> None:
        super().__init__()
        self.network = network
        self.texts = texts

    def forward(self, video: Tensor) -> Tensor:
        """video (B, 3, T, H, W), normalised → (B, classes) similarities"""
        seen = nn.functional.normalize(self.network.encode_video(video).float(), dim=-1)
        return seen @ self.texts.T


class _Fitted:
    """A source whose pictures come in the size that a network takes, scaled by `fit`."""

    def __init__(self, source: Source, fit: Callable[[Pixels], NDArray[np.uint8]]) -> None:
        self._source, self._fit = source, fit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def reduced_at(
        self, indices: Sequence[int] | NDArray[np.int64], reduce: Callable[[Pixels], R]
    ) -> dict[int, R]:
        return self._source.reduced_at(indices, lambda picture: reduce(self._fit(picture)))


def recognize(embedder: LocalEmbedder, request: Recognize, clips: Sequence[Clip]) -> Events:
    """Say which of the request's labels fits videos best; else as `recognition.files.recognize`.

    Raises RequestError without at least two labels to choose from, and for crops, as pictures are seen whole.
    """
    names = _labels(embedder, request)
    if request.views is not None and request.views[1] != 1:
        clips_of_test, crops = request.views
        raise RequestError(
            f"{embedder.card.id} sees whole pictures, without crops; "
            f"give views as {clips_of_test}x1, not {clips_of_test}x{crops}"
        )
    card = embedder.card.model_copy(update={"recognition": as_recognition(embedder.facts, names)})
    texts = torch.from_numpy(classifier(embedder, names)).to(embedder.device)
    recognizer = Recognizer(
        card,
        _ByTexts(embedder.network, texts),
        device=str(embedder.device),
        dtype=embedder.dtype,
        fuse=False,
    )
    seen = [Clip(_Fitted(clip.source, embedder.fit)) for clip in clips]
    yield from files.recognize(recognizer, request.model_copy(update={"labels": None}), seen)


def classifier(embedder: LocalEmbedder, names: Sequence[str]) -> NDArray[np.float32]:
    """(labels, D): the mean of the embeddings of all that `PROMPTS` say of a label.

    A similarity to it is the mean of those to the texts, as in the authors' test; so its length is not 1.
    """
    told = embedder.texts([prompt.format(name) for name in names for prompt in PROMPTS])
    means: NDArray[np.float32] = told.reshape(len(names), len(PROMPTS), -1).mean(axis=1)
    return means


def _labels(embedder: LocalEmbedder, request: Recognize) -> list[str]:
    """The request's labels, each once, whatever its case."""
    by_name: dict[str, str] = {}
    for label in request.labels or ():
        by_name.setdefault(label.strip().lower(), label.strip())
    names = [name for name in by_name.values() if name]
    if len(names) < 2:
        given = f"there is only {names[0]!r}" if names else "there are none"
        raise RequestError(
            f"{embedder.card.id} has no labels of its own: name at least two to choose from, {given}"
        )
    return names

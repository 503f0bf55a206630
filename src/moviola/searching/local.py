"""What embeds videos and texts on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from moviola.card import Embedding, ModelCard, Recognition
from moviola.errors import ModelError
from moviola.frames import Pixels
from moviola.model import Context, Events, Setup
from moviola.recognition.build import State
from moviola.recognition.checkpoint import fill, read
from moviola.recognition.placing import place
from moviola.recognition.prepare import normalised
from moviola.recognition.unfilled import unfilled
from moviola.tasks import Recognize, Search

if TYPE_CHECKING:
    from moviola.tasks import Task

Tokenize = Callable[[Sequence[str], int], tuple[Tensor, Tensor]]
"""Texts, and the most tokens of one → ids and mask, (N, L) int64 each; the mask is 0 behind a text."""

_TEXTS = 64
"""Texts in one pass."""


@dataclass(frozen=True, slots=True)
class Build:
    """What a family of embedders knows of its networks.

    network: with random weights, from `card.network`. It has
        encode_video(video) → (B, D), video (B, 3, T, H, W) normalised floats;
        encode_text(ids, mask) → (N, D).
    names: what the files of a published checkpoint hold, together under the network's own names; entries the
        network does not have are left out.
    tokenize: from the folder of the tokenizer's files, which a card names last among its weights.
    """

    network: Callable[[ModelCard], nn.Module]
    names: Callable[[ModelCard, Sequence[State]], State]
    tokenize: Callable[[Path], Tokenize]


class LocalEmbedder:
    """An `Embedder` with its network in eval mode, on `device`, in `dtype`."""

    def __init__(
        self, card: ModelCard, network: nn.Module, tokenize: Tokenize, *, device: str, dtype: torch.dtype
    ) -> None:
        assert card.embedding is not None, f"{card.id} is no embedder"
        self.card = card
        self.facts: Embedding = card.embedding
        self.device, self.dtype = torch.device(device), dtype
        self.network: Any = network.eval().to(self.device, dtype)
        self._tokenize = tokenize
        self._seen = as_recognition(self.facts)

    @classmethod
    def read_from(cls, card: ModelCard, setup: Setup, build: Build) -> LocalEmbedder:
        """From the folders of a checkpoint; one that a user names holds all of it. Raises InputError."""
        plan = setup.plan or place(card)
        *networks, tokenizer = setup.folders
        if setup.own or not networks:
            states = [read(tokenizer)[0]]
        else:
            parts = zip(networks, card.weights, strict=False)
            states = [read(folder, weights.files)[0] for folder, weights in parts]
        dtype: torch.dtype = getattr(torch, plan.dtype)
        with unfilled():
            # Rounded before it is filled: two copies of the larger ones would not fit.
            network = build.network(card).to(dtype)
        fill(network, build.names(card, states), card, setup.folders[0])
        return cls(card, network, build.tokenize(tokenizer), device=plan.device, dtype=dtype)

    def fit(self, picture: Pixels) -> NDArray[np.uint8]:
        """Both sides are scaled freely, between the sixteen nearest pixels and without smoothing first.

        As `torchvision.transforms.Resize` did with tensors in the authors' version of it (0.14), to 1/255.
        """
        scaled = picture
        if picture.shape[1::-1] != self.facts.size:
            scaled = cv2.resize(picture, self.facts.size, interpolation=cv2.INTER_CUBIC)
        if scaled.dtype == np.uint16:
            scaled = cv2.convertScaleAbs(scaled, alpha=1 / 257)
        fitted: NDArray[np.uint8] = scaled
        return fitted

    @torch.inference_mode()
    def videos(self, looks: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raises ModelError where memory runs out on a single look, or the numbers are not finite."""
        try:
            pictures = torch.from_numpy(looks).to(self.device)
            return self._unit(self.network.encode_video(normalised(pictures, self._seen, self.dtype)))
        except torch.OutOfMemoryError:
            if len(looks) == 1:
                raise ModelError(
                    f"{self.device} has too little memory for one look of {self.card.id}; try --device cpu"
                ) from None
        half = len(looks) // 2
        return np.concatenate([self.videos(looks[:half]), self.videos(looks[half:])])

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Raises ModelError where the numbers are not finite."""
        rows = [np.empty((0, self.facts.width), np.float32)]
        for first in range(0, len(texts), _TEXTS):
            ids, mask = self._tokenize(texts[first : first + _TEXTS], self.facts.text_tokens)
            rows.append(self._unit(self.network.encode_text(ids.to(self.device), mask.to(self.device))))
        return np.concatenate(rows)

    def run(self, request: Task, options: Any, context: Context) -> Events:
        """Search, or recognize by labels; the last event is a `Result`. Raises MoviolaError."""
        if isinstance(request, Search):
            from moviola.searching.finding import search

            return search(self, request, context)
        if isinstance(request, Recognize):
            from moviola.searching.zero_shot import recognize

            return recognize(self, request, context.clips)
        raise TypeError(f"an embedder does not {type(request).__name__}")

    def _unit(self, embeddings: Tensor) -> NDArray[np.float32]:
        rows = nn.functional.normalize(embeddings.float(), dim=-1)
        if not torch.isfinite(rows).all():
            raise ModelError(f"{self.card.id} gave NaN or infinite numbers in {self.dtype}; try float32")
        unit: NDArray[np.float32] = rows.cpu().numpy()
        return unit


def as_recognition(facts: Embedding, names: Sequence[str] = ()) -> Recognition:
    """The same facts as those of a recognizer with these classes.

    Its frames are one of each equal part of a video, of those that have so many at most one frame away from
    the part's middle, which the authors take.
    """
    return Recognition(
        labels=None,
        names=tuple(names),
        classes=len(names),
        protocol="internvideo2",
        frames=facts.frames,
        short_side=None,
        crop=facts.size,
        mean=facts.mean,
        std=facts.std,
        temperature=facts.temperature,
    )

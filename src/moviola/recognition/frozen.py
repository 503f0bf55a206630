"""What a frozen network makes of clips, computed once and kept."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from moviola.errors import ModelError
from moviola.recognition.prepare import normalised
from moviola.recognition.recognizer import Recognizer
from moviola.recognition.views import Arrays, Picture, Views, name_of


class Frozen:
    """The features of clips, (V, D) float32 each; may be asked by several threads at once.

    While one thread computes, others decode.
    """

    def __init__(
        self, recognizer: Recognizer, views: Views, kept: Arrays, origin: str, *, flip: bool = False
    ) -> None:
        """origin: tells the network's weights from all others. flip: add mirrored views, 2V in all."""
        self._recognizer, self._views, self._kept = recognizer, views, kept
        self._network: Any = recognizer.network
        self._facts = (origin, str(recognizer.dtype), flip)
        self._flip = flip
        self._computing = Lock()

    def of(self, path: Path) -> NDArray[np.float32]:
        """Raises InputError for a clip that cannot be read, ModelError where memory runs out."""
        name = name_of(self._views.name(path), *self._facts)
        held = self._kept.get(name)
        if held is not None:
            return np.array(held)
        pictures = self._views.of(path)
        if self._flip:
            pictures = np.concatenate([pictures, pictures[:, :, :, ::-1]])
        with self._computing:
            made = self._features(pictures)
        self._kept.put(name, made)
        return made

    @torch.inference_mode()
    def _features(self, pictures: Picture) -> NDArray[np.float32]:
        recognizer = self._recognizer
        rows = []
        try:
            for view in pictures:
                # A view that is mapped from disk cannot be written to, which torch warns of.
                taken = torch.from_numpy(np.array(view)[None]).to(recognizer.device)
                video = normalised(taken, recognizer.facts, recognizer.dtype)
                rows.append(self._network.features(video)[0].float().cpu().numpy())
        except torch.OutOfMemoryError:
            raise ModelError(
                f"{recognizer.device} has too little memory for one view of {recognizer.card.id}; "
                "try --device cpu"
            ) from None
        return np.stack(rows)

"""A loaded recognizer: prepared pictures in, probabilities out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from moviola.card import ModelCard, Recognition
from moviola.errors import InputError, ModelError
from moviola.model import Context, Events, Setup
from moviola.recognition import labels
from moviola.recognition.build import Build
from moviola.recognition.checkpoint import fill, read
from moviola.recognition.placing import place
from moviola.recognition.prepare import normalised
from moviola.recognition.unfilled import unfilled
from moviola.tasks import Recognize, Watch

if TYPE_CHECKING:
    from moviola.tasks import Task

Probabilities = NDArray[np.float32]
"""(…, classes), each row sums to 1."""


class Recognizer:
    """A network with everything that is needed to feed it and to read its answers.

    facts: how it is fed. network: in eval mode, on `device`, in `dtype`. names: of its classes.
    """

    def __init__(
        self, card: ModelCard, network: nn.Module, *, device: str, dtype: torch.dtype, fuse: bool = True
    ) -> None:
        """fuse: whether batch normalization may be folded into the convolutions before it."""
        assert card.recognition is not None, f"{card.id} is no recognizer"
        self.card = card
        self.facts: Recognition = card.recognition
        self.device, self.dtype = torch.device(device), dtype
        self.names = names_of(card)
        network.eval()
        fused = getattr(network, "fused", None) if fuse else None
        self.network: nn.Module = (network if fused is None else fused()).to(self.device, dtype)

    @classmethod
    def read(cls, card: ModelCard, setup: Setup, build: Build) -> Recognizer:
        """From a checkpoint's folder or file. Raises InputError."""
        (where,) = setup.folders
        if setup.own:
            card = build.adapted(card, where)
        plan = setup.plan or place(card)
        state, own = read(where, () if setup.own else card.weights[0].files)
        with unfilled():
            network = build.network(card)
        fill(network, state if own else build.names(card, state), card, where)
        if setup.trainable:
            return cls(card, network, device="cpu", dtype=torch.float32, fuse=False)
        return cls(card, network, device=plan.device, dtype=getattr(torch, plan.dtype))

    @torch.inference_mode()
    def probabilities(self, views: NDArray[np.uint8]) -> Probabilities:
        """Of every view. views: (B, T, h, w, 3), prepared. Returns (B, classes).

        Raises ModelError where the network gives no finite numbers.
        """
        video = normalised(torch.from_numpy(views).to(self.device), self.facts, self.dtype)
        return self.judged(self.network(video))

    def stream(self) -> Stream:
        """A stream from its beginning, for a causal model."""
        return Stream(self)

    def judged(self, logits: Tensor) -> Probabilities:
        """The softmax of logits (B, classes) at the card's temperature."""
        shares = torch.softmax(logits.float() / self.facts.temperature, dim=-1).cpu().numpy()
        if not np.isfinite(shares).all():
            raise ModelError(f"{self.card.id} gave NaN or infinite numbers in {self.dtype}; try float32")
        found: Probabilities = shares
        return found

    def run(self, request: Task, options: Any, context: Context) -> Events:
        """Recognize or watch; the last event is a `Result`. Raises MoviolaError."""
        if isinstance(request, Recognize):
            from moviola.recognition.files import recognize

            return recognize(self, request, context.clips)
        if isinstance(request, Watch):
            from moviola.recognition.live import watch

            return watch(self, request, context.clip, context.audience)
        raise TypeError(f"a recognizer does not {type(request).__name__}")


class Stream:
    """A causal recognizer at work on a stream: every picture is computed once.

    The average over time reaches back as far as the model saw in training, and fades from there on: the
    published one is over all there ever was, and would hardly move after an hour.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._network: Any = recognizer.network
        self._state: Any = None

    @torch.inference_mode()
    def push(self, pictures: NDArray[np.uint8]) -> Probabilities:
        """The next pictures (T, h, w, 3), prepared. Returns the probabilities (classes,) after the last."""
        recognizer = self._recognizer
        views = torch.from_numpy(pictures[None]).to(recognizer.device)
        video = normalised(views, recognizer.facts, recognizer.dtype)
        logits, self._state = self._network.step(video, self._state)
        self._state = self._network.faded(self._state, recognizer.facts.frames)
        found: Probabilities = recognizer.judged(logits)[0]
        return found


def names_of(card: ModelCard) -> tuple[str, ...]:
    """The names of a card's classes, by the network's outputs. Raises InputError for a wrong number."""
    facts = card.recognition
    assert facts is not None
    if facts.names:
        names = facts.names
    elif facts.labels is not None:
        names = labels.names(facts.labels)
    else:
        names = tuple(f"class {index}" for index in range(facts.classes))
    if len(names) != facts.classes:
        source = facts.labels or "the list of names"
        raise InputError(f"{card.id} has {facts.classes} classes, but {source} has {len(names)} labels")
    return names

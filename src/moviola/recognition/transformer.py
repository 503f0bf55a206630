"""Video classifiers of the library transformers as networks of the house."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.activations import GELUActivation

from moviola.nets.pointwise import PointwiseLinear, quickened

_THEIR_HEAD, _OUR_HEAD = "classifier.", "head."

_MODEL = "model."
"""Before all else that transformers names."""


class Classifier(nn.Module):
    """A video classifier of transformers that takes a video and gives logits, features and its head.

    model: transformers' own, whose classifier is taken out, so that what it calls logits are the features.
    size: (frames, height, width) of the only videos it takes: transformers' classes keep them in their
        configuration, and some would take another size for theirs without a word.
    head_dropout: share of the features that training leaves out before the classifier.
    bgr: whether the weights were trained on pictures that begin with blue; the video is RGB either way.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        size: tuple[int, int, int],
        *,
        head_dropout: float = 0.0,
        bgr: bool = False,
    ) -> None:
        super().__init__()
        head: Any = model.classifier
        model.classifier = nn.Identity()
        self.model: Any = model
        self.head: nn.Linear = head
        self.dropout = nn.Dropout(head_dropout)
        self.size, self.bgr = size, bgr

    def features(self, video: Tensor) -> Tensor:
        """(B, 3, T, H, W) → (B, D). Raises ValueError for a video of another size."""
        if tuple(video.shape[2:]) != self.size:
            raise ValueError(f"the network takes videos of {self.size}, not {tuple(video.shape[2:])}")
        if self.bgr:
            video = video.flip(1)
        features: Tensor = self.model(video.transpose(1, 2)).logits
        return features

    def forward(self, video: Tensor) -> Tensor:
        """(B, 3, T, H, W) → (B, classes)."""
        logits: Tensor = self.head(self.dropout(self.features(video)))
        return logits

    def fused(self) -> Classifier:
        """The same network, from now on for inference alone: biases and activations join linear layers."""
        quickened(self)
        for module in self.modules():
            # transformers' feed-forward layers have one activation, after the linear layer named before it.
            before: tuple[str, PointwiseLinear] | None = None
            for name, child in list(module.named_children()):
                if isinstance(child, PointwiseLinear):
                    before = name, child
                elif isinstance(child, GELUActivation) and before is not None:
                    setattr(module, before[0], PointwiseLinear(before[1], "gelu"))
                    setattr(module, name, nn.Identity())
        return self


def ours(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Entries under transformers' names → under those of `Classifier`."""
    return {
        _OUR_HEAD + name.removeprefix(_THEIR_HEAD) if name.startswith(_THEIR_HEAD) else _MODEL + name: tensor
        for name, tensor in state.items()
    }


def theirs(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The other way: entries of a `Classifier` under transformers' names."""
    return {
        _THEIR_HEAD + name.removeprefix(_OUR_HEAD)
        if name.startswith(_OUR_HEAD)
        else name.removeprefix(_MODEL): tensor
        for name, tensor in state.items()
    }

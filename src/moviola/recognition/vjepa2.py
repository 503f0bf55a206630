"""V-JEPA 2's classifiers: an attentive probe on an encoder that never saw a label (arXiv 2506.09985)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from transformers import VJEPA2Config, VJEPA2ForVideoClassification
from transformers.models.vjepa2.modeling_vjepa2 import VJEPA2AttentivePooler

from moviola.recognition.transformer import Classifier, ours

_PREDICTOR = "vjepa2.predictor."
"""Half of the pretraining, and of no use afterwards; the checkpoints on the Hub carry it all the same."""


class Probed(Classifier):
    """An encoder whose tokens a probe gathers into one.

    levels: after which layers of the encoder its tokens go to the probe, from 0; the last alone where empty.
    """

    def __init__(
        self, model: VJEPA2ForVideoClassification, size: tuple[int, int, int], levels: Sequence[int]
    ) -> None:
        super().__init__(model, size)
        self.levels = frozenset(levels or (model.config.num_hidden_layers - 1,))

    def features(self, video: Tensor) -> Tensor:
        """(B, 3, T, H, W) → (B, D).

        T: the frames of one clip, or of several one after another: each is encoded for itself, and the probe
        looks at all of them at once, as in the authors' test. Raises ValueError for another T, H or W.
        """
        frames, *_ = self.size
        batch, _, length, *area = video.shape
        if length % frames or tuple(area) != self.size[1:]:
            raise ValueError(f"the network takes clips of {self.size}, not {(length, *area)}")
        clips = video.unflatten(2, (-1, frames)).transpose(1, 2).flatten(0, 1)
        tokens = self._tokens(clips.transpose(1, 2))
        features: Tensor = self.model.pooler(tokens.unflatten(0, (batch, -1)).flatten(1, 2))
        return features

    def _tokens(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) → (B, tokens of all levels, D), normalised."""
        encoder = self.model.vjepa2.encoder
        tokens, levels = encoder.embeddings(clips), []
        for depth, layer in enumerate(encoder.layer):
            tokens, _ = layer(tokens)
            if depth in self.levels:
                levels.append(encoder.layernorm(tokens))
        return torch.cat(levels, 1)


def network(
    *,
    classes: int,
    frames: int,
    size: tuple[int, int],
    probe_heads: int | None = None,
    probe_norm_eps: float | None = None,
    levels: Sequence[int] = (),
    **fields: Any,
) -> Probed:
    """With random weights, for clips of `frames` and `size` (height, width).

    probe_heads, probe_norm_eps: of the probe; as the encoder's where None, which is all that transformers can
    say. levels: see `Probed`. fields: of transformers' VJEPA2Config. Raises ValueError for videos that are
    not square.
    """
    height, width = size
    if width != height:
        raise ValueError(f"transformers' V-JEPA 2 takes square videos, not {width}x{height}")
    shape = {"num_labels": classes, "frames_per_clip": frames, "crop_size": width}
    rest = {"pred_num_hidden_layers": 0, "attn_implementation": "sdpa"}
    model: Any = VJEPA2ForVideoClassification(VJEPA2Config(**fields | shape | rest))
    del model.vjepa2.predictor
    if probe_heads is not None or probe_norm_eps is not None:
        probe = deepcopy(model.config)
        probe.num_attention_heads = probe_heads or probe.num_attention_heads
        probe.layer_norm_eps = probe_norm_eps or probe.layer_norm_eps
        model.pooler = VJEPA2AttentivePooler(probe)
    return Probed(model, (frames, height, width), levels)


def names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Entries of transformers' checkpoints under the network's names."""
    return ours({name: tensor for name, tensor in state.items() if not name.startswith(_PREDICTOR)})

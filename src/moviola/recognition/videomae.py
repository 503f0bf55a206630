"""VideoMAE's classifier, of both generations: a plain vision transformer on tubes of patches.

Tong et al., arXiv 2203.12602; Wang et al., arXiv 2303.16727.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

from moviola.nets.drop_path import growing
from moviola.nets.layouts import renamed
from moviola.recognition.transformer import Classifier, ours, theirs

_AUTHORS = (
    ("patch_embed.proj.", "videomae.embeddings.patch_embeddings.projection."),
    ("blocks.", "videomae.encoder.layer."),
    (".norm1.", ".layernorm_before."),
    (".norm2.", ".layernorm_after."),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
    (".attn.proj.", ".attention.output.dense."),
    (".attn.", ".attention.attention."),
    ("head.", "classifier."),
)
"""Parts of names in the authors' own files, and in transformers."""

_BIASES = ((".q_bias", ".query.bias"), (".v_bias", ".value.bias"))
"""As the authors and the checkpoints on the Hub have them, and as transformers does since its version 5."""

_FUSED, _SPLIT = ".qkv.weight", (".query.weight", ".key.weight", ".value.weight")


def network(
    *,
    classes: int,
    frames: int,
    size: tuple[int, int],
    drop_path: float = 0.0,
    head_dropout: float = 0.0,
    head_norm_eps: float = 1e-5,
    **fields: Any,
) -> Classifier:
    """With random weights, for videos of `frames` and `size` (height, width).

    drop_path: of the last layer, in training. head_norm_eps: of the normalization before the classifier,
    which transformers does not let its configuration say. fields: of transformers' VideoMAEConfig.
    """
    height, width = size
    # transformers computes its table of positions number by number, which takes seconds: here a single row.
    one = {
        "image_size": fields.get("patch_size", VideoMAEConfig.patch_size),
        "num_frames": fields.get("tubelet_size", VideoMAEConfig.tubelet_size),
    }
    config = VideoMAEConfig(**fields | one | {"num_labels": classes, "attn_implementation": "sdpa"})
    model: Any = VideoMAEForVideoClassification(config)
    config.image_size, config.num_frames = [height, width], frames
    embeddings = model.videomae.embeddings
    patches = embeddings.patch_embeddings
    down, across = patches.patch_size
    patches.image_size = (height, width)
    patches.num_patches = (frames // patches.tubelet_size) * (height // down) * (width // across)
    del embeddings.position_embeddings
    table = positions(patches.num_patches, config.hidden_size)
    embeddings.register_buffer("position_embeddings", table, persistent=False)
    if model.fc_norm is not None:
        model.fc_norm.eps = head_norm_eps
    layers = model.videomae.encoder.layer
    for layer, drop in zip(layers, growing(drop_path, len(layers)), strict=True):
        # The last thing of either branch before it is added.
        layer.attention.output.dropout = layer.output.dropout = drop
    return Classifier(model, (frames, height, width), head_dropout=head_dropout)


def positions(count: int, width: int) -> Tensor:
    """(1, count, width): sines and cosines in turn, wavelengths from 2π to 10000·2π (Vaswani et al. 2017)."""
    channel = np.arange(width)
    angles = np.arange(count)[:, None] / 10000 ** (2 * (channel // 2) / width)
    table = np.where(channel % 2 == 0, np.sin(angles), np.cos(angles))
    return torch.from_numpy(table.astype(np.float32))[None]


def names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Entries of the authors' files, or of transformers' old and new ones, under the network's names.

    The authors keep the projections to queries, keys and values in one matrix, in this order, with biases
    for queries and values alone.
    """
    split: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.endswith(_FUSED):
            whole = name.removesuffix(_FUSED)
            split |= {whole + part: rows for part, rows in zip(_SPLIT, tensor.chunk(3), strict=True)}
        else:
            split[name] = tensor
    return ours(renamed(split, (*_AUTHORS, *_BIASES)))


def on_the_hub(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The network's entries as the checkpoints on the Hub have them."""
    return renamed(theirs(state), _reversed(_BIASES))


def by_the_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The network's entries as the authors' own files have them."""
    split = renamed(theirs(state), _reversed((*_AUTHORS, *_BIASES)))
    held: dict[str, Tensor] = {}
    for name, tensor in split.items():
        if name.endswith(_SPLIT[0]):
            whole = name.removesuffix(_SPLIT[0])
            held[whole + _FUSED] = torch.cat([split[whole + part] for part in _SPLIT])
        elif not name.endswith(_SPLIT):
            held[name] = tensor
    return held


def _reversed(pairs: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return [(new, old) for old, new in reversed(pairs)]

"""TimeSformer's classifier: each patch attends along time, then within its frame (arXiv 2102.05095)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import TimesformerConfig, TimesformerForVideoClassification
from transformers.models.timesformer.modeling_timesformer import TimesformerSelfAttention

from moviola.nets.drop_path import growing
from moviola.nets.layouts import renamed
from moviola.recognition.transformer import Classifier, ours, theirs

_AUTHORS = (
    ("norm.", "timesformer.layernorm."),
    ("patch_embed.proj.", "timesformer.embeddings.patch_embeddings.projection."),
    ("cls_token", "timesformer.embeddings.cls_token"),
    ("pos_embed", "timesformer.embeddings.position_embeddings"),
    ("time_embed", "timesformer.embeddings.time_embeddings"),
    ("blocks.", "timesformer.encoder.layer."),
    (".norm1.", ".layernorm_before."),
    (".norm2.", ".layernorm_after."),
    (".temporal_norm1.", ".temporal_layernorm."),
    (".temporal_fc.", ".temporal_dense."),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
    ("attn.qkv.", "attention.attention.qkv."),
    ("attn.proj.", "attention.output.dense."),
    ("head.", "classifier."),
)
"""Parts of names in the authors' own files, after `_MODEL`, and in transformers."""

_MODEL = "model."


class _Attention(nn.Module):
    """What transformers computes step by step, in one fused step: less memory, and faster."""

    def __init__(self, theirs: TimesformerSelfAttention) -> None:
        super().__init__()
        self.qkv, self.heads, self.dropout = theirs.qkv, theirs.num_heads, theirs.attn_drop.p

    def forward(self, tokens: Tensor, output_attentions: bool = False) -> tuple[Tensor]:
        """tokens: (B, N, D). Returns (tokens,); the weights of attention are not kept."""
        query, key, value = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        attended = scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        return (attended.transpose(1, 2).flatten(2),)


def network(
    *,
    classes: int,
    frames: int,
    size: tuple[int, int],
    drop_path: float = 0.0,
    bgr: bool = False,
    **fields: Any,
) -> Classifier:
    """With random weights, for videos of `frames` and `size` (height, width).

    drop_path: of the last layer, in training. bgr: whether the weights expect blue first. fields: of
    transformers' TimesformerConfig. Raises ValueError for videos that are not square.
    """
    height, width = size
    if width != height:
        raise ValueError(f"transformers' TimeSformer takes square videos, not {width}x{height}")
    shape = {"num_labels": classes, "num_frames": frames, "image_size": width}
    model: Any = TimesformerForVideoClassification(TimesformerConfig(**fields | shape))
    layers = model.timesformer.encoder.layer
    for layer, drop in zip(layers, growing(drop_path, len(layers)), strict=True):
        layer.drop_path = drop
        layer.attention.attention = _Attention(layer.attention.attention)
        if hasattr(layer, "temporal_attention"):
            layer.temporal_attention.attention = _Attention(layer.temporal_attention.attention)
    return Classifier(model, (frames, height, width), bgr=bgr)


def names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Entries of the authors' files, or of transformers', under the network's names."""
    plain = {name.removeprefix(_MODEL): tensor for name, tensor in state.items()}
    return ours(renamed(plain, _AUTHORS) if "patch_embed.proj.weight" in plain else plain)


def by_the_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The network's entries as the authors' own files have them."""
    back = [(new, old) for old, new in reversed(_AUTHORS)]
    return {_MODEL + name: tensor for name, tensor in renamed(theirs(state), back).items()}

"""InternVideo2's vision encoder beside a text encoder, in one space (Wang et al., arXiv 2403.15377).

Names of entries are the authors' own, so far as they are used: `InternVideo2_CLIP_small` and
`InternVideo2_Stage2_visual` of OpenGVLab/InternVideo@3965eef, InternVideo2/multi_modality.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from moviola.nets.internvideo2 import Encoder
from moviola.nets.mobileclip import TextEncoder


class DistilledClip(nn.Module):
    """A distilled encoder, brought into the space of MobileCLIP's texts.

    vision: arguments of `Encoder`. text: of `TextEncoder`.
    """

    def __init__(self, vision: Mapping[str, Any], text: Mapping[str, Any]) -> None:
        super().__init__()
        self.vision_encoder = Encoder(**vision)
        self.text_encoder = TextEncoder(**text)
        pooled = self.vision_encoder.clip_projector.cross_attn.proj.out_features
        out = self.text_encoder.projection_layer.shape[1]
        self.vision_align = nn.Sequential(nn.LayerNorm(pooled), nn.Linear(pooled, out))

    def encode_video(self, video: Tensor) -> Tensor:
        """video (B, 3, T, H, W), normalised → (B, D)"""
        embedding: Tensor = self.vision_align(self.vision_encoder.pooled(video))
        return embedding

    def encode_text(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids, mask (N, L); texts end with the highest id, so no mask is needed → (N, D)"""
        embedding: Tensor = self.text_encoder(ids)
        return embedding


class Stage2(nn.Module):
    """The encoder and the first layers of BERT, trained together.

    vision: arguments of `Encoder`. text: takes `input_ids` and `attention_mask` and gives what has a
    `last_hidden_state` (N, L, text_width), the first of which stands for the text.
    out: numbers of an embedding.
    """

    def __init__(self, vision: Mapping[str, Any], text: nn.Module, text_width: int, out: int) -> None:
        super().__init__()
        self.vision_encoder = Encoder(**vision)
        self.text_encoder = text
        self.vision_proj = nn.Linear(self.vision_encoder.clip_projector.cross_attn.proj.out_features, out)
        self.text_proj = nn.Linear(text_width, out)

    def encode_video(self, video: Tensor) -> Tensor:
        """video (B, 3, T, H, W), normalised → (B, D)"""
        embedding: Tensor = self.vision_proj(self.vision_encoder.pooled(video))
        return embedding

    def encode_text(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids, mask (N, L), 0 where a text has ended → (N, D)"""
        hidden: Tensor = self.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        embedding: Tensor = self.text_proj(hidden[:, 0])
        return embedding

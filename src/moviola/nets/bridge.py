"""From a video to what a language model is shown of it, by way of a Q-Former."""

from __future__ import annotations

from torch import Tensor, nn

from moviola.nets.qformer import QFormer


class Bridge(nn.Module):
    """A vision encoder, a norm, a Q-Former and a projection, as in VideoChat2 (arXiv 2311.17005).

    encoder: (B, 3, T, H, W) → (B, N, seen). seen: its width. told: that of the language model.
    """

    def __init__(self, encoder: nn.Module, qformer: QFormer, *, seen: int, told: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.norm = nn.LayerNorm(seen, eps=1e-12)
        self.qformer = qformer
        self.proj = nn.Linear(qformer.queries.shape[-1], told)

    def forward(self, video: Tensor, text: Tensor) -> Tensor:
        """video (B, 3, T, H, W), normalised, text (L,) token ids → (B, queries, told)"""
        features: Tensor = self.proj(self.qformer(self.norm(self.encoder(video)), text))
        return features

"""Small early looks at latents: averaged to few pixels, so that decoding them costs next to nothing."""

from __future__ import annotations

from typing import Any

import torch

MOST = 32
"""Latents along the longer side of a look: 256 pixels where the codec's stride is 8."""


def pooled(latents: torch.Tensor) -> torch.Tensor:
    """(B, C, T, h, w) averaged over space to at most `MOST` latents a side."""
    by = -(-max(latents.shape[-2:]) // MOST)
    return torch.nn.functional.avg_pool3d(latents.float(), (1, by, by)) if by > 1 else latents.float()


def decoded(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Latents in the codec's own scale, (1, C, T, h, w) → pictures (T, H, W, 3) in 0 to 1."""
    video: torch.Tensor = vae.decode(latents.to(vae.device, vae.dtype), return_dict=False)[0]
    return (video[0].permute(1, 2, 3, 0).float() / 2 + 0.5).clamp(0, 1)

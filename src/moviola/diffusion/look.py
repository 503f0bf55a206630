"""Small early looks at latents: averaged to few pixels, so that decoding them costs next to nothing."""

from __future__ import annotations

from typing import Any

import torch

MOST = 32
"""Latents along the longer side of a look: 256 pixels where the codec's stride is 8."""


def pooled(latents: torch.Tensor, *, most: int = MOST, least: int = 1) -> torch.Tensor:
    """(B, C, T, h, w) averaged over space to at most `most` latents a side, as long as `least` are left."""
    by = min(-(-max(latents.shape[-2:]) // most), min(latents.shape[-2:]) // least)
    return torch.nn.functional.avg_pool3d(latents.float(), (1, by, by)) if by > 1 else latents.float()


def decoded(vae: Any, latents: torch.Tensor, *further: Any) -> torch.Tensor:
    """Latents in the codec's own scale, (1, C, T, h, w) → pictures (T, H, W, 3) in 0 to 1.

    further: what else the codec's `decode` takes.
    """
    video: torch.Tensor = vae.decode(latents.to(vae.device, vae.dtype), *further, return_dict=False)[0]
    return (video[0].permute(1, 2, 3, 0).float() / 2 + 0.5).clamp(0, 1)


def decoded_each(vae: Any, latents: torch.Tensor, *further: Any) -> torch.Tensor:
    """The same for a codec whose batch is the frames, one picture each."""
    each = latents[0].transpose(0, 1).to(vae.device, vae.dtype)
    pictures: torch.Tensor = vae.decode(each, *further, return_dict=False)[0]
    return (pictures.permute(0, 2, 3, 1).float() / 2 + 0.5).clamp(0, 1)

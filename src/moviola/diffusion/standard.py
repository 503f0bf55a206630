"""Latents in the scale that denoisers work in: every channel with mean 0 and about the same deviation.

A codec says each channel's own mean and deviation (`latents_mean`, `latents_std`), in its configuration (Wan,
Mochi) or among its weights (LTX), and some a common `scaling_factor` on top.
"""

from __future__ import annotations

from typing import Any

import torch


def standardised(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Latents as the codec makes them, (B, C, T, h, w) → as the denoiser has them, float32."""
    mean, deviation = _spread(vae, latents)
    return (latents.float() - mean) / deviation


def restored(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """The way back: latents as the denoiser has them → as the codec reads them, float32."""
    mean, deviation = _spread(vae, latents)
    return latents.float() * deviation + mean


def _spread(vae: Any, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    is_weight = "latents_mean" in dict(vae.named_buffers(recurse=False))
    holder = vae if is_weight else vae.config
    mean, deviation = (
        torch.as_tensor(values).to(latents.device, torch.float32).view(1, -1, 1, 1, 1)
        for values in (holder.latents_mean, holder.latents_std)
    )
    return mean, deviation / vae.config.get("scaling_factor", 1.0)

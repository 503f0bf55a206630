"""Latents in the scale that Wan's denoisers work in: every channel with mean 0 and deviation 1.

The codec's configuration says each channel's own mean and deviation (`latents_mean`, `latents_std`).
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
    mean, deviation = torch.tensor([vae.config.latents_mean, vae.config.latents_std]).to(latents.device)
    return mean.view(1, -1, 1, 1, 1), deviation.view(1, -1, 1, 1, 1)

"""How much noise a scheduler's latents hold, for every kind of schedule in one form.

At each level, latents are x = scale · clean + sigma · noise:

    flow matching           scale = 1 − σ        sigma = σ
    variance preserving     scale = √ᾱ           sigma = √(1 − ᾱ)
    variance exploding      scale = 1            sigma = σ
"""

from __future__ import annotations

from typing import Any

Level = tuple[float, float]
"""scale, sigma"""

CLEAN: Level = (1.0, 0.0)


def level(scheduler: Any, step: int) -> Level:
    """The level of the latents that go into step `step` (0-based); after the last step they are clean."""
    if step >= len(scheduler.timesteps):
        return CLEAN
    config = scheduler.config
    is_flow = "flow" in type(scheduler).__name__.lower() or config.get("use_flow_sigmas", False)
    sigmas = getattr(scheduler, "sigmas", None)
    if is_flow and sigmas is not None:
        sigma = float(sigmas[step])
        if config.get("invert_sigmas", False):
            sigma = 1 - sigma
        return 1 - sigma, sigma
    if "alphas_cumprod" in vars(scheduler) and not _explodes(scheduler):
        alpha = float(scheduler.alphas_cumprod[int(scheduler.timesteps[step])])
        return alpha**0.5, (1 - alpha) ** 0.5
    if sigmas is not None:
        return 1.0, float(sigmas[step])
    raise TypeError(f"{type(scheduler).__name__} keeps neither sigmas nor alphas")


def _explodes(scheduler: Any) -> bool:
    """Whether a scheduler that knows alphas works on unscaled latents all the same, as Euler's methods do."""
    return "Euler" in type(scheduler).__name__


def noised(clean: Any, noise: Any, at: Level) -> Any:
    """Clean latents brought to a level."""
    scale, sigma = at
    return clean * scale + noise * sigma


def denoised(before: Any, after: Any, at: Level, to: Level) -> Any:
    """What latents look like without their noise, from two levels of one deterministic path.

    Both are scale · clean + sigma · noise with the same noise; two equations, solved for the clean part.
    """
    (a1, s1), (a2, s2) = at, to
    below = s1 * a2 - s2 * a1
    return after if abs(below) < 1e-6 else (after * s1 - before * s2) / below

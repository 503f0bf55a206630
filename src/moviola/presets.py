"""Words that bring a prompt to a look. Used only where a request names one; the words used are told."""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """What is added to a prompt, and to its negative."""

    prompt: str
    negative: str


PRESETS = {
    "cinematic": Words(
        "cinematic film in motion, shallow depth of field, natural light, slow steady camera, 35mm film",
        "amateur footage, overexposed, shaky camera, low resolution, compression artifacts",
    ),
    "documentary": Words(
        "documentary footage, realistic, natural colours, handheld camera, sharp detail",
        "cartoon, illustration, oversaturated, artificial light",
    ),
    "animation": Words(
        "hand-drawn 2D animation, clean lines, flat colours, smooth motion",
        "photograph, realistic, film grain, noise",
    ),
    "macro": Words(
        "macro shot, extreme close-up, fine detail, soft background, slow motion",
        "wide shot, blurry subject, noise",
    ),
}


def worded(preset: str | None, prompt: str | None, negative: str | None) -> tuple[str | None, str | None]:
    """Prompt and negative prompt with a preset's words behind them."""
    if preset is None:
        return prompt, negative
    words = PRESETS[preset]
    return _joined(prompt, words.prompt), _joined(negative, words.negative)


def _joined(said: str | None, more: str) -> str:
    return f"{said.rstrip(' .,')}, {more}" if said else more

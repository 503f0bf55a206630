"""Clips of plain colours: what is to be seen in them can be said."""

from pathlib import Path

import numpy as np

from moviola.clip import Clip
from moviola.frames import Frames
from moviola.media.write import write

RATE = 10
COLOURS = {"red": (200, 20, 20), "green": (20, 160, 20), "blue": (20, 20, 200)}


def coloured(path: Path, *scenes: tuple[str, float], size: tuple[int, int] = (64, 48)) -> Clip:
    """Scenes of (colour, seconds), each with a texture of its own so that cuts are cuts."""
    random = np.random.default_rng(0)

    def pictures():
        start = 0.0
        for name, seconds in scenes:
            texture = random.integers(-40, 41, (6, 8, 1)).repeat(8, axis=0).repeat(8, axis=1)
            picture = np.clip(np.array(COLOURS[name]) + texture, 0, 255).astype(np.uint8)
            picture = picture[: size[1], : size[0]]
            for _ in range(round(seconds * RATE)):
                yield Frames(picture[None], np.array([start]), np.array([1 / RATE]))
                start = round(start + 1 / RATE, 6)

    write(pictures(), path)
    return Clip(path)

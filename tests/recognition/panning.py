"""Clips that differ in nothing but where the camera goes, and a small network that can learn to tell."""

from pathlib import Path

import numpy as np

from moviola import registry, weights
from moviola.film import film
from moviola.models import x3d
from moviola.nets.x3d import published
from moviola.recognition import tiny
from moviola.stage import Motion, Scene, Shot

CLASSES = {"left": -1, "right": 1}


def filmed(folder: Path, grounds: range) -> Path:
    """A folder per class, with a clip of each ground: 10 frames of 56 × 56 pixels."""
    for label, side in CLASSES.items():
        (folder / label).mkdir(parents=True)
        for ground in grounds:
            random = np.random.default_rng((ground, side + 1))
            camera = Motion(velocity=(side * random.uniform(25, 60), random.uniform(-20, 20)))
            scene = Scene((Shot(0.4, ground=ground, camera=camera),), size=(56, 56))
            film(scene, folder / label / f"{ground}.mkv", sound=False, codec="ffv1")
    return folder


def base(folder: Path) -> Path:
    """The folder of a random checkpoint of a small X3D, with its own card."""
    folder.mkdir()
    _, card = registry.find("x3d-xs")
    facts = {"frames": 8, "stride": 1, "fps": None, "short_side": 48, "crop": (48, 48)}
    network = {
        "depths": (1, 2, 2),
        "widths": (12, 24, 32),
        "features": 64,
        "window": (8, 2, 2),
        "dropout": 0.1,
    }
    made = tiny.saved(card, folder, x3d.network, recognition=facts, arguments=network, published=published)
    weights.write_own_card(made, folder)
    return folder

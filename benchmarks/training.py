"""Whether training works: a small X3D from random weights learns to tell eight camera motions apart.

    python benchmarks/training.py [--clips N] [--held N] [--epochs N]

Clips are rendered: a camera that pans, zooms or spins, slowly or fast, over a ground with figures that go
their own ways. Every ground is seen once under each motion, so that nothing but the motion tells classes
apart; the held-out clips have grounds and figures of their own. Then come the steps a user takes: `moviola
train recognizer --scratch`, and `moviola measure accuracy` of the result, which must agree with what training
said of it. Where the model lies on a shelf of its own, nothing of the user's is touched.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

import moviola
from moviola import registry, weights
from moviola.film import film
from moviola.models import x3d
from moviola.nets.x3d import published
from moviola.recognition import tiny
from moviola.stage import Motion, Scene, Shape, Shot, Sprite
from record import record

SIDE = 80
"""Pixels of a clip; the network sees 64 of them."""

FACTS = {"frames": 8, "stride": 2, "fps": 25.0, "short_side": 64, "crop": (64, 64)}
NETWORK = {"depths": (1, 2, 2, 1), "widths": (12, 24, 32, 48), "features": 96, "window": (8, 2, 2)}

PANS = {"pan left": (-1, 0), "pan right": (1, 0), "pan up": (0, -1), "pan down": (0, 1)}
CLASSES = (*PANS, "zoom in", "zoom out", "spin clockwise", "spin counterclockwise")
SHAPES: tuple[Shape, ...] = ("disc", "square", "star")


def camera(label: str, random: np.random.Generator) -> Motion:
    """A motion of a class: its speed differs by a factor of three, and so does where it begins."""
    speed = random.uniform(0.5, 1.5)
    place = {"position": tuple(random.uniform(-200, 200, 2)), "turn": random.uniform(-8, 8)}
    if label in PANS:
        x, y = PANS[label]
        return Motion(**place, velocity=(40 * speed * x, 40 * speed * y))
    if label.startswith("zoom"):
        # A camera that grows sees more.
        return Motion(**place, growth=float(np.exp((0.7 if label == "zoom out" else -0.7) * speed)))
    return Motion(**place, spin=(50 if label == "spin clockwise" else -50) * speed)


def figures(random: np.random.Generator, around: tuple[float, float]) -> tuple[Sprite, ...]:
    """None, one or two small figures that go anywhere."""
    return tuple(
        Sprite(
            shape=SHAPES[random.integers(3)],
            radius=random.uniform(5, 9),
            colour=tuple(random.uniform(0.2, 1, 3)),
            motion=Motion(
                position=tuple(np.add(around, random.uniform(-30, 30, 2))),
                velocity=tuple(random.uniform(-30, 30, 2)),
                spin=random.uniform(-90, 90),
            ),
            seed=int(random.integers(1000)),
        )
        for _ in range(random.integers(3))
    )


def rendered(folder: Path, grounds: range) -> Path:
    """A folder per class, with a clip of each ground: 18 frames at 25 a second."""
    for number, label in enumerate(CLASSES):
        (folder / label).mkdir(parents=True)
        for ground in grounds:
            random = np.random.default_rng((number, ground))
            motion = camera(label, random)
            shot = Shot(0.72, ground=ground, camera=motion, sprites=figures(random, motion.position))
            film(Scene((shot,), size=(SIDE, SIDE)), folder / label / f"{ground}.mp4", sound=False)
    return folder


def architecture(folder: Path) -> Path:
    """A checkpoint's folder whose card says how the network is built; its weights are not read."""
    folder.mkdir()
    _, card = registry.find("x3d-xs")
    made = tiny.saved(card, folder, x3d.network, recognition=FACTS, arguments=NETWORK, published=published)
    weights.write_own_card(made, folder)
    return folder


def measured(folder: Path, clips: int, held: int, epochs: int) -> dict[str, Any]:
    os.environ["MOVIOLA_HOME"] = str(folder / "home")
    began = time.monotonic()
    learn_from = rendered(folder / "clips", range(clips))
    held_out = rendered(folder / "held", range(10_000, 10_000 + held))
    filmed = time.monotonic() - began
    processor = time.process_time()
    result = moviola.train(
        "recognizer",
        learn_from,
        model="x3d-xs",
        weights=architecture(folder / "base"),
        name="camera-motions",
        scratch=True,
        validation=held_out,
        epochs=epochs,
        learning_rate=0.004,
        batch=16,
        views=1,
        device="cpu",
    )
    processor = time.process_time() - processor
    scores = moviola.measure(
        "accuracy",
        held_out,
        model="camera-motions",
        output=folder / "accuracy.csv",
        device="cpu",
        views="1x1",
    )
    assert abs(100 * scores.top1 - result.top1) < 1e-9, "training and recognizing disagree"
    for epoch in result.history:
        print(epoch.number, f"{epoch.loss:.3f} {epoch.held_loss:.3f} {epoch.held_top1:.1f} %", flush=True)
    _, card = registry.find("camera-motions")
    return {
        "model": "X3D of 1+2+2+1 blocks from random weights",
        "parameters": card.parts[0].parameters,
        "classes": len(CLASSES),
        "clips": result.clips,
        "held_out": result.held_out,
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "top1_percent": round(result.top1, 2),
        "calibration_error": round(scores.calibration_error, 4),
        "temperature": round(result.temperature, 3),
        "rendering_s": round(filmed, 1),
        "training_s": round(result.elapsed_seconds, 1),
        "training_cpu_s": round(processor, 1),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[2], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clips", type=int, default=80, help="of each class, to learn from")
    parser.add_argument("--held", type=int, default=25, help="of each class, held out")
    parser.add_argument("--epochs", type=int, default=24)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        row = measured(Path(folder), asked.clips, asked.held, asked.epochs)
    print(record("training", [row], ("torch", "av", "numpy")))
    print(row)


if __name__ == "__main__":
    main()

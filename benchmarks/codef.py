"""What CoDeF makes of a small clip on this machine's processor: how near, how fast, and where edits go.

    python benchmarks/codef.py [--steps N] [--seed N]

Clips are rendered, 16 frames of 96×64: a turning camera over a still ground; and a disc that crosses such a
ground, as one field of everything, and as the disc alone by its true mask. Each is fitted with the true flow
and with flow estimated from the pictures. Then a dot is painted on the picture, at the place of a point of
the middle frame, and sought in all rendered frames; and the point is carried to them. Errors are against the
true motion, in pixels, where the point is to be seen.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from moviola.fields import Fitted, Settings, canonical, carried, estimated, fit, rendered, suited
from moviola.generators import finished
from moviola.stage import Motion, Scene, Shot, Sprite, Stage, render
from record import record

COUNT, WIDTH, HEIGHT, RATE = 16, 96, 64, 25
MIDDLE = COUNT // 2
SECONDS = COUNT / RATE
RADIUS = 3.0

CAMERA = Motion(velocity=(12, 4), spin=12)
DISC = Sprite("disc", 14, (0.95, 0.35, 0.2), Motion((-18, -2), (40, 6), spin=30), seed=3)
SHOTS = {"ground": Shot(SECONDS, 1, CAMERA), "disc": Shot(SECONDS, 1, CAMERA, (DISC,))}


def true_flows(stage: Stage) -> NDArray[np.float32]:
    flows = [stage.flow(index) for index in range(COUNT - 1)]
    return np.stack([np.where(flow.valid[..., None], flow.vectors, np.nan) for flow in flows])


def followed(stage: Stage, start: tuple[float, float]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Where what is at `start` in the middle frame truly is in every frame, and whether it is in sight."""
    take = stage._takes[0]
    layer = int(take.labels(stage.time_of(MIDDLE), np.array([[complex(*start)]]))[0, 0])
    own = take.poses(stage.time_of(MIDDLE))[layer].back(complex(*start))
    places = [take.poses(stage.time_of(index))[layer](own) for index in range(COUNT)]
    seen = [
        take.labels(stage.time_of(index), np.array([[place]]))[0, 0] == layer
        and RADIUS < place.real < WIDTH - 1 - RADIUS
        and RADIUS < place.imag < HEIGHT - 1 - RADIUS
        for index, place in enumerate(places)
    ]
    return np.array([(place.real, place.imag) for place in places]), np.array(seen)


def dotted(fitted: Fitted, start: tuple[float, float]) -> NDArray[np.float64]:
    """Centres of what a dot, painted in the picture at a point of the middle frame, becomes in the frames."""
    picture = canonical(fitted)
    high, wide = picture.shape[:2]
    points = (torch.tensor([start]) + 0.5) / torch.tensor(fitted.size)
    with torch.no_grad():
        place = fitted.network.places(points, fitted.time(MIDDLE))[0] * torch.tensor(fitted.size)
    x, y = place.tolist()
    across = np.arange(wide) - (wide - WIDTH) // 2 + 0.5 - x
    down = np.arange(high)[:, None] - (high - HEIGHT) // 2 + 0.5 - y
    paint = np.zeros((high, wide, 4), np.uint8)
    paint[..., 3] = 255 * np.clip(RADIUS + 0.5 - np.hypot(across, down), 0, 1)
    ink = rendered(fitted, paint)[..., 3].astype(float)
    rows, columns = np.indices(ink.shape[1:])
    total = ink.sum((1, 2)) + 1e-9
    return np.stack([(ink * columns).sum((1, 2)) / total, (ink * rows).sum((1, 2)) / total], 1)


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8], where: NDArray[np.bool_]) -> float:
    return float(10 * np.log10(255**2 / np.mean(np.square(a[where].astype(float) - b[where]))))


def rows(settings: Settings, seed: int) -> Iterator[dict[str, Any]]:
    for name, shot, only in (("ground", "ground", False), ("disc", "disc", False), ("masked", "disc", True)):
        stage = render(Scene((SHOTS[shot],), (WIDTH, HEIGHT), Fraction(RATE)))
        pictures = next(stage.frames()).data
        masks = stage.masks().data if only else np.ones(pictures.shape[:3], np.bool_)
        for motion in ("true", "estimated"):
            flows = true_flows(stage) if motion == "true" else finished(estimated(pictures))
            began = time.perf_counter()
            fitted = finished(fit(pictures, flows, masks, settings=settings, seed=seed))
            seconds = time.perf_counter() - began
            start = (stage._takes[0].poses(stage.time_of(MIDDLE))[-1].b if shot == "disc" else 48 + 32j) + 2
            at = (float(start.real), float(start.imag))
            truth, seen = followed(stage, at)
            dots = np.hypot(*(dotted(fitted, at) - truth).T)[seen]
            points = carried(fitted, np.array([at], np.float32), MIDDLE)
            paths = np.hypot(*(points.positions[:, 0] - truth).T)[seen]
            yield {
                "clip": name,
                "flow": motion,
                "steps": settings.steps,
                "seconds": round(seconds, 1),
                "psnr_db": round(psnr(rendered(fitted), pictures, masks), 2),
                "frames_seen": int(seen.sum()),
                "dot_mean_px": round(dots.mean(), 3),
                "dot_worst_px": round(dots.max(), 3),
                "point_mean_px": round(paths.mean(), 3),
                "point_worst_px": round(paths.max(), 3),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, help="default: as many as suit the clip")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    settings = suited(COUNT, WIDTH, HEIGHT)
    if options.steps:
        settings = replace(settings, steps=options.steps)
    found = []
    for row in rows(settings, options.seed):
        print(*(f"{key}={value}" for key, value in row.items()), flush=True)
        found.append(row)
    print(record("codef", found, ("torch", "numpy", "opencv-python-headless")))


if __name__ == "__main__":
    main()

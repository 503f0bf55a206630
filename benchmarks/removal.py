"""How well hidden background is recovered: `propagate` against OpenCV's two ways of filling frame by frame.

    python benchmarks/removal.py [--media FOLDER]          writes results/removal.csv

Stretches of real clips without cuts, 40 frames each at their own size, get a hole over pixels that are known,
with a textured object painted into it, so that nothing of the truth can leak. Three shapes of hole: `sweep`
(an ellipse that crosses the picture), `mark` (an ellipse that stands on the screen; where the camera stands
too, no frame shows what is behind it) and `figures` (the masks of real figures that move). All methods fill
the same masks, widened by 2 pixels.

psnr_db: inside of the unwidened masks, over all frames together.
flicker: mean absolute difference between the change from frame to frame and the true change, in 8-bit levels.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from moviola.clip import Clip
from moviola.frames import Frames
from moviola.inpaint import fill
from moviola.inpaint.background import widened
from moviola.media.masks import open_mask
from record import MEDIA, record

Video = NDArray[np.uint8]
Masks = NDArray[np.bool_]

LENGTH = 40
STRETCHES = {
    "clips/bag.avi": (30, 0.8, 0.75),
    "clips/SOX5yA1l24A.mp4": (10, 0.2, 0.5),
    "clips/v_SoccerJuggling_g23_c01.avi": (60, 0.2, 0.75),
    "clips/bigbuckbunny.mp4": (40, 0.85, 0.75),
    "clips/mmaction2_demo.mp4": (10, 0.5, 0.25),
    "clips/sam2_dog.mp4": (20, 0.2, 0.8),
}
"""Clip → first frame of a stretch inside of one shot, and where its background lies: x and y of `mark`, and
y of `sweep`, as shares of the picture. The figures' masks lie where they lie, over moving things too."""

FIGURES = "removal/dogs_jump", "removal/dogs_jump_orig.mp4"
GROW = 2


def ellipse(height: int, width: int, x: float, y: float) -> Masks:
    rows, columns = np.mgrid[:height, :width]
    return ((columns - x) / (0.1 * width)) ** 2 + ((rows - y) / (0.16 * height)) ** 2 <= 1


def sweep(height: int, width: int, _: float, y: float) -> Masks:
    path = np.linspace(0.25, 0.75, LENGTH)
    return np.stack([ellipse(height, width, width * x, height * (y + 0.05 * np.sin(10 * x))) for x in path])


def mark(height: int, width: int, x: float, y: float) -> Masks:
    return np.repeat(ellipse(height, width, x * width, y * height)[None], LENGTH, axis=0)


def figures(media: Path) -> Callable[[int, int, float, float], Masks]:
    """The masks of the figures, enlarged to the size asked for."""
    folder, clip = (media / name for name in FIGURES)
    masks = open_mask(folder, Clip(clip).source).at(0, LENGTH).astype(np.uint8)

    def enlarged(height: int, width: int, _x: float, _y: float) -> Masks:
        sized = [cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST) for mask in masks]
        return np.stack(sized).astype(bool)

    return enlarged


def with_object(video: Video, masks: Masks) -> Video:
    """The holes filled with a texture that moves along with them."""
    noise = np.random.default_rng(0).integers(0, 256, video.shape[1:], np.uint8)
    texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    covered = video.copy()
    for frame, mask in zip(covered, masks, strict=True):
        rows, columns = np.nonzero(mask)
        frame[rows, columns] = texture[rows - rows.min(), columns - columns.min()]
    return covered


def frame_by_frame(method: int) -> Callable[[Video, Masks], Video]:
    def filled(video: Video, masks: Masks) -> Video:
        holes = [widened(mask, GROW).astype(np.uint8) for mask in masks]
        return np.stack([cv2.inpaint(*pair, 5, method) for pair in zip(video, holes, strict=True)])

    return filled


METHODS: dict[str, Callable[[Video, Masks], Video]] = {
    "propagate": lambda video, masks: fill(video, np.stack([widened(mask, GROW) for mask in masks])),
    "telea": frame_by_frame(cv2.INPAINT_TELEA),
    "navier_stokes": frame_by_frame(cv2.INPAINT_NS),
}


def decibels(filled: Video, truth: Video, masks: Masks) -> float:
    return float(10 * np.log10(255**2 / np.square(filled[masks].astype(float) - truth[masks]).mean()))


def flicker(filled: Video, truth: Video, masks: Masks) -> float:
    both = masks[1:] & masks[:-1]
    changes = (np.diff(video.astype(np.int16), axis=0)[both] for video in (filled, truth))
    return float(np.abs(np.subtract(*changes)).mean())


def measured(media: Path) -> Iterator[dict[str, object]]:
    shapes = {"sweep": sweep, "mark": mark, "figures": figures(media)}
    for name, (start, x, y) in STRETCHES.items():
        truth = Frames.concatenate(Clip(media / name).chunks(start=start, stop=start + LENGTH)).data
        height, width = truth.shape[1:3]
        for shape, masks_of in shapes.items():
            masks = masks_of(height, width, x, y)
            covered = with_object(truth, masks)
            for method, filled_by in METHODS.items():
                began, worked = time.perf_counter(), time.process_time()
                filled = filled_by(covered, masks)
                seconds, work = time.perf_counter() - began, time.process_time() - worked
                yield {
                    "clip": Path(name).name,
                    "size": f"{width}x{height}",
                    "hole": shape,
                    "method": method,
                    "psnr_db": round(decibels(filled, truth, masks), 2),
                    "flicker": round(flicker(filled, truth, masks), 2),
                    "seconds_per_frame": round(seconds / LENGTH, 4),
                    "cpu_seconds_per_frame": round(work / LENGTH, 4),
                }


def main() -> None:
    parser = argparse.ArgumentParser(description="How well hidden background is recovered.")
    parser.add_argument("--media", type=Path, default=MEDIA, help="folder of real clips")
    rows = list(measured(parser.parse_args().media))
    for hole in ("sweep", "mark", "figures"):
        for method in METHODS:
            mine = [row for row in rows if row["hole"] == hole and row["method"] == method]
            means = [
                np.mean([row[key] for row in mine]) for key in ("psnr_db", "flicker", "seconds_per_frame")
            ]
            print(f"{hole:8} {method:14} {means[0]:6.2f} dB  flicker {means[1]:5.2f}  {means[2]:.3f} s/frame")
    print(record("removal", rows, packages=("opencv-python-headless", "numpy", "av")))


if __name__ == "__main__":
    main()

"""Makes the pictures in the README from a rendered clip: `python docs/pictures.py`."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import moviola
from moviola.film import film
from moviola.frames import Frames
from moviola.stage import demo_scene, render

FOLDER = Path(__file__).parent / "pictures"
GAP = 8


def strip(name: str, pictures: list[NDArray[np.uint8]]) -> None:
    """Pictures side by side on white, half size."""
    gap = np.full((pictures[0].shape[0], GAP, 3), 255, np.uint8)
    row = np.concatenate([part for picture in pictures for part in (picture, gap)][:-1], axis=1)
    image = Image.fromarray(row)
    image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS).save(
        FOLDER / name, quality=88
    )


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        work = Path(folder)
        scene = demo_scene(seconds=2, fps=8)
        stage = render(scene)
        clip = film(scene, work / "clip.mkv", codec="ffv1", sound=False)
        at = 6

        smooth = moviola.interpolate(clip, factor=2, output=work / "smooth.mkv", codec="ffv1").clip
        made = Frames.concatenate(smooth.chunks(start=2 * at, stop=2 * at + 3)).data
        middle = stage.frame_at(float(Fraction(2 * at + 1, 16)))
        blend = ((made[0].astype(np.uint16) + made[2]) // 2).astype(np.uint8)
        strip("interpolate.jpg", [blend, made[1], middle])

        dense = demo_scene(seconds=2, fps=25)
        take = film(dense, work / "take.mkv", codec="ffv1", sound=False)
        masks = render(dense).masks()
        clean = moviola.remove(take, mask=masks, output=work / "clean.mkv", codec="ffv1").clip
        before = Frames.concatenate(moviola.Clip(take).chunks(start=20, stop=21)).data[0]
        after = Frames.concatenate(clean.chunks(start=20, stop=21)).data[0]
        outlined = before.copy()
        outlined[masks.data[20]] = outlined[masks.data[20]] // 2 + np.array([127, 0, 0], np.uint8)
        strip("remove.jpg", [before, outlined, after])


if __name__ == "__main__":
    main()

"""Whether a long video shows where its chunks meet: change between frames at the seams over that inside.

    python benchmarks/seams.py [--chunks N] [--seeds N]                         writes results/seams.csv

Every model is a small random checkpoint: what is measured is the plumbing (held beginnings, matching of
colour, cross-fading), not a published model's ability to go on. Each video is made twice: as Moviola makes
it, and as the same chunks put one behind the other. Change is the mean absolute difference of two frames; a
seam is every pair of frames from the one before the overlap to the one behind it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from moviola import registry
from moviola.clip import Clip
from moviola.run import run
from moviola.selftest import tiny_checkpoint
from moviola.tasks import Generate, VideoResult, request
from moviola.weights import own_card
from record import record

STEPS = 8
IMAGE = np.random.default_rng(7).integers(40, 215, (9, 9, 3)).astype(np.uint8)


def generate(folder: Path, output: Path, **fields: object) -> VideoResult:
    given = {"weights": folder, "dtype": "float32", "steps": STEPS, "output": output, "overwrite": True}
    *_, last = run(request(Generate, given | fields))
    return last.value


def changes(result: VideoResult) -> NDArray[np.float64]:
    """(T-1,) mean absolute difference of neighbours."""
    data = np.concatenate([frames.data for frames in Clip(result.output.parent).chunks()]).astype(np.float64)
    return np.abs(np.diff(data, axis=0)).mean((1, 2, 3))


def measure(model: str, chunks: int, seed: int) -> tuple[float, float]:
    """Change at the seams over change inside: as made, and for chunks that know nothing of each other."""
    family, card = registry.find(model)
    with TemporaryDirectory() as name:
        folder = Path(name) / "tiny"
        folder.mkdir()
        tiny_checkpoint(family, card, folder)
        own = own_card(card, folder)
        size, most = own.native.size, own.limits.max_frames
        fields = {"model": model, "seed": seed, "prompt": "a lake" if "prompt" in own.takes else None}
        if "image" in own.needs:
            fields["image"] = np.asarray(_enlarged(size))
        one = changes(generate(folder, Path(name) / "one" / "%05d.png", **fields, frames=most))
        long = generate(folder, Path(name) / "long" / "%05d.png", **fields, frames=chunks * most // 2 + most)
        whole = changes(long)
        starts = [chunk["start"] for chunk in long.recipe["chunks"]]
        alone = [
            generate(
                folder, Path(name) / f"alone{n}" / "%05d.png", **fields | {"seed": chunk["seed"]}, frames=most
            )
            for n, chunk in enumerate(long.recipe["chunks"][:3])
        ]
        last, first = (
            np.concatenate([f.data for f in Clip(r.output.parent).chunks()]).astype(float) for r in alone[:2]
        )
        hard = float(np.abs(first[0] - last[-1]).mean())
    shared = most - starts[1]
    at_seam = np.zeros(len(whole), bool)
    for start in starts[1:]:
        at_seam[start - 1 : start + shared] = True
    inside = fmean(whole[~at_seam])
    return fmean(whole[at_seam]) / inside, hard / fmean(one)


def _enlarged(size: tuple[int, int]) -> object:
    from PIL import Image

    return Image.fromarray(IMAGE).resize(size, Image.Resampling.BICUBIC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunks", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("models", nargs="*")
    given = parser.parse_args()
    first: dict[str, str] = {}
    for card in registry.cards():
        if "generate" in card.tasks and card.weights and not card.limits.max_total_frames:
            first.setdefault(card.id.split("-")[0], card.id)
    rows = []
    for model in given.models or first.values():
        try:
            pairs = [measure(model, given.chunks, seed) for seed in range(given.seeds)]
        except KeyError:
            print(f"{model} makes any length in one call: no seams")
            continue
        row = {
            "model": model,
            "seam_over_inside": round(median(pair[0] for pair in pairs), 3),
            "unjoined_over_inside": round(median(pair[1] for pair in pairs), 3),
        }
        print(row)
        rows.append(row)
    if not given.models:
        print(record("seams", rows, ("torch", "diffusers", "numpy")))


if __name__ == "__main__":
    main()

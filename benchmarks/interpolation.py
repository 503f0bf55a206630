"""How close invented pictures come to the true ones, and how fast: `flow` beside what it has to beat.

    python benchmarks/interpolation.py [--media FOLDER] [--frames N] [--repeats N]

Triplets: two real frames and the one between; `naive` is both frames warped halfway along OpenCV's own fast
DIS flow and averaged. Clips: every other frame is dropped and made again, beside ffmpeg's `minterpolate` with
its defaults (motion compensated, bidirectional, with its own scene detection). All start from the same
lossless 4:2:0 file, at most 640 pixels wide. Across a cut `flow` holds the frame before, as the family does.
PSNR is of 8-bit RGB, averaged over pictures. Times are medians over the repeats, in turn: for ours of making
the pictures, for minterpolate of the filter alone (the run less the same run without the filter).
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from PIL import Image

from moviola.clip import Clip
from moviola.frames import Frames, Pixels
from moviola.media.scenes import mark_cuts
from moviola.motion import dense_flow, warp
from moviola.motion.between import interpolate_pair
from record import MEDIA, record

WIDEST = 640
QUALITIES = ("fast", "balanced", "best")
Method = Callable[[Pixels, Pixels], Pixels]


def blend(a: Pixels, b: Pixels) -> Pixels:
    return cv2.addWeighted(a, 0.5, b, 0.5, 0)


def naive(a: Pixels, b: Pixels) -> Pixels:
    return blend(warp(a, dense_flow(b, a) / 2), warp(b, dense_flow(a, b) / 2))


def flow(quality: Any) -> Method:
    return lambda a, b: interpolate_pair(a, b, [0.5], quality=quality)[0]


METHODS: dict[str, Method] = {
    "blend": blend,
    "naive": naive,
    **{f"flow {quality}": flow(quality) for quality in QUALITIES},
}


def psnr(a: Pixels, b: Pixels) -> float:
    """Decibels; equal pictures count as 60."""
    return min(60.0, float(10 * np.log10(255**2 / max(1e-9, np.mean(np.square(a.astype(float) - b))))))


def row(part: str, name: str, size: str, method: str, scores: list[float], seconds: float) -> dict[str, Any]:
    return {
        "set": part,
        "name": name,
        "size": size,
        "method": method,
        "pictures": len(scores),
        "psnr_db": round(fmean(scores), 3),
        "ms_per_picture": round(1000 * seconds / len(scores), 1),
    }


def triplets(media: Path) -> Iterator[dict[str, Any]]:
    folder = media / "interpolation" / "davis"
    for truth in sorted(folder.glob("gt/*/frame10i11.png")):
        name = truth.parent.name
        paths = [folder / "input" / name / f"frame{number}.png" for number in (10, 11)]
        a, b, between = (np.asarray(Image.open(path).convert("RGB")) for path in (*paths, truth))
        for method, make in METHODS.items():
            began = time.perf_counter()
            picture = make(a, b)
            seconds = time.perf_counter() - began
            size = f"{a.shape[1]}x{a.shape[0]}"
            yield row("triplets", name, size, method, [psnr(picture, between)], seconds)


def ffmpeg(*arguments: object, stdin: bytes = b"") -> bytes:
    command = ["ffmpeg", "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, input=stdin, check=True, capture_output=True).stdout


class Halved:
    """A clip as a lossless file, without every other frame, and what was left out."""

    def __init__(self, path: Path, folder: Path, frames: int) -> None:
        pictures = np.concatenate([scaled(chunk.data) for chunk in Clip(path).chunks(stop=frames)])
        self.height, self.width = pictures.shape[1:3]
        whole, self.file = folder / "whole.y4m", folder / "half.y4m"
        raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{self.width}x{self.height}", "-r", 10)
        ffmpeg(*raw, "-i", "-", "-pix_fmt", "yuv420p", whole, stdin=pictures.tobytes())
        ffmpeg("-i", whole, "-vf", "select=not(mod(n\\,2)),setpts=N/10/TB", "-r", 10, self.file)
        every = self.rgb("-i", whole)
        self.kept, self.dropped = every[::2], every[1::2]
        self.dropped = self.dropped[: len(self.kept) - 1]

    def rgb(self, *arguments: object) -> Pixels:
        data = ffmpeg(*arguments, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
        return np.frombuffer(data, np.uint8).reshape(-1, self.height, self.width, 3)

    def cuts(self) -> list[bool]:
        """For each kept frame, whether it begins a scene."""
        times = np.arange(len(self.kept)) / 10
        frames = Frames(self.kept, times, np.full(len(times), 0.1))
        return [bool(flag) for _, flags in mark_cuts([frames]) for flag in flags]

    def made(self, method: Method) -> tuple[list[Pixels], float]:
        cuts = self.cuts()
        began = time.perf_counter()
        pictures = [
            self.kept[i] if cuts[i + 1] else method(self.kept[i], self.kept[i + 1])
            for i in range(len(self.dropped))
        ]
        return pictures, time.perf_counter() - began

    def minterpolated(self) -> tuple[list[Pixels], float]:
        """The dropped frames that `minterpolate` gives (it ends a little early), and the filter's seconds."""
        plain = ("-i", self.file)
        filtered = (*plain, "-vf", "minterpolate=fps=20")
        seconds = []
        for arguments in (plain, filtered):
            began = time.perf_counter()
            ffmpeg(*arguments, "-f", "null", "-")
            seconds.append(time.perf_counter() - began)
        return list(self.rgb(*filtered)[1::2]), seconds[1] - seconds[0]


def scaled(pictures: Pixels) -> Pixels:
    height, width = pictures.shape[1:3]
    share = min(1, WIDEST / width)
    # 4:2:0 needs even sides.
    size = round(width * share) // 2 * 2, round(height * share) // 2 * 2
    return np.stack([cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in pictures])


def clips(media: Path, frames: int, repeats: int) -> Iterator[dict[str, Any]]:
    for path in sorted((media / "clips").iterdir()):
        if "distorted" in path.name:
            continue
        with TemporaryDirectory() as folder:
            half = Halved(path, Path(folder), frames)
            runs: dict[str, list[tuple[list[Pixels], float]]] = {}
            for _ in range(repeats):
                runs.setdefault("minterpolate", []).append(half.minterpolated())
                for name, method in METHODS.items():
                    runs.setdefault(name, []).append(half.made(method))
        count = min(len(pictures) for results in runs.values() for pictures, _ in results)
        for name, results in runs.items():
            pictures = results[0][0]
            scores = [psnr(picture, truth) for picture, truth in zip(pictures, half.dropped, strict=False)]
            seconds = median(spent for _, spent in results) * count / len(pictures)
            size = f"{half.width}x{half.height}"
            yield row("clips", path.stem[:24], size, name, scores[:count], seconds)


def means(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Over all clips or triplets of a set, each counting the same."""
    for part, method in dict.fromkeys((r["set"], r["method"]) for r in rows):
        same = [r for r in rows if (r["set"], r["method"]) == (part, method)]
        yield {
            "set": part,
            "name": "MEAN",
            "size": "",
            "method": method,
            "pictures": sum(r["pictures"] for r in same),
            "psnr_db": round(fmean(r["psnr_db"] for r in same), 3),
            "ms_per_picture": round(fmean(r["ms_per_picture"] for r in same), 1),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--media", type=Path, default=MEDIA)
    parser.add_argument("--frames", type=int, default=41, help="of each clip, before dropping")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    rows = [*triplets(options.media), *clips(options.media, options.frames, options.repeats)]
    summary = list(means(rows))
    for line in summary:
        print(
            f"{line['set']:9} {line['method']:14} {line['psnr_db']:7.3f} dB {line['ms_per_picture']:7.1f} ms"
        )
    print(record("interpolation", [*rows, *summary], ("opencv-python-headless", "numpy", "av")))


if __name__ == "__main__":
    main()

"""What the house itself costs: start-up time, memory over length, and whole files against the model alone.

    python benchmarks/pipeline.py          writes results/pipeline.csv

Times are medians of one run; ratios are of times taken in turn. Memory is measured once, it hardly varies.
"""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

from moviola.clip import Clip
from moviola.film import film
from moviola.frames import Frames, Pixels
from moviola.pipeline import mapped
from moviola.stage import Motion, Scene, Shot
from record import record

PYTHON = sys.executable


def seconds(command: list[str], repeats: int = 7) -> float:
    """Median wall time of a command."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def peak_megabytes(command: list[str]) -> float:
    """Largest resident set of a command, in MB."""
    code = (
        "import resource, subprocess, sys;"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([PYTHON, "-c", code, *command], check=True, capture_output=True, text=True)
    return int(done.stdout) / 1024


def startup() -> list[dict[str, object]]:
    bare = seconds([PYTHON, "-c", "pass"])
    imported = seconds([PYTHON, "-c", "import moviola"])
    helped = seconds([PYTHON, "-m", "moviola", "--help"])
    return [
        {
            "what": "import moviola adds",
            "value": round(1000 * (imported - bare), 1),
            "unit": "ms",
            "goal": "<=150",
        },
        {"what": "moviola --help", "value": round(1000 * helped, 1), "unit": "ms", "goal": "<=400"},
    ]


def scene(length: float) -> Scene:
    """Shots of five seconds, 640×360, 25 frames/s."""
    shots = tuple(Shot(5, ground=n, camera=Motion(velocity=(60, 15))) for n in range(round(length / 5)))
    return Scene(shots, size=(640, 360), rate=Fraction(25))


def memory(folder: Path) -> list[dict[str, object]]:
    peaks = {}
    for length in (10, 120):
        clip = film(scene(length), folder / f"{length}.mp4")
        command = [PYTHON, "-m", "moviola", "interpolate", str(clip), "--factor", "2", "--overwrite"]
        peaks[length] = peak_megabytes([*command, "-o", str(folder / "out.mp4")])
    return [
        {"what": "interpolate 10 s, peak", "value": round(peaks[10], 1), "unit": "MB", "goal": ""},
        {"what": "interpolate 120 s, peak", "value": round(peaks[120], 1), "unit": "MB", "goal": ""},
        {
            "what": "120 s over 10 s",
            "value": round(peaks[120] / peaks[10], 3),
            "unit": "ratio",
            "goal": "<=1.15",
        },
    ]


def throughput(folder: Path) -> list[dict[str, object]]:
    """Pairs of frames per second of a whole file, against the same model on the same frames in memory."""
    import moviola
    from moviola.motion.between import interpolate_pair

    clip = film(scene(20), folder / "20.mp4")
    frames = Frames.concatenate(Clip(clip).chunks()).data
    pairs = list(itertools.pairwise(frames))

    def one(pair: tuple[Pixels, Pixels]) -> Pixels:
        return interpolate_pair(*pair, (0.5,))

    ways = {
        "flow alone, pair by pair": lambda: [one(pair) for pair in pairs],
        "flow alone, two at once": lambda: list(mapped(one, pairs, 2)),
        "flow, whole file": lambda: moviola.interpolate(
            clip, factor=2, output=folder / "whole.mp4", overwrite=True
        ),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(3):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            rates[name].append(len(pairs) / (time.perf_counter() - began))
    rows: list[dict[str, object]] = [
        {"what": name, "value": round(statistics.median(rate), 1), "unit": "pairs/s", "goal": ""}
        for name, rate in rates.items()
    ]
    whole = rates["flow, whole file"]
    for name in list(ways)[:2]:
        ratio = statistics.median(w / a for w, a in zip(whole, rates[name], strict=True))
        what = f"whole file over {name.removeprefix('flow alone, ')}"
        rows.append({"what": what, "value": round(ratio, 3), "unit": "ratio", "goal": ">=0.85"})
    return rows


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        rows = startup() + memory(Path(name)) + throughput(Path(name))
    for row in rows:
        print(f"{row['what']:28} {row['value']} {row['unit']}  {row['goal']}")
    print(record("pipeline", rows, ("av", "numpy", "opencv-python-headless")))

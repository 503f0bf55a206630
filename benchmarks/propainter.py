"""How much memory ProPainter takes at 432×240 on a CPU in float32, over clips of several lengths.

    python benchmarks/propainter.py [--frames N ...] [--iterations N] [--authors FOLDER]

Weights are random and of full size: what they are does not change what they take. Each run is a process of
its own, and its peak is what the kernel has counted for it, with Python and all libraries. Ours is the
command line with its defaults, from a file to a file.

--iterations: of the flow's refinement; 20 as published. Fewer take less time and hardly less memory.
--authors: a folder with github.com/sczhou/ProPainter, whose `inference_propainter.py` is run as it is beside
    ours. What it imports has to be installed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from record import record

WIDTH, HEIGHT = 432, 240
LONGEST = 80
"""Frames that the authors' script is given at most: as many as it takes at once."""
HOLE = (slice(80, 160), slice(150, 280))

OURS = """
import sys
from pathlib import Path
from moviola import registry
from moviola.models.propainter import network
from moviola.recognition.checkpoint import save
save(network(registry.find("propainter")[1]).state_dict(), Path(sys.argv[1]) / "model.safetensors", own=True)
"""

THEIRS = """
import argparse, sys, torch
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from RAFT import RAFT
from model.propainter import InpaintGenerator
from model.recurrent_flow_completion import RecurrentFlowCompleteNet
settings = argparse.Namespace(small=False, mixed_precision=False, alternate_corr=False)
folder = Path(sys.argv[1])
torch.save(torch.nn.DataParallel(RAFT(settings)).state_dict(), folder / "raft-things.pth")
torch.save(RecurrentFlowCompleteNet().state_dict(), folder / "recurrent_flow_completion.pth")
torch.save(InpaintGenerator().state_dict(), folder / "ProPainter.pth")
"""


def peak(command: list[Any], folder: Path) -> tuple[float, float]:
    """Runs a command in a folder. Returns the megabytes it held at most, and its seconds."""
    began = time.perf_counter()
    with open(folder / "log.txt", "w") as log:
        process = subprocess.Popen(list(map(str, command)), cwd=folder, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit((folder / "log.txt").read_text())
    return usage.ru_maxrss / 1024, time.perf_counter() - began


def write_clip(folder: Path, length: int) -> tuple[Path, Path]:
    """A coarse pattern that moves, as a folder of images, and a mask for all of them."""
    frames, mask = folder / f"frames{length}", folder / "mask.png"
    frames.mkdir()
    coarse = np.random.default_rng(0).integers(0, 256, (HEIGHT // 8, WIDTH, 3), np.uint8)
    ground = coarse.repeat(8, axis=0).repeat(8, axis=1)
    for index in range(length):
        cv2.imwrite(str(frames / f"{index:05d}.png"), ground[:, 2 * index : 2 * index + WIDTH])
    hole = np.zeros((HEIGHT, WIDTH), np.uint8)
    hole[HOLE] = 255
    cv2.imwrite(str(mask), hole)
    return frames, mask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[20, 40, 80, 160])
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--authors", type=Path)
    options = parser.parse_args()
    rows = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        (own := folder / "own").mkdir()
        (weights := folder / "weights").mkdir()  # where the authors' script looks
        subprocess.run([sys.executable, "-c", OURS, own], check=True)
        if options.authors:
            subprocess.run([sys.executable, "-c", THEIRS, weights, options.authors.absolute()], check=True)
        for length in options.frames:
            frames, mask = write_clip(folder, length)
            commands: dict[str, list[Any]] = {
                "ours": [
                    *(sys.executable, "-m", "moviola", "remove", frames, "--mask", mask),
                    *("--model", "propainter", "--weights", own, "-O", f"iterations={options.iterations}"),
                    *("--device", "cpu", "--dtype", "float32", "-o", folder / f"ours{length}.mkv"),
                ]
            }
            if options.authors and length <= LONGEST:
                script = options.authors.absolute() / "inference_propainter.py"
                commands["authors"] = [
                    *(sys.executable, script, "-i", frames, "-m", mask, "-o", folder / "authors"),
                    *("--raft_iter", options.iterations),
                ]
            for method, command in commands.items():
                megabytes, seconds = peak(command, folder)
                rows.append(
                    {
                        "method": method,
                        "frames": length,
                        "size": f"{WIDTH}x{HEIGHT}",
                        "iterations": options.iterations,
                        "peak_mb": round(megabytes),
                        "seconds": round(seconds, 1),
                    }
                )
                print(f"{method:8} {length:4} frames {megabytes:7.0f} MB {seconds:8.1f} s", flush=True)
    print(record("propainter", rows, ("torch", "numpy", "opencv-python-headless")))


if __name__ == "__main__":
    main()

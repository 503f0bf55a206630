"""Recognizers against the loop that everybody writes, and files against transformers' pipeline.

    python benchmarks/recognition.py [stream] [files] [memory]      writes results/recognition-PART.csv

stream: a model looks at every new picture of a camera's 1920×1080, and of 640×360. The plain loop keeps the
last pictures in a deque, has transformers' processor prepare all of them at each step and runs the network in
float32; X3D's convolutions are then plain 3D ones, as in its authors' code. Ours prepares a picture once.
Steps of all alternate, and times are medians.
files: a clip of 60 s in 30 windows, against transformers' pipeline, which looks at the first pictures of a
file alone, so it is given one window; it reads with torchcodec. memory: peak of the process for clips of 10 s
and of 120 s.

Weights are random: outputs are compared, and what is said of them, not what they are worth.
"""

from __future__ import annotations

import copy
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from moviola import registry
from moviola.card import ModelCard
from moviola.film import film
from moviola.recognition.prepare import Preparer
from moviola.recognition.recognizer import Recognizer
from moviola.stage import Motion, Scene, Shot, Sprite
from record import record

SIZES = ((1920, 1080), (640, 360))
FILE_SIZE = (640, 360)
PACKAGES = ("torch", "transformers", "torchcodec", "av", "opencv-python-headless", "numpy")


def network_of(model: str) -> tuple[ModelCard, nn.Module]:
    family, card = registry.find(model)
    torch.manual_seed(0)
    return card, family.network(card).eval()


def plain(network: nn.Module) -> nn.Module:
    """A copy in which every convolution is PyTorch's own: how the authors' code computes it."""
    copied = copy.deepcopy(network)
    for module in copied.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv3d) and type(child) is not nn.Conv3d:
                same = nn.Conv3d(
                    child.in_channels,
                    child.out_channels,
                    child.kernel_size,
                    child.stride,
                    child.padding,
                    groups=child.groups,
                    bias=child.bias is not None,
                )
                same.load_state_dict(child.state_dict())
                setattr(module, name, same)
    return copied.eval()


def pictures(count: int, size: tuple[int, int]) -> np.ndarray:
    sprite = Sprite("disc", 60, (0.9, 0.3, 0.2), Motion(position=(-100, 0), velocity=(60, 10)))
    from moviola.stage import render

    scene = Scene((Shot(count / 25, camera=Motion(velocity=(40, 10)), sprites=(sprite,)),), size=size)
    return np.concatenate([frames.data for frames in render(scene).frames()])[:count]


class PlainLoop:
    """The straightforward loop: a deque, the processor on all of it at each step, float32."""

    def __init__(self, card: ModelCard, network: nn.Module, frames: int) -> None:
        from transformers import VideoMAEImageProcessor

        facts = card.recognition
        assert facts is not None
        self._processor = VideoMAEImageProcessor(
            size={"shortest_edge": facts.short_side},
            crop_size={"height": facts.crop[1], "width": facts.crop[0]},
            image_mean=list(facts.mean),
            image_std=list(facts.std),
        )
        self._network, self._held = network, deque[np.ndarray](maxlen=frames)

    @torch.inference_mode()
    def step(self, picture: np.ndarray) -> np.ndarray | None:
        self._held.append(picture)
        if len(self._held) < (self._held.maxlen or 0):
            return None
        video = self._processor(list(self._held), return_tensors="pt")["pixel_values"]
        return torch.softmax(self._network(video.transpose(1, 2)), -1)[0].numpy()


class OurLoop:
    """The parts of `moviola watch`, without its clock: each picture is prepared once."""

    def __init__(self, recognizer: Recognizer, size: tuple[int, int]) -> None:
        self._recognizer = recognizer
        self._preparer = Preparer(recognizer.facts, *size)
        self._held = deque[np.ndarray](maxlen=recognizer.facts.frames)

    def step(self, picture: np.ndarray) -> np.ndarray | None:
        self._held.append(self._preparer.one(picture)[0])
        if len(self._held) < (self._held.maxlen or 0):
            return None
        return self._recognizer.probabilities(np.stack(self._held)[None])[0]


class StreamLoop:
    """The same for a causal model, which computes each picture once."""

    def __init__(self, recognizer: Recognizer, size: tuple[int, int]) -> None:
        self._stream = recognizer.stream()
        self._preparer = Preparer(recognizer.facts, *size)

    def step(self, picture: np.ndarray) -> np.ndarray:
        return self._stream.push(self._preparer.one(picture))


def race(loops: Sequence[Any], feed: np.ndarray, steps: int) -> tuple[list[float], list[list[np.ndarray]]]:
    """Median seconds of a step of each, taken in turn, and what each said."""
    times: list[list[float]] = [[] for _ in loops]
    said: list[list[np.ndarray]] = [[] for _ in loops]
    for picture in feed:
        for place, loop in enumerate(loops):
            began = time.perf_counter()
            found = loop.step(picture)
            if found is not None:
                times[place].append(time.perf_counter() - began)
                said[place].append(found)
        if min(map(len, times)) >= steps:
            break
    # The first step warms up.
    return [statistics.median(each[1:]) for each in times], said


def row(what: str, value: float, unit: str, goal: str) -> dict[str, object]:
    print(f"{what}: {value:.4g} {unit} (goal {goal or 'none'})", flush=True)
    return {"what": what, "value": f"{value:.4g}", "unit": unit, "goal": goal}


def compared(
    name: str,
    times: Sequence[float],
    said: Sequence[Sequence[np.ndarray]],
    ways: Sequence[str],
    goals: Sequence[str],
) -> list[dict[str, object]]:
    rows = [row(f"{name}: plain loop", 1000 * times[0], "ms/step", "")]
    for place, (way, goal) in enumerate(zip(ways, goals, strict=True), 1):
        rows.append(row(f"{name}: {way}", 1000 * times[place], "ms/step", ""))
        rows.append(row(f"{name}: {way}, plain loop over ours", times[0] / times[place], "ratio", goal))
        pairs = list(zip(said[0], said[place], strict=False))
        same = np.mean([a.argmax() == b.argmax() for a, b in pairs])
        apart = max(float(np.abs(a - b).max() / a.max()) for a, b in pairs)
        rows.append(row(f"{name}: {way}, same first label", float(same), "share", "1"))
        rows.append(row(f"{name}: {way}, greatest difference", apart, "of the greatest probability", ""))
    return rows


def loaded(model: str, dtype: torch.dtype = torch.float32) -> Recognizer:
    card, network = network_of(model)
    return Recognizer(card, network, device="cpu", dtype=dtype)


def stream() -> list[dict[str, object]]:
    return [line for size in SIZES for line in streamed(size)]


def streamed(size: tuple[int, int]) -> list[dict[str, object]]:
    rows = []
    feed = pictures(64, size)
    source = f"{size[0]}×{size[1]}"

    loops = [
        PlainLoop(*network_of("videomae-base-k400"), 16),
        OurLoop(loaded("videomae-base-k400"), size),
        OurLoop(loaded("videomae-base-k400", torch.bfloat16), size),
    ]
    times, said = race(loops, feed, steps=11)
    rows += compared(f"VideoMAE-base, {source}", times, said, ["float32", "bfloat16"], [">=1.2", ">=4"])

    card, network = network_of("x3d-s")
    loops = [
        PlainLoop(card, plain(network), 13),
        OurLoop(loaded("x3d-s"), size),
        OurLoop(loaded("x3d-s", torch.bfloat16), size),
    ]
    times, said = race(loops, feed, steps=31)
    rows += compared(f"X3D-S, {source}", times, said, ["float32", "bfloat16"], [">=3", ""])

    card, network = network_of("movinet-a0-stream")
    loops = [PlainLoop(card, network, 16), StreamLoop(loaded("movinet-a0-stream"), size)]
    times, _ = race(loops, feed, steps=31)
    name = f"MoViNet-A0 stream, {source}"
    rows.append(row(f"{name}: plain loop over 16 pictures", 1000 * times[0], "ms/step", ""))
    rows.append(row(f"{name}: ours", 1000 * times[1], "ms/step", "<=33.3"))
    rows.append(row(f"{name}: plain loop over ours", times[0] / times[1], "ratio", ">=3"))
    apart = streamed_apart(loaded("movinet-a0-stream"), feed, size)
    rows.append(row(f"{name}: streamed against whole", apart, "relative", "<=1e-4"))
    return rows


def streamed_apart(recognizer: Recognizer, feed: np.ndarray, size: tuple[int, int]) -> float:
    """Greatest difference between a stream's last word and the causal network on the whole clip at once."""
    clip = Preparer(recognizer.facts, *size).prepare(feed[:48])[:, 0]
    streaming = recognizer.stream()
    for picture in clip:
        last = streaming.push(picture[None])
    whole = recognizer.probabilities(clip[None])[0]
    return float(np.abs(last - whole).max() / whole.max())


def scene(seconds: float) -> Scene:
    shots = tuple(Shot(5, ground=n, camera=Motion(velocity=(60, 15))) for n in range(round(seconds / 5)))
    return Scene(shots, size=FILE_SIZE, rate=Fraction(30))


def saved(folder: Path) -> None:
    """A random VideoMAE-base, in the layout that transformers and we both read."""
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification, VideoMAEImageProcessor

    torch.manual_seed(0)
    config = VideoMAEConfig(num_labels=400)
    VideoMAEForVideoClassification(config).save_pretrained(folder)
    VideoMAEImageProcessor(
        size={"shortest_edge": 224}, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]
    ).save_pretrained(folder)


def files(folder: Path, repeats: int = 3) -> list[dict[str, object]]:
    from transformers import pipeline

    import moviola

    clip = film(scene(60), folder / "minute.mp4")
    checkpoint = folder / "videomae"
    saved(checkpoint)
    theirs = pipeline("video-classification", model=str(checkpoint), device="cpu")
    ways: dict[str, Callable[[], Any]] = {
        "pipeline": lambda: theirs(str(clip), num_frames=16, frame_sampling_rate=4),
        "float32": lambda: moviola.recognize(
            str(clip), model="videomae-base-k400", weights=checkpoint, every=2, dtype="float32"
        ),
        "bfloat16": lambda: moviola.recognize(
            str(clip), model="videomae-base-k400", weights=checkpoint, every=2, dtype="bfloat16"
        ),
    }
    windows = {"pipeline": 1, "float32": 30, "bfloat16": 30}
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, call in ways.items():
            began = time.perf_counter()
            call()
            times[way].append((time.perf_counter() - began) / windows[way])
    each = {way: statistics.median(values) for way, values in times.items()}
    rows = [row(f"60 s file: {way}", 1000 * seconds, "ms/window", "") for way, seconds in each.items()]
    for way, goal in (("float32", ">=1.3"), ("bfloat16", ">=4")):
        rows.append(row(f"60 s file: pipeline over ours, {way}", each["pipeline"] / each[way], "ratio", goal))
    return rows


def memory(folder: Path) -> list[dict[str, object]]:
    from moviola.selftest import tiny_checkpoint
    from pipeline import PYTHON, peak_megabytes

    checkpoint = folder / "tiny"
    checkpoint.mkdir()
    tiny_checkpoint(*registry.find("x3d-s"), checkpoint)
    peaks = {}
    for seconds in (10, 120):
        clip = film(scene(seconds), folder / f"{seconds}.mp4")
        command = [PYTHON, "-m", "moviola", "recognize", str(clip), "--model", "x3d-s", "--every", "500ms"]
        peaks[seconds] = peak_megabytes([*command, "--weights", str(checkpoint)])
    return [
        row("recognize 10 s, peak", peaks[10], "MB", ""),
        row("recognize 120 s, peak", peaks[120], "MB", ""),
        row("recognize: 120 s over 10 s", peaks[120] / peaks[10], "ratio", "<=1.15"),
    ]


PARTS: dict[str, Callable[[Path], list[dict[str, object]]]] = {
    "stream": lambda folder: stream(),
    "files": files,
    "memory": memory,
}


def main() -> None:
    for part in sys.argv[1:] or PARTS:
        with tempfile.TemporaryDirectory() as name:
            print(record(f"recognition-{part}", PARTS[part](Path(name)), PACKAGES))


if __name__ == "__main__":
    main()

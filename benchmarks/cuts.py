"""How well hard cuts are found: precision, recall and F1 at the exact frame, on real clips.

    python benchmarks/cuts.py [--media FOLDER] [--seed N] [--reels N]          writes results/cuts.csv

The clips' own cuts were checked by eye, frame by frame, on contact sheets (`SHOTS`). Shots are spliced at
random into reels, so that each splice is a true cut and every other frame is not. Three kinds of splice are
counted apart: `strange` (another clip), `sister` (another shot of the same clip) and `jump` (later in the
same shot: a jump cut). Negatives without splices are whole shots, the same with frames left out, disturbed
copies (flash, fade, noise, black frames, shake, exposure), dissolves and rendered fast pans.

The constants were tuned on seeds 1 and 3; the report is made on seed 2026.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from moviola.frames import Frames
from moviola.media.scenes import THRESHOLD, mark_cuts
from moviola.stage import Motion, Scene, Shot, render
from record import MEDIA, record

Video = NDArray[np.uint8]

SIZE = (320, 180)
JUMP = 40
"""Frames left out by a jump cut, at least."""
SEEN = 0.05
"""A jump must change the picture by at least this share of full scale, or nobody could call it a cut."""

SHOTS: dict[str, list[tuple[int, int | None]]] = {
    "clips/SOX5yA1l24A.mp4": [(0, 138), (138, 219), (219, 292), (292, None)],
    "clips/bikes.mp4": [(0, 30), (30, 76), (76, 137), (137, 187), (187, 242), (242, None)],
    "clips/sample_demo_3.mp4": [(0, 6), (6, None)],
    "clips/bag.avi": [(0, None)],
    "clips/bigbuckbunny.mp4": [(0, None)],
    "clips/carphone_pristine.mp4": [(0, None)],
    "clips/hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi": [(0, None)],
    # A damaged stretch follows: the decoder shows smeared pictures from 229 to 267.
    "clips/mmaction2_demo.mp4": [(0, 229)],
    "clips/sam2_dog.mp4": [(0, None)],
    "clips/sample_demo_9.mp4": [(0, None)],
    "clips/v_SoccerJuggling_g23_c01.avi": [(0, None)],
    "removal/dogs_jump_orig.mp4": [(0, None)],
}


@dataclass(frozen=True)
class Reel:
    """A video with the truth about it: frame index → kind of splice."""

    kind: str
    video: Video
    cuts: dict[int, str]


def decode(path: Path) -> Video:
    with av.open(str(path), metadata_errors="replace") as container:
        frames = container.decode(video=0)
        return np.stack([frame.to_ndarray(width=SIZE[0], height=SIZE[1], format="rgb24") for frame in frames])


def flags(video: Video, threshold: float) -> NDArray[np.bool_]:
    times = np.arange(len(video)) / 25
    chunks = Frames(video, times, np.full(len(video), 1 / 25)).rechunked(16)
    return np.concatenate([marks for _, marks in mark_cuts(chunks, threshold=threshold)])


def spliced(clips: dict[str, Video], rng: np.random.Generator, reels: int) -> Iterator[Reel]:
    """Reels of nine takes of 12–40 frames; a quarter of the splices, where there is room, are jumps."""
    shots = [(name, a, b or len(clips[name])) for name, ranges in SHOTS.items() for a, b in ranges]
    shots = [shot for shot in shots if shot[2] - shot[1] >= 12]
    for _ in range(reels):
        parts: list[Video] = []
        cuts: dict[int, str] = {}
        last, end = ("", 0, 0), 0
        while len(parts) < 9:
            others = [shot for shot in shots if shot != last]
            jump = rng.random() < 0.25 and last[2] - end >= JUMP + 12
            name, first, stop = last if jump else others[rng.integers(len(others))]
            first = end + JUMP if jump else first
            length = int(rng.integers(12, min(stop - first, 40) + 1))
            start = int(rng.integers(first, stop - length + 1))
            take = clips[name][start : start + length]
            if jump and np.abs(parts[-1][-1].astype(np.int16) - take[0]).mean() < 255 * SEEN:
                continue
            if parts:
                cuts[sum(map(len, parts))] = "jump" if jump else "sister" if name == last[0] else "strange"
            parts.append(take)
            end = start + length
            last = last if jump else (name, first, stop)
        yield Reel("spliced", np.concatenate(parts), cuts)


def undisturbed(clips: dict[str, Video]) -> Iterator[Reel]:
    for name, shots in SHOTS.items():
        own = {first: "own" for first, _ in shots if first}
        end = shots[-1][1]
        yield Reel("whole clip", clips[name][:end], own)
        for first, stop in shots:
            for every in (2, 3):
                yield Reel(f"1 frame in {every}", clips[name][first:stop:every], {})


def flash(video: Video, rng: np.random.Generator) -> Video:
    start, length = int(rng.integers(6, len(video) - 8)), int(rng.integers(1, 5))
    lit = video[start : start + length].astype(np.float32)
    video[start : start + length] = np.clip(lit * rng.uniform(0.3, 1) + rng.uniform(80, 230), 0, 255)
    return video


def black(video: Video, rng: np.random.Generator) -> Video:
    start, length = int(rng.integers(6, len(video) - 8)), int(rng.integers(1, 5))
    video[start : start + length] = rng.integers(0, 20)
    return video


def fade(video: Video, rng: np.random.Generator) -> Video:
    length = min(len(video), int(rng.integers(10, 30)))
    gain = np.linspace(0, 1, length)[:, None, None, None]
    video[:length] = video[:length] * gain
    video[-length:] = video[-length:] * gain[::-1]
    return video


def noise(video: Video, rng: np.random.Generator) -> Video:
    grain = rng.normal(0, rng.uniform(5, 40), video.shape)
    return np.clip(video + grain, 0, 255).astype(np.uint8)


def shake(video: Video, rng: np.random.Generator) -> Video:
    height, width = SIZE[1] * 4 // 5, SIZE[0] * 4 // 5
    tops, lefts = (rng.integers(0, room // 5, len(video)) for room in (SIZE[1], SIZE[0]))
    shaken = [f[t : t + height, x : x + width] for f, t, x in zip(video, tops, lefts, strict=True)]
    return np.stack(shaken)


def exposure(video: Video, rng: np.random.Generator) -> Video:
    start = int(rng.integers(6, len(video) - 6))
    gain = rng.choice([rng.uniform(0.35, 0.7), rng.uniform(1.2, 1.6)])
    video[start:] = np.clip(video[start:] * gain, 0, 255)
    return video


DISTURBANCES: tuple[Callable[[Video, np.random.Generator], Video], ...] = (
    flash,
    black,
    fade,
    noise,
    shake,
    exposure,
)


def longest_shots(clips: dict[str, Video]) -> list[Video]:
    return [max((clips[name][a:b] for a, b in shots), key=len) for name, shots in SHOTS.items()]


def disturbed(clips: dict[str, Video], rng: np.random.Generator) -> Iterator[Reel]:
    for shot in longest_shots(clips):
        for disturb in DISTURBANCES:
            yield Reel(disturb.__name__, disturb(shot[:80].copy(), rng), {})


def dissolved(clips: dict[str, Video], rng: np.random.Generator, count: int = 24) -> Iterator[Reel]:
    shots = longest_shots(clips)
    for _ in range(count):
        length = int(rng.integers(10, 25))
        a, b = (shots[i][-40:].astype(np.float32) for i in rng.choice(len(shots), 2, replace=False))
        share = np.clip((np.arange(40) - 8) / length, 0, 1)[:, None, None, None]
        yield Reel("dissolve", (a * (1 - share) + b * share).astype(np.uint8), {})


def panned(rng: np.random.Generator, count: int = 12) -> Iterator[Reel]:
    """Pans of 6–16 % of the width per frame, with a still start and a still end."""
    for _ in range(count):
        speed = SIZE[0] * rng.uniform(0.06, 0.16) * 25
        shot = Shot(1.2, int(rng.integers(1000)), Motion(velocity=(speed, 0)))
        moving = np.concatenate([f.data for f in render(Scene((shot,), SIZE)).frames()])
        still = [np.repeat(end, 8, axis=0) for end in (moving[:1], moving[-1:])]
        yield Reel("fast pan", np.concatenate([still[0], moving, still[1]]), {})


def score(reels: Iterator[Reel], threshold: float) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Per kind: cuts found, cuts missed; false cuts per kind of reel."""
    found: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for reel in reels:
        marks = set(np.nonzero(flags(reel.video, threshold))[0].tolist())
        for index, kind in reel.cuts.items():
            (found if index in marks else missed)[kind] += 1
        wrong[reel.kind] += len(marks - reel.cuts.keys())
        wrong.setdefault(reel.kind, 0)
    return found, missed, wrong


def speed() -> float:
    """Frames per second at 640×360, uint8, in chunks of 16: the median of five runs."""
    scene = Scene((Shot(2.56, camera=Motion(velocity=(60, 10))),), (640, 360))
    chunks = list(render(scene).frames())
    rates = []
    for _ in range(5):
        begin = time.perf_counter()
        count = sum(len(marks) for _, marks in mark_cuts(chunks))
        rates.append(count / (time.perf_counter() - begin))
    return float(np.median(rates))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--media", type=Path, default=MEDIA)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--reels", type=int, default=60)
    parser.add_argument("--threshold", type=float, default=THRESHOLD)
    options = parser.parse_args()

    rng = np.random.default_rng(options.seed)
    clips = {name: decode(options.media / name) for name in SHOTS}

    def reels() -> Iterator[Reel]:
        yield from spliced(clips, rng, options.reels)
        yield from undisturbed(clips)
        yield from disturbed(clips, rng)
        yield from dissolved(clips, rng)
        yield from panned(rng)

    found, missed, wrong = score(reels(), options.threshold)
    rows: list[tuple[str, str, float]] = [
        ("recall", f"{kind} (n={count})", found[kind] / count)
        for kind, count in sorted((found + missed).items())
    ]
    rows += [("false cuts", kind, count) for kind, count in wrong.items()]
    true, false = found.total(), wrong.total()
    recall, precision = true / (true + missed.total()), true / (true + false)
    rows += [("recall", "all", recall), ("precision", "all", precision)]
    rows += [("F1", "all", 2 * precision * recall / (precision + recall))]
    rows += [("frames per second", "640x360 uint8", speed())]

    table = [
        {"measure": measure, "of": of, "value": f"{value:.4g}", "seed": options.seed}
        | {"threshold": options.threshold}
        for measure, of, value in rows
    ]
    for row in table:
        print(f"{row['measure']:18} {row['of']:24} {row['value']}")
    print(record("cuts", table))


if __name__ == "__main__":
    main()

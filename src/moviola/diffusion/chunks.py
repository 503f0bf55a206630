"""A long video in calls of a model: how it is divided, and how a call's frames join those before them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from moviola.card import Limits
from moviola.frames import Frames, Pixels
from moviola.geometry import valid_frames
from moviola.model import Sound


@dataclass(frozen=True, slots=True)
class Chunk:
    """A call of the model.

    start: index in the video of its first frame; its first `overlap` frames are the last of the chunk before.
    frames: how many it makes. keep: how many of them the video has room for.
    """

    number: int
    start: int
    frames: int
    overlap: int
    keep: int


def divide(total: int, limits: Limits, overlap: int) -> list[Chunk]:
    """Chunks that cover `total` frames: as few as can be, all but the last as long as the model's limit.

    overlap: frames that two chunks share. The last chunk is the shortest valid one that reaches the end.
    """
    chunks: list[Chunk] = []
    start = 0
    while not chunks or chunks[-1].start + chunks[-1].keep < total:
        shared = overlap if chunks else 0
        left = total - start
        frames = valid_frames(left, limits, up=True)
        keep = min(frames, left)
        chunks.append(Chunk(len(chunks), start, frames, shared, keep))
        start += keep - overlap
    return chunks


def seed_of(seed: int, number: int) -> int:
    """The seed of chunk `number`: the request's own for the first, then SHA-256 of both, 63 bits."""
    if number == 0:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:8], "big") >> 1


def joined(made: Pixels, known: Pixels | None) -> Pixels:
    """A chunk's frames, brought to the colour of the frames it continues and cross-faded with them.

    made: (T, H, W, 3) of which the first `len(known)` show the same moments as `known`. Colours are matched
    by mean and deviation of each channel over these frames (Reinhard et al. 2001, in R'G'B'), with a gain of
    at most 1.25, so that a chunk that drifted does not show as a step.
    """
    if known is None or not len(known):
        return made
    # Sums depend on how numbers lie in memory: frames that were on disk must count as those just made.
    shared = made[: len(known)].astype(np.float32, order="C")
    truth = known.astype(np.float32, order="C")
    axes = (0, 1, 2)
    gain = np.clip(truth.std(axes) / np.maximum(shared.std(axes), 1e-3), 0.8, 1.25)
    offset = truth.mean(axes) - shared.mean(axes) * gain
    top = np.iinfo(made.dtype).max
    matched: Pixels = np.empty_like(made)
    for index, picture in enumerate(made):
        matched[index] = np.rint(np.clip(picture * gain + offset, 0, top))
    weight = (np.arange(1, len(known) + 1, dtype=np.float32) / (len(known) + 1))[:, None, None, None]
    blend = truth * (1 - weight) + matched[: len(known)] * weight
    matched[: len(known)] = np.rint(blend).astype(made.dtype)
    return matched


def heard(sound: Sound, seconds: float, tail_seconds: float) -> Sound:
    """A chunk's sound that goes with its first `seconds`, and as its tail the `tail_seconds` after them.

    Cut, or filled up with silence, to the sample: what is too short or too long would add up over the chunks.
    """
    stop = round(seconds * sound.rate)
    end = stop + round(tail_seconds * sound.rate)
    samples = np.pad(sound.samples[:end], ((0, max(0, end - len(sound.samples))), (0, 0)))
    return Sound(samples[:stop], sound.rate, samples[stop:] if end > stop else None)


def timed(data: Pixels, start: int, fps: float) -> Frames:
    """Frames `start`, `start` + 1, … of a video of a constant rate."""
    index = np.arange(start, start + len(data))
    return Frames(data, index / fps, np.full(len(data), 1 / fps))

"""Keeps the sound a model makes, window by window, until the file is joined."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moviola.media.source import Source, open_source
from moviola.model import Sound


class Voice:
    """The sound of one job, in its work folder: a WAV of 16 bit for each window, and one for each tail.

    first: the number of the first window still to be made; those before were kept by an earlier run.
    """

    def __init__(self, folder: Path, *, first: int = 0) -> None:
        self._folder = folder
        self._number = first
        self._heard: list[Sound] = []

    def add(self, sound: Sound) -> None:
        self._heard.append(sound)

    def commit(self) -> None:
        """The window under way is whole."""
        if self._heard:
            last = self._heard[-1]
            if last.tail is not None:
                _save(self._folder / f"tail-{self._number:06d}.wav", last.tail, last.rate)
            samples = np.concatenate([sound.samples for sound in self._heard])
            _save(self._folder / f"{self._number:06d}.wav", samples, last.rate)
        self._heard = []
        self._number += 1

    def joined(self) -> Source | None:
        """All windows' sound as one file, None where there was none."""
        parts = sorted(self._folder.glob("[0-9]*.wav"))
        if not parts:
            return None
        path = self._folder / "sound.wav"
        with wave.open(str(path), "wb") as whole, wave.open(str(parts[0])) as first:
            whole.setparams(first.getparams())
            tail = None
            for part in parts:
                whole.writeframes(_faded(tail, _samples(part)).tobytes())
                after = part.with_name(f"tail-{part.name}")
                tail = _samples(after) if after.is_file() else None
        return open_source(path)


def _samples(path: Path) -> NDArray[np.int16]:
    """(n, channels)."""
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())


def _faded(tail: NDArray[np.int16] | None, samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """`samples`, whose beginning is faded in while `tail` is faded out.

    With sine and cosine, since two sounds that were made apart add up in power: neither dips nor swells.
    """
    length = min(len(tail), len(samples)) if tail is not None else 0
    if tail is None or not length:
        return samples
    angle = (np.arange(1, length + 1) / (length + 1) * np.pi / 2)[:, None]
    blend = tail[:length] * np.cos(angle) + samples[:length] * np.sin(angle)
    return np.concatenate([np.rint(blend.clip(-32768, 32767)).astype("<i2"), samples[length:]])


def _save(path: Path, samples: np.ndarray, rate: int) -> None:
    # Not `000000.part`: that is the window's pictures, which are being written at the same time.
    partial = path.with_name(f"{path.name}.part")
    with wave.open(str(partial), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
    os.replace(partial, path)

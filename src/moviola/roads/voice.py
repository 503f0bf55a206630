"""Keeps the sound a model makes, window by window, until the file is joined."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import numpy as np

from moviola.media.source import Source, open_source
from moviola.model import Sound


class Voice:
    """The sound of one job, in its work folder: a WAV of 16 bit for each window.

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
            samples = np.concatenate([sound.samples for sound in self._heard])
            _save(self._folder / f"{self._number:06d}.wav", samples, self._heard[0].rate)
        self._heard = []
        self._number += 1

    def joined(self) -> Source | None:
        """All windows' sound as one file, None where there was none."""
        parts = sorted(self._folder.glob("[0-9]*.wav"))
        if not parts:
            return None
        path = self._folder / "sound.wav"
        with wave.open(str(path), "wb") as whole:
            for number, part in enumerate(parts):
                with wave.open(str(part)) as piece:
                    if not number:
                        whole.setparams(piece.getparams())
                    whole.writeframes(piece.readframes(piece.getnframes()))
        return open_source(path)


def _save(path: Path, samples: np.ndarray, rate: int) -> None:
    partial = path.with_suffix(".part")
    with wave.open(str(partial), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
    os.replace(partial, path)

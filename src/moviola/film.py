"""Puts a rendered scene on film: a real file with picture and sound, for the demo, self-tests and tests."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from moviola.media.encoding import choose_encoding
from moviola.media.source import open_source
from moviola.media.write import write
from moviola.stage import Scene, render

_HERTZ = 44_100


def film(scene: Scene, path: Path, *, codec: str | None = None, sound: bool = True) -> Path:
    """Write all frames of a scene, with a tone that steps up at every cut, to a new file."""
    stage = render(scene)
    encoding = choose_encoding(path, None, codec=codec, rate=scene.rate)
    with TemporaryDirectory() as folder:
        tone = Path(folder) / "tone.wav"
        _write_tone(tone, scene)
        write(stage.frames(), path, encoding=encoding, tracks=open_source(tone) if sound else None)
    return path


def _write_tone(path: Path, scene: Scene) -> None:
    """A soft sine, a third higher in every shot; mono, 16 bit."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_HERTZ)
        for samples in _tones(scene):
            file.writeframes(samples.tobytes())


def _tones(scene: Scene) -> Iterator[np.ndarray]:
    for number, shot in enumerate(scene.shots):
        t = np.arange(round(shot.seconds * _HERTZ)) / _HERTZ
        pitch = 220 * 2 ** (number / 3)
        # Fade at both ends of a shot, so that the steps do not click.
        level = 3000 * np.minimum(1, np.minimum(t, t[-1] - t) / 0.05)
        yield (level * np.sin(2 * np.pi * pitch * t)).astype("<i2")

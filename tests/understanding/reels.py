"""Videos whose scenes are known, and cards of models that might look at them."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from moviola.card import Understanding
from moviola.clip import Clip
from moviola.frames import Frames
from moviola.media.array import even_timeline, still_info
from moviola.media.info import MediaInfo
from moviola.media.source import Timeline, reduced_in_turn
from moviola.stage import Motion, Scene, Shot, render

RATE = 10


def facts(**changes: Any) -> Understanding:
    given = {"frames": 8, "max_frames": 64, "context": 4096, "layers": 2, "key_width": 64}
    return Understanding(**given | changes)


def scene(*seconds: float) -> Scene:
    """A shot of each length, over a ground of its own that slides by."""
    shots = (
        Shot(length, ground=number, camera=Motion(velocity=(16, 5))) for number, length in enumerate(seconds)
    )
    return Scene(tuple(shots), (96, 64), Fraction(RATE))


def filmed(*seconds: float) -> Clip:
    """A clip with such scenes, 10 frames in a second."""
    return Clip(Frames.concatenate(render(scene(*seconds)).frames()))


def shown_for(*seconds: float, start: float = 0.0) -> Clip:
    """A clip of still pictures, each shown for so long."""
    ends = np.cumsum([start, *seconds])
    return Clip(Frames(np.zeros((len(seconds), 4, 6, 3), np.uint8), ends[:-1], np.diff(ends)))


class Reel:
    """A source that makes its pictures when they are read, and holds none; every scene has 35 frames.

    read_frames: how many were read so far.
    """

    name, live = "reel", False
    width, height = 320, 180
    scene_frames = 35

    def __init__(self, seconds: float, rate: int = 5) -> None:
        self.losses: list[str] = []
        self.read_frames = 0
        self._timeline = even_timeline(round(seconds * rate), Fraction(rate))
        self._rate = Fraction(rate)

    def probe(self, *, count: bool = False) -> MediaInfo:
        size = self.width, self.height
        timeline = self._timeline
        return still_info(
            self.name, "reel", timeline, size=size, depth=8, alpha=False, rate=self._rate, codec="rawvideo"
        )

    def timeline(self) -> Timeline:
        return self._timeline

    def read(
        self, *, start: int = 0, stop: int | None = None, chunk: int = 16, depth: int = 8, alpha: bool = False
    ) -> Iterator[Frames]:
        wanted = range(len(self._timeline))[start:stop]
        for first in range(0, len(wanted), chunk):
            yield self.frames_at(wanted[first : first + chunk])

    def frames_at(self, indices: Any, *, depth: int = 8, alpha: bool = False) -> Frames:
        numbers = np.asarray(indices, np.int64)
        self.read_frames += len(numbers)
        data = np.stack([self._picture(int(number)) for number in numbers])
        return Frames(data, self._timeline.pts_seconds[numbers], self._timeline.duration_seconds[numbers])

    def reduced_at(self, indices: Any, reduce: Any) -> dict[int, Any]:
        return reduced_in_turn(self, indices, reduce)

    def _picture(self, number: int) -> np.ndarray:
        take, moment = divmod(number, self.scene_frames)
        field = np.random.default_rng(take).integers(0, 256, (9, 18, 3), np.uint8).repeat(25, 0).repeat(25, 1)
        return field[moment : moment + self.height, moment : moment + self.width].copy()

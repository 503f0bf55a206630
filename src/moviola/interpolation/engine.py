"""Raises the rate of a clip: source pictures pass untouched, those between them are made pair by pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from moviola.frames import Frames, Pixels
from moviola.model import Context, Events, Window
from moviola.timing import Moment, grid, moments

if TYPE_CHECKING:
    from moviola.tasks import Interpolate


@dataclass(frozen=True, slots=True)
class Pair:
    """What is due between a frame and the next. first: the frame's place in the window.
    times: shares of the way, in [0, 1), ascending; all 0 where the frame itself is due and nothing else."""

    first: int
    times: tuple[float, ...]


class Maker(Protocol):
    """Makes the pictures between two frames."""

    def made(self, frames: Pixels, pairs: Sequence[Pair], options: Any) -> Iterator[Pixels]:
        """For each pair of a window's frames (T, H, W, C) the pictures that are due, (len(times), H, W, C).

        A time of 0 is the frame itself. Pairs are ascending; frames that follow each other are one scene.
        """
        ...


class Interpolation:
    """The model of a family of interpolators."""

    def __init__(self, maker: Maker, *, window_bytes: int = 64 * 2**20) -> None:
        self._maker = maker
        self._window_bytes = window_bytes

    def run(self, request: Interpolate, options: Any, context: Context) -> Events:
        video = context.clip.info.video
        rate = grid(factor=request.pictures, fps=request.fps, start_seconds=video.start_seconds)

        def step(window: Window) -> Iterator[Frames]:
            due = moments(window, rate, at_cut=request.at_cut or "hold")
            groups = [list(group) for _, group in groupby(due, key=lambda moment: moment.frame)]
            pairs = [Pair(group[0].frame, tuple(moment.t for moment in group)) for group in groups]
            made = self._maker.made(window.frames.data, pairs, options)
            for group, pictures in zip(groups, made, strict=True):
                yield _timed(pictures, group)

        frame_bytes = video.width * video.height * (8 if video.bit_depth > 8 else 4)
        size = window_size(frame_bytes, most_bytes=self._window_bytes)
        yield from context.each_window(step, size=size, after=1)


def _timed(pictures: Pixels, due: Sequence[Moment]) -> Frames:
    return Frames(
        pictures,
        np.array([moment.pts_seconds for moment in due]),
        np.array([moment.duration_seconds for moment in due]),
    )


def window_size(frame_bytes: int, *, most_bytes: int = 64 * 2**20) -> int:
    """Frames per window, 4 to 64, so that a window holds about `most_bytes`."""
    return int(np.clip(most_bytes // frame_bytes, 4, 64))

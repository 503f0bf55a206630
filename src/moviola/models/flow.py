"""Interpolates without weights: pictures are carried along the optical flow between two frames.

What happens between two frames is in `moviola.motion.between`; when pictures are due, in `moviola.timing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Limits, ModelCard
from moviola.errors import MissingExtraError
from moviola.frames import Frames, Pixels
from moviola.model import Context, Events, Window
from moviola.motion import Preset
from moviola.timing import grid, moments

if TYPE_CHECKING:
    from moviola.tasks import Interpolate

CARDS: Sequence[ModelCard] = (
    ModelCard(
        id="flow",
        tasks=("interpolate",),
        summary="Interpolation without weights: pictures follow the optical flow between two frames.",
        licence="Apache-2.0",
        extra="classical",
        limits=Limits(max_depth=16, alpha=True),
        source="dense inverse search: Kroeger et al., ECCV 2016",
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    quality: Preset = Field(
        "balanced", description="fast, balanced or best: how much work is put into a picture"
    )


def load(card: ModelCard, *, random: bool = False) -> FlowInterpolation:
    """Raises MissingExtraError without OpenCV."""
    try:
        from moviola.motion.between import interpolate_pair
    except ImportError as error:
        raise MissingExtraError(card.id, "classical") from error
    return FlowInterpolation(interpolate_pair)


def window_size(frame_bytes: int, *, most_bytes: int = 64 * 2**20) -> int:
    """Frames per window, 4 to 64, so that a window holds about `most_bytes`."""
    return int(np.clip(most_bytes // frame_bytes, 4, 64))


class FlowInterpolation:
    def __init__(self, interpolate_pair: Callable[..., Pixels]) -> None:
        self._interpolate_pair = interpolate_pair

    def run(self, request: Interpolate, options: Options, context: Context) -> Events:
        video = context.clip.info.video
        rate = grid(factor=request.factor, fps=request.fps, start_seconds=video.start_seconds)

        def step(window: Window) -> Iterator[Frames]:
            data = window.frames.data
            due = moments(window, rate, at_cut=request.at_cut or "hold")
            for frame, group in groupby(due, key=lambda moment: moment.frame):
                shown = list(group)
                times = [moment.t for moment in shown]
                if any(times):
                    a, b = data[frame], data[frame + 1]
                    pictures = self._interpolate_pair(a, b, times, quality=options.quality)
                else:
                    pictures = data[[frame] * len(shown)]
                yield Frames(
                    pictures,
                    np.array([moment.pts_seconds for moment in shown]),
                    np.array([moment.duration_seconds for moment in shown]),
                )

        size = window_size(video.width * video.height * (8 if video.bit_depth > 8 else 4))
        yield from context.each_window(step, size=size, after=1)

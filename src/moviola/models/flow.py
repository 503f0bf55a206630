"""Interpolates without weights: pictures are carried along the optical flow between two frames.

What happens between two frames is in `moviola.motion.between`; when pictures are due, in `moviola.timing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Limits, ModelCard
from moviola.errors import MissingExtraError
from moviola.frames import Frames, Pixels
from moviola.model import Context, Events, Setup, Window
from moviola.motion import Preset
from moviola.pipeline import mapped
from moviola.timing import Moment, grid, moments

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


_AT_ONCE = 2
"""Pairs of frames worked on side by side."""


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    quality: Preset = Field(
        "balanced", description="fast, balanced or best: how much work is put into a picture"
    )


def load(card: ModelCard, setup: Setup) -> FlowInterpolation:
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

        def pictures(data: Pixels, moments: list[Moment]) -> Frames:
            frame = moments[0].frame
            times = [moment.t for moment in moments]
            if any(times):
                made = self._interpolate_pair(data[frame], data[frame + 1], times, quality=options.quality)
            else:
                made = data[[frame] * len(moments)]
            return Frames(
                made,
                np.array([moment.pts_seconds for moment in moments]),
                np.array([moment.duration_seconds for moment in moments]),
            )

        def step(window: Window) -> Iterator[Frames]:
            due = moments(window, rate, at_cut=request.at_cut or "hold")
            pairs = [list(group) for _, group in groupby(due, key=lambda moment: moment.frame)]
            # OpenCV's own threads leave a part of every core idle; two pairs at once fill it.
            yield from mapped(partial(pictures, window.frames.data), pairs, _AT_ONCE)

        size = window_size(video.width * video.height * (8 if video.bit_depth > 8 else 4))
        yield from context.each_window(step, size=size, after=1)

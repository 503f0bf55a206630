"""Interpolates without weights: pictures are carried along the optical flow between two frames.

What happens between two frames is in `moviola.motion.between`; which pictures are due, in
`moviola.interpolation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Limits, ModelCard
from moviola.errors import MissingExtraError
from moviola.frames import Pixels
from moviola.interpolation.engine import Interpolation, Pair
from moviola.model import Setup
from moviola.motion import Preset
from moviola.pipeline import mapped

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


def load(card: ModelCard, setup: Setup) -> Interpolation:
    """Raises MissingExtraError without OpenCV."""
    try:
        from moviola.motion.between import interpolate_pair
    except ImportError as error:
        raise MissingExtraError(card.id, "classical") from error
    return Interpolation(FlowMaker(interpolate_pair))


class FlowMaker:
    """A `Maker` by optical flow."""

    def __init__(self, interpolate_pair: Callable[..., Pixels]) -> None:
        self._interpolate_pair = interpolate_pair

    def made(self, frames: Pixels, pairs: Sequence[Pair], options: Options) -> Iterator[Pixels]:
        def pictures(pair: Pair) -> Pixels:
            if not any(pair.times):
                return frames[[pair.first] * len(pair.times)]
            here, there = frames[pair.first], frames[pair.first + 1]
            return self._interpolate_pair(here, there, pair.times, quality=options.quality)

        # OpenCV's own threads leave a part of every core idle; two pairs at once fill it.
        return mapped(pictures, pairs, _AT_ONCE)

"""Removes objects without weights: what was behind them is carried over from the frames that show it.

Motion is measured around the mask and carried on into it; hidden pixels are followed along it to where they
can be seen. What no frame of a window shows is painted in one and followed to the others, so that it does not
flicker. Windows overlap by a quarter on both sides and are cross-faded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from moviola.card import Limits, ModelCard
from moviola.errors import MissingExtraError
from moviola.frames import Pixels
from moviola.model import Model, Setup
from moviola.motion import Preset
from moviola.removal.options import Filling

CARDS: Sequence[ModelCard] = (
    ModelCard(
        id="propagate",
        tasks=("remove",),
        summary="Object removal without weights: flow carries the background over from other frames.",
        licence="Apache-2.0",
        extra="classical",
        limits=Limits(max_depth=16, alpha=True),
    ),
)


_PER_PIXEL_AND_FRAME = 30
_PER_PIXEL = 200
"""Bytes at most while frames are filled: a third above the peaks of processes that filled 10 and 30 frames of
320×240, most of which was a hole."""


class Options(Filling):
    preset: Preset = Field("fast", description="how much work is put into the optical flow")


def load(card: ModelCard, setup: Setup) -> Model:
    """Raises MissingExtraError without OpenCV."""
    try:
        from moviola.removal.engine import Removal
    except ImportError as error:
        raise MissingExtraError(card.id, "classical") from error
    return cast("Model", Removal(ByFlow(card.id)))


class ByFlow:
    """A `Filler`."""

    device = "cpu"
    held_bytes = 0

    def __init__(self, name: str) -> None:
        self.name = name

    def margin(self, options: Options) -> int:
        from moviola.inpaint import CONTEXT

        return CONTEXT

    def needed_bytes(self, frames: int, height: int, width: int) -> int:
        return height * width * (_PER_PIXEL_AND_FRAME * frames + _PER_PIXEL)

    def filled(self, frames: Pixels, holes: NDArray[np.bool_], options: Options) -> Pixels:
        from moviola.inpaint import fill

        return fill(frames, holes, preset=options.preset)

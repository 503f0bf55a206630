"""Removes objects without weights: what was behind them is carried over from the frames that show it.

Motion is measured around the mask and carried on into it; hidden pixels are followed along it to where they
can be seen. What no frame of a window shows is painted in one and followed to the others, so that it does not
flicker. Windows overlap by a quarter on both sides and are cross-faded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from moviola.card import Limits, ModelCard
from moviola.errors import MissingExtraError
from moviola.frames import Frames, Pixels
from moviola.media.masks import open_mask
from moviola.model import Context, Events, Note, Setup, Window
from moviola.motion import Preset

if TYPE_CHECKING:
    from moviola.tasks import Remove

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


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    grow: int = Field(4, ge=0, le=64, description="pixels the mask is widened by, for soft edges and halos")
    window: int = Field(
        40,
        ge=1,
        le=1000,
        description="frames filled together; more find more background and need more memory",
    )
    preset: Preset = Field("fast", description="how much work is put into the optical flow")


def load(card: ModelCard, setup: Setup) -> Propagate:
    """Raises MissingExtraError without OpenCV."""
    try:
        from moviola.inpaint import fill
    except ImportError as error:
        raise MissingExtraError(card.id, "classical") from error
    return Propagate(fill)


class Propagate:
    def __init__(self, fill: Callable[..., Pixels]) -> None:
        self._fill = fill

    def run(self, request: Remove, options: Options, context: Context) -> Events:
        """Ends with a Note where the mask selects nothing at all."""
        mask = open_mask(request.mask, context.clip.source)
        selects: dict[int, bool] = {}

        def step(window: Window) -> Iterator[Frames]:
            frames = window.frames
            masks = mask.at(window.first, len(frames))
            selects[window.number] = bool(masks.any())
            filled = self._fill(frames.data, masks, grow=options.grow, preset=options.preset)
            yield Frames(filled, frames.pts_seconds, frames.duration_seconds)

        quarter = options.window // 4
        yield from context.each_window(step, size=options.window, before=quarter, after=quarter, fade=True)
        # A resumed run begins with a later window and knows nothing of the ones before.
        if 0 in selects and not any(selects.values()):
            yield Note(f"mask {mask.name} selects nothing; the pictures are unchanged")

"""Keeps what a mask selects and takes the background away: for transparency, or for a colour.

No network and no guess: what is selected is the input to the bit, around it the edge fades over `feather`
pixels. What is fully transparent shows nothing of the input any more, but the colours of the edge carried on,
so that none of the background comes back where the format stores colour more coarsely than transparency.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from moviola.card import Limits, ModelCard
from moviola.errors import MissingExtraError
from moviola.frames import Frames, Mask
from moviola.media.colour import graphics_white
from moviola.media.masks import nothing_selected, open_mask
from moviola.model import Context, Events, Note, Setup, Window

if TYPE_CHECKING:
    from moviola.tasks import Remove

CARDS: Sequence[ModelCard] = (
    ModelCard(
        id="cutout",
        tasks=("remove",),
        summary="Keeps the object instead: the background becomes transparent, or a colour.",
        licence="Apache-2.0",
        extra="classical",
        limits=Limits(max_depth=16, alpha=True),
        takes=("keep",),
        needs=("keep",),
    ),
)

_WINDOW = 40
"""Frames between two places where broken-off work is taken up again."""


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(card: ModelCard, setup: Setup) -> Cutout:
    """Raises MissingExtraError without OpenCV."""
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(card.id, "classical") from error
    return Cutout()


class Cutout:
    def run(self, request: Remove, options: Options, context: Context) -> Events:
        """Ends with a Note where the mask selects nothing at all."""
        from moviola.masking.cutting import laid_over, made_clear
        from moviola.masking.shapes import feathered, grown

        assert request.keep is not None
        mask = open_mask(request.mask, context.clip.source, whole=True)
        if mask.matched is not None:
            yield Note(mask.matched)
        white = graphics_white(context.clip.info)
        colour = request.keep.colour
        selects: dict[int, bool] = {}

        def step(window: Window) -> Iterator[Frames]:
            selects[window.number] = False
            for number in range(window.core.start, window.core.stop):
                frame = window.frames[number : number + 1]
                chosen = Mask(mask.at(window.first + number, 1), frame.pts_seconds, frame.duration_seconds)
                selects[window.number] |= bool(chosen.data.any())
                shown = feathered(grown(chosen, request.grow or 0), request.feather)[0]
                picture = frame.data[0]
                made = (
                    made_clear(picture, shown)
                    if colour is None
                    else laid_over(picture, shown, colour, white=white)
                )
                yield Frames(made[None], frame.pts_seconds, frame.duration_seconds)

        yield from context.each_window(step, size=_WINDOW)
        if nothing_selected(selects):
            yield Note(f"mask {mask.name} selects nothing; everything vanishes")

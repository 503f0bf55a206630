"""Follows what a box or a point shows without weights: by motion and colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from moviola.card import ModelCard
from moviola.errors import MissingExtraError
from moviola.model import Setup

if TYPE_CHECKING:
    from moviola.masking.follower import Following

CARDS: Sequence[ModelCard] = (
    ModelCard(
        id="track",
        tasks=("mask",),
        summary="Follows what a box or a point shows without weights: by motion and colours.",
        licence="Apache-2.0",
        extra="classical",
        facts={
            "limits": "loses what is coloured like its surroundings or changes its looks within a few frames"
        },
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def load(card: ModelCard, setup: Setup) -> Following:
    """A `Follower`. Raises MissingExtraError without OpenCV."""
    try:
        from moviola.masking.track import by_flow
    except ImportError as error:
        raise MissingExtraError(card.id, "classical") from error
    return by_flow()

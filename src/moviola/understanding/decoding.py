"""From a sight to the pictures a speaker takes: decoded once, and each reduced before the next is held."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from moviola.errors import InputError
from moviola.frames import Pixels, Seconds
from moviola.understanding.duplicates import Look, distinct, look
from moviola.understanding.speaker import Sight

Picture = TypeVar("Picture")


def pictures_of(sight: Sight, reduce: Callable[[Pixels], Picture]) -> tuple[list[Picture], Seconds]:
    """What `reduce` makes of a sight's frames (H, W, 3) uint8, and the times of those that are left.

    Frames that damage has taken are left out, and of a sight that is `distinct` those that show nothing new.
    reduce: may be called by several threads, out of order.
    Raises InputError where damage has left no frame.
    """

    def reduced(picture: Pixels) -> tuple[Picture, Look | None]:
        return reduce(picture), look(picture) if sight.distinct else None

    held = sight.clip.source.reduced_at(sight.indices, reduced)
    there = np.array([number in held for number in sight.indices.tolist()])
    if not there.any():
        raise InputError(
            f"none of the {len(sight)} frames of {sight.clip.source.name} that were to be looked at can be "
            "decoded; choose another stretch with --at"
        )
    made = [held[number] for number in sight.indices[there].tolist()]
    seconds = sight.seconds[there]
    if sight.distinct:
        looks = [seen for _, seen in made if seen is not None]
        kept = distinct(looks, least=sight.least, group=sight.group)
        made, seconds = [each for each, new in zip(made, kept, strict=True) if new], seconds[kept]
    return [picture for picture, _ in made], seconds

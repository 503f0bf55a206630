"""Learned perceptual image patch similarity: Zhang, Isola, Efros, Shechtman, Wang, "The unreasonable
effectiveness of deep features as a perceptual metric" (CVPR 2018), version 0.1.

Features of both pictures in several layers of a network for images are scaled to length one in every place;
their squared differences are weighed per channel, as people's judgements taught, averaged over the picture
and added up over the layers: 0 for equal pictures, about 1 for unrelated ones. Figures of different networks
are not comparable; papers on interpolation and inpainting mostly quote AlexNet's. Colour is read in −1 to 1
at full resolution. Transparency is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from math import fsum

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from moviola.errors import InputError
from moviola.frames import Frames, Pixels
from moviola.metrics._pair import check_fit

NAME = "lpips"
UNIT = ""
HIGHER_IS_BETTER = False
REFERENCE = "needed"
MODELS = ("lpips-alex", "lpips-vgg", "lpips-squeeze")
NEEDS_MODEL = True
SUMMARY = "How far apart pictures look, to a network that learned from people (LPIPS); 0 for equal ones."

Distance = Callable[[Pixels, Pixels], float]
"""Of two pictures (H, W, 3 or 4) of one size and type."""


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Lpips:
    def __init__(self, distance: Distance) -> None:
        self._distance = distance
        self._values: list[float] = []

    def update(self, reference: Frames, candidate: Frames) -> NDArray[np.float64]:
        """The distance of each pair of pictures. They are looked at one by one, so that it does not matter
        with which others a picture comes."""
        check_fit(reference, candidate)
        values = [self._distance(a, b) for a, b in zip(reference.data, candidate.data, strict=True)]
        self._values += values
        return np.array(values, np.float64)

    def merge(self, other: Lpips) -> None:
        self._values += other._values

    def compute(self) -> float:
        """The mean over all frames.  Raises InputError when no frame was compared."""
        if not self._values:
            raise InputError("lpips has no frames to compare; give two videos with at least one frame")
        return fsum(self._values) / len(self._values)


def start(options: Options, distance: Distance) -> Lpips:
    return Lpips(distance)

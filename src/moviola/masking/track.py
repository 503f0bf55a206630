"""Following things without weights: by their motion and their colours.

The mask of the frame before is carried on along the optical flow; then its outline is moved to where the
colours change, and pixels whose colours are not the thing's are left out, so that what passes in front is
not taken in. A thing is lost where little of it is left, or what is left looks otherwise: then nothing is
selected until something of its size and colours turns up, near where it was lost, or after a scene cut
anywhere.

Things that are coloured like what is around them, or that change their looks within a few frames, are beyond
this; that is what networks are for. Importing this module needs OpenCV.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from moviola.frames import Pixels
from moviola.masking import outline
from moviola.masking.appearance import Colours, Floats, Selected, likelihood
from moviola.masking.follower import Following
from moviola.masking.outline import around, refined, whole
from moviola.masking.prompts import Spot
from moviola.motion import dense_flow
from moviola.motion.dense import look_up, places
from moviola.tasks.prompts import Box

_LEARNED = 0.05
"""How much of each frame, and again of the first one, goes into what is remembered of a thing's looks."""

_LOST = 0.12
"""Share of its size below which a thing is lost."""

_LIKE = 0.7
"""Likeness to what is remembered, below which something is another thing; of what turns up, `_ALIKE`."""

_ALIKE = 0.95

_SMALLEST, _LARGEST = 0.3, 2.5
"""Size of what may be the thing again, as a share of the one it had; at the border of the picture, where it
may be coming in, only `_LOST` is asked for."""

_SUDDEN = 0.85
"""Share of its size in the frame before, below which it is looked for elsewhere too."""

_SEARCH = 0.25
"""How much wider a lost thing is looked for with each frame, as a share of its size."""

_ANYWHERE = 100
"""Frames after which a lost thing is looked for in all of the picture; also what a scene cut counts for."""

_DISC = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))


class FlowTracker:
    """A `Tracker`: each prompt points at a thing of its own."""

    def begin(self, picture: Pixels, prompts: Sequence[Spot], frames: int) -> Selected:
        self._things = [_Thing(picture, prompt) for prompt in prompts]
        return self._selected()

    def next(self, picture: Pixels, cut: bool) -> Selected:
        for thing in self._things:
            thing.step(picture, cut)
        return self._selected()

    def _selected(self) -> Selected:
        selected: Selected = np.logical_or.reduce([thing.mask for thing in self._things])
        return selected


def by_flow() -> Following:
    """A follower without weights."""
    return Following(FlowTracker)


class _Thing:
    """One thing that is followed. mask: where it is, in the last picture; nothing where it is lost."""

    def __init__(self, picture: Pixels, prompt: Spot) -> None:
        if isinstance(prompt, Box):
            self.mask = outline.of_box(picture, prompt.x, prompt.y, prompt.w, prompt.h)
        else:
            self.mask = outline.of_point(picture, prompt.x, prompt.y)
        self._picture = picture
        self._first = self._looks = Colours.of(picture, self.mask)
        self._area = float(np.count_nonzero(self.mask))
        self._seen = self.mask
        self._lost = 0

    def step(self, picture: Pixels, cut: bool) -> None:
        found = None
        if self.mask.any() and not cut:
            found = self._carried_on(picture)
        if found is None or np.count_nonzero(found) < _SUDDEN * np.count_nonzero(self.mask):
            # Hidden, or so fast that the flow did not keep up: is it somewhere near?
            self._lost = _ANYWHERE if cut else self._lost + 1
            again = self._found_again(picture)
            if again is not None and (found is None or _is_more_of(again, found)):
                found = again
        if found is None:
            self.mask = np.zeros_like(self.mask)
        else:
            self._lost = 0
            self._remember(picture, found)
        self._picture = picture

    def _carried_on(self, picture: Pixels) -> Selected | None:
        size = np.sqrt(np.count_nonzero(self.mask))
        area = around(self.mask, int(max(32, size)))
        here, there = picture[area], self._picture[area]
        flow = dense_flow(here, there, preset="balanced")
        carried = look_up(self.mask[area].astype(np.float32), places(*flow.shape[:2]) + flow)
        if not (carried > 0.5).any():
            return None
        return self._cut_out(picture, area, carried)

    def _cut_out(self, picture: Pixels, area: tuple[slice, slice], guess: Floats) -> Selected | None:
        here = picture[area]
        inside = guess > 0.5
        radius = int(np.clip(0.06 * np.sqrt(np.count_nonzero(inside)), 2, 16))
        reach = np.ones((2 * radius + 3,) * 2, np.uint8)
        beyond = np.asarray(cv2.dilate(inside.astype(np.uint8), reach)) == 0
        like = likelihood(here, self._looks, Colours.of(here, beyond))
        smooth = cv2.GaussianBlur(guess, (0, 0), max(1.0, radius / 2))
        cut = refined(here, np.asarray(smooth), np.asarray(cv2.blur(like, (3, 3))), radius)
        found = np.zeros_like(self.mask)
        found[area] = whole(cut, inside)
        size = np.count_nonzero(found)
        if size < max(8, _LOST * self._area):
            return None
        looks = Colours.of(picture, found)
        if max(looks.likeness(self._first), looks.likeness(self._looks)) < _LIKE:
            return None
        return found

    def _found_again(self, picture: Pixels) -> Selected | None:
        """What looks like the thing, near where it was lost; the more frames ago, the farther away."""
        side = np.sqrt(self._area)
        reach = int(side * (2 + _SEARCH * self._lost)) if self._lost < _ANYWHERE else max(picture.shape)
        area = around(self._seen, reach)
        here = picture[area]
        like = likelihood(here, self._first.mixed(self._looks, 0.5), Colours.of(picture, ~self.mask))
        crowd = cv2.blur(like, (max(3, round(side / 2)),) * 2, borderType=cv2.BORDER_REFLECT)
        y, x = np.unravel_index(int(crowd.argmax()), crowd.shape)
        if crowd[y, x] < 0.5:
            return None
        blobs = cv2.morphologyEx((cv2.blur(like, (3, 3)) > 0.5).astype(np.uint8), cv2.MORPH_OPEN, _DISC)
        _, labels = cv2.connectedComponents(cv2.morphologyEx(blobs, cv2.MORPH_CLOSE, _DISC))
        blob = labels == labels[y, x] if labels[y, x] else None
        if blob is None:
            return None
        found = self._cut_out(picture, area, blob.astype(np.float32))
        if found is None:
            return None
        size = np.count_nonzero(found) / self._area
        least = _LOST if _touches_border(found) else _SMALLEST
        alike = Colours.of(picture, found).likeness(self._first)
        return found if least < size < _LARGEST and alike > _ALIKE else None

    def _remember(self, picture: Pixels, found: Selected) -> None:
        self.mask = self._seen = found
        now = Colours.of(picture, found)
        self._looks = self._looks.mixed(now, _LEARNED).mixed(self._first, _LEARNED)


def _is_more_of(other: Selected, found: Selected) -> bool:
    """Whether it is the same thing, and more of it: while a part is in sight, the thing is nowhere else."""
    return bool((other & found).any() and np.count_nonzero(other) > np.count_nonzero(found))


def _touches_border(mask: Selected) -> bool:
    return bool(mask[[0, -1]].any() or mask[:, [0, -1]].any())

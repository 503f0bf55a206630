"""Removes things by a model that paints what a mask selects: a `Remove` becomes an `Edit` of what lies there.

The model sees a part of the picture around the mask, in the size it works in: all of a small picture, of a
large one as much as leaves the object room. What it paints is laid into the original, which stays as it is
elsewhere, in its size, depth and transparency.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from moviola import registry
from moviola.card import Size
from moviola.clip import Clip
from moviola.frames import Frames, Mask, Pixels
from moviola.inpaint.background import surroundings
from moviola.masking.shapes import Opacity
from moviola.media.array import as_depth
from moviola.media.masks import MaskTrack, Selected, nothing_selected, open_mask
from moviola.model import Audience, Context, Event, Events, Model, Note, Place, Setup, Step, Window
from moviola.plan.choose import brief
from moviola.recipe import recipe
from moviola.removal.engine import Area, laid_in, shown
from moviola.roads.making import Take, make, validated
from moviola.roads.synthesis import Prepared, origins, prepare, with_weights
from moviola.roads.video import Ready, clip_of, encoding_like, inputs_of, output_beside
from moviola.tasks import Edit, Remove, Task
from moviola.tasks import request as task
from moviola.weights import fingerprint

ROOM = 1.5
"""How much more than the object the model sees, each way."""

PROMPT = (
    "An empty background with nothing and nobody in front of it. Floor, walls, ground and sky go on "
    "naturally from what is around, with the same light, texture, sharpness and camera movement."
)
NEGATIVE_PROMPT = (
    "people, faces, animals, vehicles, objects, text, logo, shadow of something unseen, silhouette, outline, "
    "hole, blur, smear, seam, flicker, artefacts"
)


class Painting(BaseModel):
    """What may be said of the painting, beside the model's own options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str = Field(PROMPT, min_length=1, description="what should be seen instead")
    negative_prompt: str = Field(NEGATIVE_PROMPT, description="what should not be seen")
    seed: int = Field(0, ge=0, lt=2**63, description="another seed, another take")
    steps: int | None = Field(None, ge=1, le=1000, description="denoising steps; default the model's own")
    guidance: float | None = Field(
        None, ge=0, le=100, description="how closely the prompt is followed; default the model's own"
    )


def plan(request: Remove) -> Prepared:
    """The painting that a request means, settled and planned; nothing is loaded. Raises MoviolaError."""
    return prepare(_edit(request))


def paint(request: Remove, ready: Ready) -> Events:
    """Do a `Remove` by a model that paints. The last event is a `Result` with a `VideoResult`.

    ready: gives the request its mask, once all is checked. Raises MoviolaError.
    """
    clip = clip_of(request)
    prepared = yield from with_weights(_edit(request))
    card, edit = prepared.card, prepared.request
    assert isinstance(edit, Edit)
    assert edit.size is not None
    kept = card.limits.model_copy(update={"max_depth": 16, "alpha": True})
    encoding, notes = encoding_like(
        request, clip, card.model_copy(update={"limits": kept}), output_beside(request)
    )
    inputs = inputs_of(request)
    if request.weights is not None:
        inputs["weights"] = fingerprint(request.weights)
    made_by = recipe(request, card, inputs) | {
        "plan": prepared.plan.settings(),
        "weights": origins(prepared),
    }
    notes.append(f"runs on {brief(prepared.plan)}")
    notes.append(
        f"painted at {edit.size[0]}x{edit.size[1]} in 8 bits; what is not under the mask stays as it is"
    )
    masked = yield from ready(request, clip, notes)
    assert isinstance(masked, Remove)
    assert prepared.folders is not None
    model = prepared.family.load(card, Setup(prepared.folders, prepared.plan))
    take = Take(request, prepared.output, encoding, made_by, inputs, clip, notes)
    yield from make(take, _Painter(model, edit, masked.mask), prepared.options)


def _edit(request: Remove) -> Edit:
    """What is asked of the model; its mask only stands for the one that is made once all is checked."""
    _, card = registry.find(request.model, task=request.verb)
    said = {name: value for name, value in request.options.items() if name in Painting.model_fields}
    own = {name: value for name, value in request.options.items() if name not in said}
    shared = set(Edit.model_fields) & set(Remove.model_fields) - {"options", "mask"}
    painting = validated(Painting, said, card).model_dump(exclude_none=True)
    fields = {name: getattr(request, name) for name in shared} | painting
    mask = "mask" if request.mask is None else request.mask
    edit = task(Edit, fields | {"options": own, "mask": mask, "fit": True, "output": output_beside(request)})
    assert isinstance(edit, Edit)
    return edit


class _Painter:
    """Has a model paint under a mask, and leaves all else as it is. edit: settled, but for its mask."""

    def __init__(self, model: Model, edit: Edit, mask: Any) -> None:
        self._model, self._edit, self._mask = model, edit, mask

    def run(self, request: Task, options: Any, context: Context) -> Events:
        """Ends with a Note where the mask selects nothing at all."""
        assert isinstance(request, Remove)
        assert self._edit.size is not None
        track = open_mask(self._mask, context.clip.source)
        if track.matched is not None:
            yield Note(track.matched)
        near = _Near(context, track, request, self._edit.size)
        edit = self._edit.model_copy(update={"mask": near.mask()})
        yield from self._model.run(edit, options, near)
        if nothing_selected(near.selects):
            yield Note(f"mask {track.name} selects nothing; the pictures are unchanged")


class _Near:
    """The context of a model that sees what is around a mask, in its own size, and answers in it."""

    def __init__(self, context: Context, track: MaskTrack, request: Remove, size: Size) -> None:
        self._context, self._track, self._request, self._size = context, track, request, size
        self.selects: dict[int, bool] = {}

    @property
    def clip(self) -> Clip:
        return self._context.clip

    @property
    def clips(self) -> Sequence[Clip]:
        return self._context.clips

    @property
    def audience(self) -> Audience:
        return self._context.audience

    @property
    def place(self) -> Place:
        return self._context.place

    def mask(self) -> MaskTrack:
        """What the model is to paint, as it sees it."""
        width, height = self._size

        def read(first: int, count: int) -> Selected:
            holes = self.opacity(first, count) > 0
            return resized(holes[:, *around(holes, self._size)].astype(np.uint8) * 255, self._size) > 127

        return MaskTrack(self._track.name, self._track.length, width, height, read, whole=True)

    def each_window(
        self, step: Step, *, size: int, before: int = 0, after: int = 0, fade: bool = False
    ) -> Events:
        def painted(window: Window) -> Iterator[Frames | Event]:
            frames = window.frames
            opacity = self.opacity(window.first, len(frames))
            self.selects[window.number] = bool(opacity.any())
            if not self.selects[window.number]:
                yield frames
                return
            area = around(opacity > 0, self._size)
            seen = resized(as_depth(frames.data[:, *area][..., :3], 8), self._size)
            small = Frames(seen, frames.pts_seconds, frames.duration_seconds)
            made: list[Pixels] = []
            for event in step(replace(window, frames=small)):
                if isinstance(event, Frames):
                    made.append(event.data)
                else:
                    yield event
            rows, columns = area
            answer = resized(np.concatenate(made), (columns.stop - columns.start, rows.stop - rows.start))
            yield laid_in(frames, answer, opacity, area)

        assert fade, "a model that edits answers for every frame of a window"
        yield from self._context.each_window(painted, size=size, before=before, after=after, fade=fade)

    def opacity(self, first: int, count: int) -> Opacity:
        """How much of what is painted is shown, (T, H, W) in 0 to 1."""
        times = np.zeros(count)
        mask = Mask(self._track.at(first, count), times, times)
        return shown(mask, self._request.grow, self._request.feather)


def around(holes: Selected, size: Size) -> Area:
    """Rows and columns that a model of this size (width, height) sees of a picture with holes (T, H, W).

    They hold all holes with room around them, and have the model's size where there are so many.
    """
    height, width = holes.shape[1:]
    if not holes.any():
        return slice(0, height), slice(0, width)
    sides = surroundings(holes, 0)
    scale = max(
        1.0, *(ROOM * (side.stop - side.start) / most for side, most in zip(sides, size[::-1], strict=True))
    )
    rows, columns = (
        _centred(side, round(scale * most), whole)
        for side, most, whole in zip(sides, size[::-1], (height, width), strict=True)
    )
    return rows, columns


def _centred(side: slice, length: int, whole: int) -> slice:
    """So many pixels around a stretch of them, or all there are."""
    length = min(length, whole)
    start = min(max(0, (side.start + side.stop - length) // 2), whole - length)
    return slice(start, start + length)


def resized(pictures: Pixels, size: Size) -> Pixels:
    """(T, H, W) or (T, H, W, C) → the same in (width, height), by Lanczos or, where smaller, by area."""
    if pictures.shape[1:3] == size[::-1]:
        return pictures
    smaller = pictures.shape[2] > size[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LANCZOS4
    return np.stack([cv2.resize(picture, size, interpolation=how) for picture in pictures])

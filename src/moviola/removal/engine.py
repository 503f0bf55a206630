"""Removes what a mask selects: a family says how holes are filled, all the rest is here.

Of each window the pictures are cut to what is around the holes, filled, and laid over the originals. What a
mask selects, and half of what it is grown by, is replaced wholly; from there the result fades into the
original over the other half of `grow` and over `feather`. Beyond that every pixel is the input's, to the bit.

Windows are the same whatever memory there is, so that broken-off work fits together with what follows. Where
a window does not fit, it is filled in shorter pieces that overlap and are cross-faded.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from moviola.errors import InputError, ModelError, RequestError
from moviola.frames import Frames, Mask, Pixels
from moviola.inpaint.background import surroundings
from moviola.masking.shapes import Opacity, feathered, grown
from moviola.media.array import as_depth
from moviola.media.masks import nothing_selected, open_mask
from moviola.model import Context, Event, Events, Note, Partial, Window
from moviola.plan.choose import RESERVE, gb
from moviola.plan.machine import free_bytes
from moviola.removal.options import Filling
from moviola.windows import Shape, cut_into_windows, feed

if TYPE_CHECKING:
    from moviola.tasks import Remove

Holes = NDArray[np.bool_]

Area = tuple[slice, slice]
"""Rows and columns."""

GROW = 4
"""Pixels a mask is widened by where nothing is said: as ProPainter's authors do."""

LEAST = 8
"""Frames of the shortest piece: with fewer, next to nothing is seen of what was behind."""


class Filler(Protocol):
    """A family's way of filling holes. options: the family's own.

    name: the model's, for messages. device: where it works, `cpu` or `cuda:0`.
    held_bytes: of the device's memory, taken all the time.
    """

    name: str
    device: str
    held_bytes: int

    def margin(self, options: Any) -> int:
        """Pixels around the holes that it has to see."""
        ...

    def needed_bytes(self, frames: int, height: int, width: int) -> int:
        """About how much of the device's memory it takes beside `held_bytes` to fill so many frames."""
        ...

    def filled(self, frames: Pixels, holes: Holes, options: Any) -> Pixels:
        """Frames (T, H, W, 3) of one scene, their holes (T, H, W) filled; elsewhere anything.

        There may be frames without a hole, and frames that are nothing else. Raises MemoryError where memory
        runs out, and then holds none of it any more.
        """
        ...


class Removal:
    """The model of a family that removes. free: bytes of a device that are free."""

    def __init__(self, filler: Filler, *, free: Callable[[str], int] = free_bytes) -> None:
        self._filler, self._free = filler, free

    def run(self, request: Remove, options: Filling, context: Context) -> Events:
        """Ends with a Note where the mask selects nothing at all."""
        mask = open_mask(request.mask, context.clip.source, whole=True)
        if mask.length is None and mask.at(0, 1).all():
            raise InputError(f"mask {mask.name} selects every pixel; leave something to fill it from")
        if mask.matched is not None:
            yield Note(mask.matched)
        pieces = _Pieces(self._filler, options, self._room(request.memory))
        selects: dict[int, bool] = {}

        def step(window: Window) -> Iterator[Frames | Event]:
            frames = window.frames
            chosen = Mask(mask.at(window.first, len(frames)), frames.pts_seconds, frames.duration_seconds)
            selects[window.number] = bool(chosen.data.any())
            if chosen.data.all():
                raise InputError(
                    f"mask {mask.name} selects every pixel from frame {window.first} to "
                    f"{window.first + len(frames) - 1}; leave something to fill them from"
                )
            if not selects[window.number]:
                yield frames
                return
            opacity = shown(chosen, request.grow, request.feather)
            yield (yield from _replaced(frames, opacity, pieces))

        quarter = options.window // 4
        yield from context.each_window(step, size=options.window, before=quarter, after=quarter, fade=True)
        if nothing_selected(selects):
            yield Note(f"mask {mask.name} selects nothing; the pictures are unchanged")

    def _room(self, memory: int | None) -> float:
        """Bytes that filling may take."""
        free = self._free(self._filler.device)
        most = free if memory is None else min(memory - self._filler.held_bytes, free)
        return most * (1 - RESERVE)


def shown(mask: Mask, grow: int | None, feather: int) -> Opacity:
    """How much of what is filled is shown, (T, H, W) in 0 to 1. grow: None is `GROW`.

    1 on the mask and half of what it is grown by, 0 from `grow` and `feather` pixels around it on, evenly
    falling in between; all or nothing where else a whole frame would be hidden.
    """
    grow = GROW if grow is None else grow
    fading = grow // 2
    kernel = grown(mask, grow - fading)
    opacity = feathered(kernel, fading + feather)
    hidden = opacity.all(axis=(1, 2))
    opacity[hidden] = kernel.data[hidden]
    return opacity


def _replaced(frames: Frames, opacity: Opacity, pieces: _Pieces) -> Generator[Event, None, Frames]:
    holes = opacity > 0
    rows, columns = surroundings(holes, pieces.margin)
    near = np.ascontiguousarray(frames.data[:, rows, columns, :3])
    seen = Frames(near, frames.pts_seconds, frames.duration_seconds)
    made = yield from pieces.filled(seen, holes[:, rows, columns])
    return laid_in(frames, made, opacity, (rows, columns))


def laid_in(frames: Frames, made: Pixels, opacity: Opacity, area: Area) -> Frames:
    """The frames with what was made of an area of them, (T, h, w, 3) of 8 or 16 bits, laid into it.

    opacity: (T, H, W) in 0 to 1; where it is 0 nothing changes.
    """
    rows, columns = area
    answer, fresh = frames.data.copy(), as_depth(made, frames.depth)
    for target, picture, weight in zip(answer, fresh, opacity[:, rows, columns, None], strict=True):
        part, share = target[rows, columns, :3], weight.astype(np.float64)
        # In float64, as 16-bit values times 1.0 have to come out as they were.
        part[:] = np.rint(part * (1 - share) + picture * share)
    return Frames(answer, frames.pts_seconds, frames.duration_seconds)


class _Pieces:
    """Fills windows, in shorter pieces where memory is short; what has proved too long is not tried again.

    room: bytes that filling may take.
    """

    def __init__(self, filler: Filler, options: Filling, room: float) -> None:
        self._filler, self._options, self._room = filler, options, room
        self._most: int | None = None
        self.margin = filler.margin(options)

    def filled(self, frames: Frames, holes: Holes) -> Generator[Event, None, Pixels]:
        size = self._fitting(len(frames), frames.height, frames.width)
        while True:
            try:
                return self._in_pieces(frames, holes, size)
            except MemoryError:
                pass  # and out of here, so that nothing of what failed is held on to
            shape = f"{size} frames of {frames.width}x{frames.height}"
            if size <= LEAST:
                raise ModelError(
                    f"memory ran out over {shape}, and fewer are not worth filling; use --device cpu, "
                    "a smaller mask, smaller pictures, or the model's options (moviola models show)"
                )
            size = self._most = max(LEAST, size // 2)
            yield Note(f"memory ran out over {shape}; going on with {size} frames at a time")

    def _fitting(self, count: int, height: int, width: int) -> int:
        """Frames of a piece. Raises RequestError where not even the shortest fits."""
        size = count if self._most is None else min(count, self._most)
        while size > LEAST and self._filler.needed_bytes(size, height, width) > self._room:
            size = max(LEAST, size * 3 // 4)
        if (needed := self._filler.needed_bytes(size, height, width)) > self._room:
            raise RequestError(
                f"{self._filler.name} needs about {gb(self._filler.held_bytes + needed)} to fill {size} "
                f"frames of {width}x{height}, and may use {gb(self._filler.held_bytes + self._room)}; allow "
                "more memory, or use a smaller mask or smaller pictures"
            )
        return size

    def _in_pieces(self, frames: Frames, holes: Holes, size: int) -> Pixels:
        def step(piece: Window) -> Iterator[Frames]:
            those = holes[piece.first : piece.first + len(piece.frames)]
            made = piece.frames.data
            if those.any():
                made = self._filler.filled(made, those, self._options)
            yield Frames(made, piece.frames.pts_seconds, piece.frames.duration_seconds)

        if size >= len(frames):
            return self._filler.filled(frames.data, holes, self._options)
        shape = Shape(size - 2 * (size // 4), size // 4, size // 4)
        cut = cut_into_windows([(frames, np.zeros(len(frames), np.bool_))], shape)
        events = feed(step, cut, shape, fade=True, tail=None, total=None)
        return Frames.concatenate(event.frames for event in events if isinstance(event, Partial)).data

"""Following what prompts point at through a video, both ways in time, in bounded memory.

Masks come in the order of the video. So what lies before a prompted frame is followed first, backward from
it: a window of frames is decoded at once and gone through from its end, then the window before it. The masks
are kept packed, a few hundred bytes to a few kilobytes each, until their turn comes. From the prompted frame
on, each chunk of frames is answered as it is read. Never more than a window of pictures is held.

Things are not followed over a scene cut unless they are found again: a tracker is told of it, and selects
nothing until then.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from moviola.clip import Clip
from moviola.frames import Mask, Pixels
from moviola.masking.prompts import Spot, by_frame
from moviola.media.scenes import LOOKAHEAD, WARMUP, mark_cuts
from moviola.media.span import Span

CHUNK = 16
"""Frames that are decoded and answered at once."""

Selected = NDArray[np.bool_]
"""(H, W), True on the objects."""


class Follower(Protocol):
    def follow(self, clip: Clip, prompts: Sequence[Spot], span: Span) -> Iterator[Mask]:
        """Masks for all frames of the span in their order, a chunk at a time.

        True is any of the things the prompts point at; nothing is where none of them is seen.
        Raises RequestError, before anything is decoded, for a prompt outside of picture or span.
        """
        ...


class Tracker(Protocol):
    """Follows things through pictures in order; pictures are (H, W, 3) uint8 R'G'B'.

    Whether they come forward or backward in time makes no difference.
    """

    def begin(self, picture: Pixels, prompts: Sequence[Spot], frames: int) -> Selected:
        """What the prompts point at. frames: how many pictures the whole clip has."""
        ...

    def next(self, picture: Pixels, cut: bool) -> Selected:
        """The same things in the next picture. cut: whether another scene begins with it."""
        ...


class Following:
    """A `Follower` by trackers: one for the prompts of each frame and direction."""

    def __init__(self, tracker: Callable[[], Tracker]) -> None:
        self._tracker = tracker

    def follow(self, clip: Clip, prompts: Sequence[Spot], span: Span) -> Iterator[Mask]:
        groups = by_frame(prompts, clip, span)
        return self._followed(clip, groups, span)

    def _followed(self, clip: Clip, groups: dict[int, list[Spot]], span: Span) -> Iterator[Mask]:
        earliest = min(groups)
        before = _Before(clip.height, clip.width)
        for start, spots in groups.items():
            self._backward(clip, start, spots, span, before)
        timeline = clip.timeline()
        for first in range(span.first, earliest, CHUNK):
            chosen = slice(first, min(first + CHUNK, earliest))
            masks = np.stack([before.pop(index) for index in range(chosen.start, chosen.stop)])
            yield Mask(masks, timeline.pts_seconds[chosen], timeline.duration_seconds[chosen])
        yield from self._forward(clip, groups, span, before)

    def _backward(self, clip: Clip, start: int, spots: Sequence[Spot], span: Span, before: _Before) -> None:
        """Follow from frame `start` to the beginning of the span."""
        if start == span.first:
            return
        tracker = self._tracker()
        tracker.begin(clip.source.frames_at([start]).data[0], spots, span.end - span.first)
        cut = False
        for stop in range(start + 1, span.first, -CHUNK):
            window = _window(clip, max(span.first, stop - CHUNK), stop, span)
            for index in reversed(range(window.first, stop)):
                if index < start:
                    before.add(index, tracker.next(window.picture(index), cut))
                cut = window.begins_scene(index)

    def _forward(
        self, clip: Clip, groups: dict[int, list[Spot]], span: Span, before: _Before
    ) -> Iterator[Mask]:
        """Follow from the first prompted frame to the end of the span."""
        earliest = min(groups)
        warm = max(span.first, earliest - WARMUP)
        trackers: list[Tracker] = []
        index = warm
        for chunk, cuts in mark_cuts(clip.chunks(CHUNK, start=warm, stop=span.end)):
            masks = np.zeros(chunk.data.shape[:3], np.bool_)
            for mask, picture, cut in zip(masks, chunk.data, cuts, strict=True):
                if index >= earliest:
                    for tracker in trackers:
                        mask |= tracker.next(picture, bool(cut))
                    if index in groups:
                        trackers.append(self._tracker())
                        mask |= trackers[-1].begin(picture, groups[index], span.end - span.first)
                    mask |= before.pop(index)
                index += 1
            answered = slice(max(0, earliest - (index - len(chunk))), None)
            if len(times := chunk.pts_seconds[answered]):
                yield Mask(masks[answered], times, chunk.duration_seconds[answered])


class _Before:
    """Masks of frames before those that prompts are about, packed: bits, without repetitions (deflate)."""

    def __init__(self, height: int, width: int) -> None:
        self._held: dict[int, bytes] = {}
        self._shape = height, width

    def add(self, index: int, mask: Selected) -> None:
        """Select what is selected already, and this."""
        if index in self._held:
            mask = mask | self._unpacked(self._held[index])
        self._held[index] = zlib.compress(np.packbits(mask).tobytes(), level=1)

    def pop(self, index: int) -> Selected:
        held = self._held.pop(index, None)
        return np.zeros(self._shape, np.bool_) if held is None else self._unpacked(held)

    def _unpacked(self, held: bytes) -> Selected:
        height, width = self._shape
        bits = np.frombuffer(zlib.decompress(held), np.uint8)
        return np.unpackbits(bits, count=height * width).reshape(height, width).astype(np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """Frames [first, first + n) and whether each begins a scene."""

    first: int
    pictures: Pixels
    cuts: NDArray[np.bool_]

    def picture(self, index: int) -> Pixels:
        picture: Pixels = self.pictures[index - self.first]
        return picture

    def begins_scene(self, index: int) -> bool:
        return bool(self.cuts[index - self.first])


def _window(clip: Clip, first: int, stop: int, span: Span) -> _Window:
    """Decode a window, with as much around it as decides about cuts."""
    warm = max(span.first, first - WARMUP)
    pictures, cuts = [], []
    for chunk, flags in mark_cuts(clip.chunks(CHUNK, start=warm, stop=min(span.end, stop + LOOKAHEAD))):
        pictures.append(chunk.data)
        cuts.append(flags)
    asked = slice(first - warm, stop - warm)
    return _Window(first, np.concatenate(pictures)[asked], np.concatenate(cuts)[asked])

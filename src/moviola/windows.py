"""Cuts any clip into overlapping windows that respect scene cuts, and puts the answers together again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moviola.errors import ModelError
from moviola.frames import Frames
from moviola.model import Committed, Event, Events, Partial, Place, Progress, Step, Window

Marked = tuple[Frames, NDArray[np.bool_]]
"""A chunk of frames and, for each, whether it begins a scene."""


_BEGINNING = Place()


@dataclass(frozen=True, slots=True)
class Shape:
    """How a clip is cut, in frames: a core of at most `size`, context of at most `before` and `after`."""

    size: int
    before: int = 0
    after: int = 0

    def __post_init__(self) -> None:
        if self.size < max(1, self.before + self.after):
            raise ValueError(f"a core of {self.size} frames is shorter than its context: {self}")


def cut_into_windows(
    marked: Iterable[Marked], shape: Shape, *, first: int = 0, place: Place = _BEGINNING
) -> Iterator[Window]:
    """Tile a stream of frames with windows.

    marked: the stream, as `media.scenes.mark_cuts` gives it.
    first: presentation index of the stream's first frame.
    place: the window to begin with. Frames before its core serve as context only, and all windows are those
        that cutting the stream from its beginning would give.
    """
    held: deque[tuple[Frames, bool]] = deque()  # single frames, and whether each begins a scene
    base, start, number = first, place.start, place.number  # base is the index of held[0]

    def begins_scene(index: int) -> bool:
        return index == 0 or held[index - base][1]

    def next_window(known: int, *, last: bool) -> Window:
        """The window at `start`, where frames up to index `known` are held."""
        end = next((index for index in range(start + 1, known) if begins_scene(index)), known)
        stop = min(start + shape.size, end)
        left = start
        while left > max(base, start - shape.before) and not begins_scene(left):
            left -= 1
        frames = Frames.concatenate(held[i - base][0] for i in range(left, min(stop + shape.after, end)))
        return Window(
            number=number,
            frames=frames,
            first=left,
            core=slice(start - left, stop - left),
            opens_scene=begins_scene(start),
            closes_scene=stop == end,
            ends_clip=last and stop == known,
        )

    # One frame beyond the context tells whether the core is the last of its scene.
    ahead = shape.size + shape.after + 1
    for chunk, begins in marked:
        held.extend((chunk[i : i + 1], bool(flag)) for i, flag in enumerate(begins))
        while base + len(held) >= start + ahead:
            window = next_window(start + ahead, last=False)
            yield window
            start, number = window.first + window.core.stop, number + 1
            while base < start - shape.before:
                held.popleft()
                base += 1
    while start < base + len(held):
        window = next_window(base + len(held), last=True)
        yield window
        start, number = window.first + window.core.stop, number + 1


def cross_faded(
    answer: Frames, window: Window, before: int, tail: Frames | None
) -> tuple[Frames, Frames | None]:
    """Blend a window's answer with that of the window before it.

    answer: one frame for every frame of `window`, context too. before: the shape's context before a core.
    tail: what the window before kept back. Weights run linearly over the overlap, from 1/(n+1) to n/(n+1).
    Returns the frames that are final now, and the tail to keep for the next window.
    """
    if tail is not None:
        new = np.arange(1, len(tail) + 1, dtype=np.float32)[:, None, None, None] / (len(tail) + 1)
        blend = np.rint(tail.data * (1 - new) + answer.data[: len(tail)] * new).astype(answer.data.dtype)
        answer = Frames(
            np.concatenate([blend, answer.data[len(tail) :]]), answer.pts_seconds, answer.duration_seconds
        )
    if window.closes_scene:
        return answer, None
    final = window.core.stop - before
    return answer[:final], answer[final:]


def feed(
    step: Step, windows: Iterator[Window], shape: Shape, *, fade: bool, tail: Frames | None, total: int | None
) -> Events:
    """Give every window to a model's step; yield what becomes final, and how far the work is.

    fade: the step answers for context too, and overlaps are cross-faded. tail: from the place to begin with.
    total: frames of the clip, for progress; None where it is not known.
    """
    for window in windows:
        if fade:
            parts: list[Frames] = []
            for made in step(window):
                if isinstance(made, Frames):
                    parts.append(made)
                else:
                    yield _placed(made, window, total)
            answer = Frames.concatenate(parts)
            if len(answer) != len(window.frames):
                raise ModelError(f"the model answered {len(answer)} frames for {len(window.frames)}")
            final, tail = cross_faded(answer, window, shape.before, tail)
            yield Partial(final)
        else:
            for made in step(window):
                if not isinstance(made, Frames):
                    yield _placed(made, window, total)
                    continue
                yield Partial(made)
                reached = np.searchsorted(window.frames.pts_seconds, made.pts_seconds[-1], side="right")
                yield Progress(window.first + int(reached), total)
        stop = window.first + window.core.stop
        yield Progress(stop, total)
        yield Committed(window.number, stop, tail)


def _placed(event: Event, window: Window, total: int | None) -> Event:
    """An event of a step as one of the whole job: progress within the window becomes frames of the clip."""
    if not isinstance(event, Progress) or not event.total:
        return event
    start, stop = window.first + window.core.start, window.first + window.core.stop
    return Progress(start + (stop - start) * event.done / event.total, total)

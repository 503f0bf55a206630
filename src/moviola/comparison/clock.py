"""When the pictures of a comparison are shown, and where the clocks of both videos stand then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from moviola.errors import InputError
from moviola.frames import Frames, Pixels, Seconds
from moviola.media.source import Timeline

_ROUNDING = 0.25
"""Share of the shortest step by which a picture may come early: containers round times, Matroska to 1 ms."""

_HELD = 0.75
"""Share of the result's usual step: where it has no picture so near, a change of the input adds one."""


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """When the pictures of a comparison are shown: (N,) seconds each, in order.

    pts_seconds, duration_seconds: on the result's clock, so that its sound fits.
    before_seconds, after_seconds: on the clocks of the input and the result; each side shows the last of its
        pictures that is not later than this.
    """

    pts_seconds: Seconds
    duration_seconds: Seconds
    before_seconds: Seconds
    after_seconds: Seconds

    def __len__(self) -> int:
        return len(self.pts_seconds)


def clock_of(before: Timeline, after: Timeline) -> Clock:
    """The clock of a comparison of two videos that begin together, whatever their clocks say then.

    There is a picture whenever the result has one, and where it has none for longer than its usual step, as
    after its end, whenever the input has. A side that has come to its end shows its last picture.

    Raises InputError where there is nothing to compare.
    """
    if not len(before) or not len(after):
        raise InputError("there are no pictures to compare")
    apart = float(after.pts_seconds[0] - before.pts_seconds[0])
    changes, end = before.pts_seconds + apart, max(after.end_seconds, before.end_seconds + apart)

    usual = float(np.median(np.diff(after.pts_seconds, append=after.end_seconds)))
    pts = np.union1d(after.pts_seconds, changes[_apart(changes, after.pts_seconds) > _HELD * usual])
    steps = np.concatenate([np.diff(times) for times in (changes, pts)])
    due = pts + _ROUNDING * float(steps.min(initial=usual))
    return Clock(
        pts_seconds=pts,
        duration_seconds=np.diff(pts, append=end),
        before_seconds=due - apart,
        after_seconds=due,
    )


def _apart(times: Seconds, others: Seconds) -> Seconds:
    """Seconds from each time to the nearest of `others`, which are in order and not none."""
    place = np.searchsorted(others, times)
    before, after = others[np.maximum(place - 1, 0)], others[np.minimum(place, len(others) - 1)]
    nearest: Seconds = np.minimum(np.abs(times - before), np.abs(times - after))
    return nearest


def due(chunks: Iterable[Frames], times: Iterable[float]) -> Iterator[Pixels]:
    """The picture that is shown at each of these times, which never go back: (H, W, C).

    It is the last that is not later; before the first picture, that one. Raises InputError without any.
    """
    pictures = (
        (seconds, picture)
        for chunk in chunks
        for seconds, picture in zip(chunk.pts_seconds.tolist(), chunk.data, strict=True)
    )
    shown = next(pictures, None)
    if shown is None:
        raise InputError("there are no pictures to compare")
    coming = next(pictures, None)
    for time in times:
        while coming is not None and coming[0] <= time:
            shown, coming = coming, next(pictures, None)
        yield shown[1]

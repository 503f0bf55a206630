"""Hard cuts between shots, found while the frames stream by.

Every frame is reduced to a small look: 18 × 32 cells of luma and chroma. The *step* between two looks is what
remains of one after its blocks have been matched in the other, wherever they moved and however the light
changed, as a share of the detail there is: about 0 for the same picture, up to 0.5 for motion, near 1 or
above for another shot. A frame starts a new scene where the step into it stands out from the steps around it,
and where no frame shortly before looks like one shortly after (or else it was a flash).

The decision about a frame rests on WARMUP frames before it and LOOKAHEAD frames after it, and on nothing
else: reading that starts WARMUP frames earlier decides alike. `benchmarks/cuts.py` says how well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from moviola.frames import Depth, Frames, Pixels
from moviola.media.retimed import Retimed
from moviola.media.source import Source

THRESHOLD = 0.38
"""The step that makes a cut where nothing else moves. Tuned on spliced real clips (`benchmarks/cuts.py`)."""

_RESTLESS = 0.75
"""How much a cut must have on top: this share of the usual step on the more restless side of it."""

_UNKNOWN = 0.6
"""The step assumed beyond the ends of the stream: a lone pair is a cut only if it cannot be fast motion."""

_FLASH = 4
"""A disturbance of at most so many frames, after which the shot goes on, is no cut."""

_LASTING = 0.8
"""How much of its step a cut keeps between any frame shortly before and any shortly after."""

_AROUND = 3
"""Steps looked at on each side."""

_TINY = 1e-6
"""Seconds that are nothing, in sums of times."""

WARMUP = _FLASH + 1
LOOKAHEAD = _FLASH

_ROWS, _COLUMNS, _SAMPLES = 18, 32, 4
_BLOCK_ROWS, _BLOCK_COLUMNS = 6, 8
_REACH_ROWS, _REACH_COLUMNS = 3, 6
"""How far a block may have moved: a sixth of the height, a fifth of the width."""

_EXPOSURE = 3.0
"""A change of contrast up to this factor is taken for a change of light."""

_PLAIN = 6.0
"""Levels of detail (of 255) that every cell is granted, so that noise on a plain picture makes no step."""

_FINE = 4
"""Looks are whole numbers in units of 1/4 of a level."""


def mark_cuts(
    chunks: Iterable[Frames], *, threshold: float = THRESHOLD
) -> Iterator[tuple[Frames, NDArray[np.bool_]]]:
    """Pass chunks on, each with a flag per frame: True where the frame starts a new scene.

    The first frame of the stream is never flagged. At most LOOKAHEAD frames, rounded up to whole chunks, are
    held back. threshold: larger finds fewer cuts; where all is calm around it, a cut is a step of this size.
    """
    waiting: deque[Frames] = deque()
    window = _Window()
    flags: list[bool] = []
    for chunk in chunks:
        waiting.append(chunk)
        for cells in _cells(chunk.data):
            window.append(_look(cells))
            if window.ahead > LOOKAHEAD:
                flags.append(window.judge(threshold))
        yield from _judged(waiting, flags)
    while window.ahead:
        flags.append(window.judge(threshold))
    yield from _judged(waiting, flags)


def marked(
    source: Source, *, start: int = 0, chunk: int = 16, depth: Depth = 8, alpha: bool = False
) -> Iterator[tuple[Frames, NDArray[np.bool_]]]:
    """Frames of a source from `start` on, each with its flag, as if all had been read from the beginning.

    Of a part, frames outside of it have their say too: it has the cuts that the whole has there.
    """
    how: dict[str, Any] = {"chunk": chunk, "depth": depth, "alpha": alpha}
    lead = min(start, WARMUP)
    if not isinstance(source, Retimed):
        for frames, flags in mark_cuts(source.read(start=start - lead, **how)):
            dropped = min(lead, len(frames))
            lead -= dropped
            if dropped < len(frames):
                yield frames[dropped:], flags[dropped:]
        return
    times = source.timeline()
    if start < len(times):
        begin, end = times.pts_seconds[start] - _TINY, times.end_seconds - _TINY
        for frames, flags in mark_cuts(source.read_around(start, WARMUP, LOOKAHEAD, **how)):
            inside = np.flatnonzero((frames.pts_seconds >= begin) & (frames.pts_seconds < end))
            if len(inside):
                yield frames[inside], flags[inside]


def _judged(waiting: deque[Frames], flags: list[bool]) -> Iterator[tuple[Frames, NDArray[np.bool_]]]:
    """Release the chunks whose frames all have their flag."""
    while waiting and len(waiting[0]) <= len(flags):
        chunk = waiting.popleft()
        yield chunk, np.array(flags[: len(chunk)], np.bool_)
        del flags[: len(chunk)]


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """wide: (3, rows, columns) luma and two chroma differences, the edges extended by the reach.

    spread: standard deviation of luma.  detail: how far the cells lie from the mean of their block, summed.
    """

    wide: NDArray[np.int16]
    spread: float
    detail: float

    @property
    def planes(self) -> NDArray[np.int16]:
        return self.wide[:, _REACH_ROWS:-_REACH_ROWS, _REACH_COLUMNS:-_REACH_COLUMNS]

    def dimmed(self, gain: float) -> _Look:
        wide = np.rint(self.wide * gain).astype(np.int16)
        return _Look(wide, self.spread * gain, self.detail * gain)


class _Window:
    """The looks and steps around the frame that is judged next; older ones are let go."""

    def __init__(self) -> None:
        self._looks: list[_Look] = []
        self._steps: list[float | None] = []  # into each frame from the one before; None into the first
        self._next = 0

    @property
    def ahead(self) -> int:
        """Frames not judged yet."""
        return len(self._looks) - self._next

    def append(self, look: _Look) -> None:
        self._steps.append(_step(self._looks[-1], look) if self._looks else None)
        self._looks.append(look)

    def judge(self, threshold: float) -> bool:
        verdict = _is_cut(self._looks, self._steps, self._next, threshold)
        self._next += 1
        outdated = max(0, self._next - WARMUP)
        del self._looks[:outdated], self._steps[:outdated]
        self._next -= outdated
        return verdict


def _is_cut(looks: Sequence[_Look], steps: Sequence[float | None], at: int, threshold: float) -> bool:
    step = steps[at]
    if step is None or step < threshold:
        return False
    sides = steps[max(0, at - _AROUND) : at], steps[at + 1 : at + 1 + _AROUND]
    needed = threshold + _RESTLESS * max(_usual(side) for side in sides)
    if step < needed:
        return False
    before = [looks[i] for i in range(max(0, at - WARMUP), at - 1)]
    after = looks[at + 1 : at + 1 + LOOKAHEAD]
    bridges = [(look, looks[at]) for look in before] + [(looks[at - 1], look) for look in after]
    return all(_step(a, b) >= _LASTING * step for a, b in bridges)


def _usual(steps: Sequence[float | None]) -> float:
    known = [step for step in steps if step is not None]
    return median(known) if known else _UNKNOWN


def _cells(data: Pixels) -> NDArray[np.uint32]:
    """(T, H, W, C) pixels to (T, rows, columns, 3) sums of 4 × 4 samples spread over each cell.

    Whole numbers, so that the way the stream is cut into chunks cannot change a bit.
    """
    rows, columns = (
        (2 * np.arange(_SAMPLES * cells) + 1) * size // (2 * _SAMPLES * cells)
        for cells, size in ((_ROWS, data.shape[1]), (_COLUMNS, data.shape[2]))
    )
    sums = np.zeros((len(data), _ROWS, _COLUMNS, 3), np.uint32)
    for i in range(_SAMPLES):
        lines = data.take(rows[i::_SAMPLES], axis=1)
        for j in range(_SAMPLES):
            sums += lines.take(columns[j::_SAMPLES], axis=2)[..., :3]
    return sums if data.dtype == np.uint8 else sums // 257


def _look(cells: NDArray[np.uint32]) -> _Look:
    red, green, blue = np.moveaxis(cells * (_FINE / _SAMPLES**2), -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    planes = np.stack([luma - luma.mean(), (blue - luma) / 2, (red - luma) / 2])
    means = _blocks(planes) / (_BLOCK_ROWS * _BLOCK_COLUMNS)
    flat = means.repeat(_BLOCK_ROWS, axis=1).repeat(_BLOCK_COLUMNS, axis=2)
    reach = ((0, 0), (_REACH_ROWS, _REACH_ROWS), (_REACH_COLUMNS, _REACH_COLUMNS))
    wide = np.pad(np.rint(planes).astype(np.int16), reach, mode="edge")
    return _Look(wide, float(luma.std()), float(np.abs(planes - flat).sum()))


def _step(a: _Look, b: _Look) -> float:
    """How little of the one is found in the other, once the one with more contrast is dimmed to the other's.

    The better of both directions counts, as things may come into view.
    """
    gain = (a.spread + _FINE) / (b.spread + _FINE)
    if gain < 1:
        b = b.dimmed(max(gain, 1 / _EXPOSURE))
    else:
        a = a.dimmed(max(1 / gain, 1 / _EXPOSURE))
    granted = _PLAIN * _FINE * _ROWS * _COLUMNS
    return min(_unmatched(a, b) / (b.detail + granted), _unmatched(b, a) / (a.detail + granted))


def _unmatched(a: _Look, b: _Look) -> float:
    """Sum of absolute differences of b's blocks, each against the place in a that suits it best."""
    places = sliding_window_view(a.wide, (_ROWS, _COLUMNS), axis=(1, 2))
    difference = np.abs(places[0] - b.planes[0])
    for place, plane in zip(places[1:], b.planes[1:], strict=True):
        difference += np.abs(place - plane)
    return float(_blocks(difference).min(axis=(0, 1)).sum())


def _blocks(cells: NDArray[Any]) -> NDArray[Any]:
    """Sums over the blocks of the last two axes."""
    *lead, rows, columns = cells.shape
    shape = *lead, rows // _BLOCK_ROWS, _BLOCK_ROWS, columns // _BLOCK_COLUMNS, _BLOCK_COLUMNS
    return np.asarray(cells.reshape(shape).sum(axis=(-3, -1)))

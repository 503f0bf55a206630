"""A part of a video, or a slower one: another source's pictures on a clock of its own, which begins at 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from moviola.errors import RequestError
from moviola.frames import Depth, Frames, Pixels
from moviola.media.array import checked_indices
from moviola.media.info import MediaInfo, VideoTrack
from moviola.media.source import R, Source, Timeline

_TINY = 1e-6
"""Seconds that are nothing, in sums of times."""


@dataclass(frozen=True, slots=True)
class Retiming:
    """What plays from `start` to `stop` seconds of a source, shown from 0 on and `slow` times as long.

    stop: None is the end of everything there is.
    """

    start: float
    stop: float | None
    slow: Fraction

    def of(self, other: Retiming) -> Retiming:
        """On the clock that `other` is about, where this is about what `other` gives."""
        start = other.start + self.start / other.slow
        stop = other.stop if self.stop is None else other.start + self.stop / other.slow
        return Retiming(float(start), stop if stop is None else float(stop), self.slow * other.slow)


class Retimed:
    """The frames of `whole` whose times lie in `span`, from its first second up to its second, slowed down.

    span: seconds on the clock of `whole`; None is the beginning or the end. slow: how many times as long
    every frame lasts. The first frame is shown at 0, and with its last frame the part ends.

    Nothing is read before it is asked for; then RequestError is raised where no frame lies in the span.
    """

    def __init__(
        self,
        whole: Source,
        span: tuple[float | None, float | None] = (None, None),
        slow: Fraction = Fraction(1),
    ) -> None:
        self.whole = whole
        self.name = whole.name
        self.live = whole.live
        self.losses = whole.losses
        self._span = span
        self._slow = slow

    @property
    def first(self) -> int:
        """Which frame of `whole` it begins with."""
        return self._numbers.start

    @property
    def retiming(self) -> Retiming:
        """What it shows of `whole`, for tracks beside the picture."""
        pts, stop = self.whole.timeline().pts_seconds, self._span[1]
        if stop is not None and self._numbers.stop < len(pts):
            stop = float(pts[self._numbers.stop])
        return Retiming(float(pts[self.first]), stop, self._slow)

    def probe(self, *, count: bool = False) -> MediaInfo:
        info = self.whole.probe(count=count)
        seconds = self._timeline.end_seconds
        video = replace(
            info.video,
            start_seconds=0.0,
            duration_seconds=seconds,
            average_rate=self._rate(info.video),
            real_rate=info.video.real_rate and info.video.real_rate / self._slow,
            frame_count=len(self._timeline),
            origin={**info.video.origin, "frame_count": "content", "duration_seconds": "content"},
        )
        # How much of them lies in the part is not looked up.
        audio = tuple(replace(track, start_seconds=0.0, duration_seconds=None) for track in info.audio)
        videos = (*info.videos[: info.best], video, *info.videos[info.best + 1 :])
        return replace(info, start_seconds=0.0, duration_seconds=seconds, videos=videos, audio=audio)

    def timeline(self) -> Timeline:
        return self._timeline

    def read(
        self,
        *,
        start: int = 0,
        stop: int | None = None,
        chunk: int = 16,
        depth: Depth = 8,
        alpha: bool = False,
    ) -> Iterator[Frames]:
        wanted = self._numbers[start:stop]
        if wanted:
            parts = self.whole.read(
                start=wanted.start, stop=wanted.stop, chunk=chunk, depth=depth, alpha=alpha
            )
            yield from map(self._moved, parts)

    def read_around(
        self, start: int, before: int, after: int, *, chunk: int, depth: Depth, alpha: bool
    ) -> Iterator[Frames]:
        """As `read`, from frame `start` to the end, and so many frames of `whole` around these."""
        parts = self.whole.read(
            start=max(0, self.first + start - before),
            stop=self._numbers.stop + after,
            chunk=chunk,
            depth=depth,
            alpha=alpha,
        )
        yield from map(self._moved, parts)

    def frames_at(
        self, indices: Sequence[int] | NDArray[np.int64], *, depth: Depth = 8, alpha: bool = False
    ) -> Frames:
        return self._moved(self.whole.frames_at(self._of_whole(indices), depth=depth, alpha=alpha))

    def reduced_at(
        self, indices: Sequence[int] | NDArray[np.int64], reduce: Callable[[Pixels], R]
    ) -> dict[int, R]:
        made = self.whole.reduced_at(self._of_whole(indices), reduce)
        return {number - self.first: value for number, value in made.items()}

    @cached_property
    def _numbers(self) -> range:
        """The frames, by their numbers in `whole`."""
        timeline, (start, stop) = self.whole.timeline(), self._span
        pts = timeline.pts_seconds
        first = 0 if start is None else int(np.searchsorted(pts, start - _TINY))
        end = len(pts) if stop is None else int(np.searchsorted(pts, stop - _TINY))
        if first >= end:
            asked = "..".join("" if bound is None else f"{bound:g}s" for bound in self._span)
            there = f"from {pts[0]:.3f}s to {timeline.end_seconds:.3f}s" if len(pts) else "nowhere"
            raise RequestError(f"no frame of {self.name} begins in {asked}; it has frames {there}")
        return range(first, end)

    @cached_property
    def _timeline(self) -> Timeline:
        whole, numbers = self.whole.timeline(), slice(self._numbers.start, self._numbers.stop)
        times, slow = whole.pts_seconds[numbers], float(self._slow)
        return Timeline((times - times[0]) * slow, whole.duration_seconds[numbers] * slow)

    def _of_whole(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        return checked_indices(indices, len(self._numbers), self.name) + self.first

    def _moved(self, frames: Frames) -> Frames:
        begin, slow = self.whole.timeline().pts_seconds[self.first], float(self._slow)
        return Frames(frames.data, (frames.pts_seconds - begin) * slow, frames.duration_seconds * slow)

    def _rate(self, video: VideoTrack) -> Fraction | None:
        if video.average_rate is None or video.variable_rate is False:
            return video.average_rate and video.average_rate / self._slow
        return Fraction(len(self._timeline) / self._timeline.end_seconds).limit_denominator(1001)


def whole_of(source: Source) -> tuple[Source, int]:
    """What a source is a part of, or itself, and which of its frames the part begins with."""
    first = 0
    while isinstance(source, Retimed):
        first += source.first
        source = source.whole
    return source, first


def retiming_of(source: Source) -> tuple[Source, Retiming | None]:
    """What a source is a part of, and what it shows of that; None for all of it, on its own clock."""
    found = None
    while isinstance(source, Retimed):
        found = found.of(source.retiming) if found else source.retiming
        source = source.whole
    return source, found

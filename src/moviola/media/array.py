"""Frames that are in memory already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moviola.errors import InputError
from moviola.frames import Depth, Frames, Pixels
from moviola.media.info import Colour, MediaInfo, VideoTrack
from moviola.media.source import R, Timeline, reduced_in_turn

DEFAULT_RATE = Fraction(25)


class ArraySource:
    """A numpy array (T, H, W, C) of uint8 or uint16 with C of 1, 3 or 4, or `Frames` with times of their own.

    rate: frames per second of a bare array; 25 where not given. Raises InputError for another shape or dtype.
    """

    def __init__(self, origin: NDArray[Any] | Frames, rate: Any = None) -> None:
        self.name = "array"
        self.live = False
        self.losses: list[str] = []
        self._frames = origin if isinstance(origin, Frames) else _timed(origin, rate)
        self._rate = None if isinstance(origin, Frames) else even_rate(rate)

    def probe(self, *, count: bool = False) -> MediaInfo:
        frames = self._frames
        return still_info(
            self.name,
            "array",
            self.timeline(),
            size=(frames.width, frames.height),
            depth=frames.depth,
            alpha=frames.alpha,
            rate=self._rate,
            codec="rawvideo",
        )

    def timeline(self) -> Timeline:
        return Timeline(self._frames.pts_seconds, self._frames.duration_seconds)

    def read(
        self,
        *,
        start: int = 0,
        stop: int | None = None,
        chunk: int = 16,
        depth: Depth = 8,
        alpha: bool = False,
    ) -> Iterator[Frames]:
        for part in self._frames[start:stop].rechunked(chunk):
            yield _as_asked(part, depth, alpha)

    def frames_at(
        self, indices: Sequence[int] | NDArray[np.int64], *, depth: Depth = 8, alpha: bool = False
    ) -> Frames:
        wanted = checked_indices(indices, len(self._frames), self.name)
        return _as_asked(self._frames[wanted], depth, alpha)

    def reduced_at(
        self, indices: Sequence[int] | NDArray[np.int64], reduce: Callable[[Pixels], R]
    ) -> dict[int, R]:
        return reduced_in_turn(self, indices, reduce)


def even_rate(rate: Any) -> Fraction:
    """The rate of pictures that carry no times. Raises InputError unless it is above zero."""
    try:
        exact = DEFAULT_RATE if rate is None else Fraction(rate).limit_denominator(1_000_000)
    except (ValueError, TypeError, ZeroDivisionError, OverflowError):
        exact = Fraction(0)
    if exact <= 0:
        raise InputError(f"{rate} is no frame rate; give frames per second, such as 25 or 30000/1001")
    return exact


def even_timeline(count: int, rate: Fraction) -> Timeline:
    """Frames at i/rate seconds, each from its own exact fraction."""
    seconds = np.arange(count + 1) * rate.denominator / rate.numerator
    return Timeline(seconds[:-1], np.diff(seconds))


def still_info(
    name: str,
    container: str,
    timeline: Timeline,
    *,
    size: tuple[int, int],
    depth: int,
    alpha: bool,
    rate: Fraction | None,
    codec: str,
    tick: Fraction = Fraction(1, 1000),
    **more: Any,
) -> MediaInfo:
    """Facts about pictures whose every property is known from themselves. rate: None where frames vary,
    whose times are then multiples of `tick` seconds.
    """
    count = len(timeline)
    start = float(timeline.pts_seconds[0]) if count else 0.0
    duration = timeline.end_seconds - start if count else 0.0
    average = rate or (Fraction(count / duration).limit_denominator(1001) if duration > 0 else None)
    varies = bool(np.ptp(timeline.duration_seconds) > 1e-3) if rate is None and count else False
    deep_format, plain_format = ("rgba64le", "rgb48le"), ("rgba", "rgb24")
    video = VideoTrack(
        index=0,
        codec=codec,
        width=size[0],
        height=size[1],
        coded_width=size[0],
        coded_height=size[1],
        pixel_format=(deep_format if depth > 8 else plain_format)[not alpha],
        bit_depth=depth,
        alpha=alpha,
        time_base=1 / rate if rate else tick,
        start_seconds=start,
        duration_seconds=duration,
        average_rate=average,
        real_rate=rate,
        variable_rate=varies,
        frame_count=count,
        colour=Colour(matrix="gbr", range="full"),
        origin={"frame_count": "content", "duration_seconds": "content"},
    )
    return MediaInfo(
        name=name,
        container=container,
        duration_seconds=duration,
        start_seconds=start,
        videos=(video,),
        **more,
    )


def as_depth(pixels: Pixels, depth: Depth) -> Pixels:
    """Between 8 and 16 bits: 255 becomes 65535 and back, rounded to the nearest."""
    if depth == 16 and pixels.dtype == np.uint8:
        return pixels.astype(np.uint16) * 257
    if depth == 8 and pixels.dtype == np.uint16:
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return pixels


def with_channels(pixels: Pixels, channels: int) -> Pixels:
    """Grey spread to three, a fourth that is opaque, or the fourth dropped."""
    if pixels.shape[-1] == 1:
        pixels = np.repeat(pixels, 3, axis=-1)
    if pixels.shape[-1] > channels:
        return pixels[..., :channels]
    if pixels.shape[-1] < channels:
        opaque = np.full((*pixels.shape[:-1], 1), np.iinfo(pixels.dtype).max, pixels.dtype)
        return np.concatenate([pixels, opaque], axis=-1)
    return pixels


def checked_indices(indices: Sequence[int] | NDArray[np.int64], count: int, name: str) -> NDArray[np.int64]:
    wanted = np.asarray(indices, dtype=np.int64)
    outside = wanted[(wanted < 0) | (wanted >= count)]
    if len(outside):
        raise InputError(f"{name} has no frame {outside[0]}; it has frames 0 to {count - 1}")
    return wanted


def _timed(array: NDArray[Any], rate: Any) -> Frames:
    if array.ndim != 4 or array.shape[3] not in (1, 3, 4) or array.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"an array of {array.dtype} {array.shape} is no video; give uint8 or uint16 (T, H, W, 1, 3 or 4)"
        )
    if 0 in array.shape:
        raise InputError(f"an array of shape {array.shape} holds no pictures")
    timeline = even_timeline(len(array), even_rate(rate))
    channels = max(3, array.shape[3])
    return Frames(with_channels(array, channels), timeline.pts_seconds, timeline.duration_seconds)


def _as_asked(frames: Frames, depth: Depth, alpha: bool) -> Frames:
    pixels = with_channels(as_depth(frames.data, depth), 4 if alpha else 3)
    return Frames(pixels, frames.pts_seconds, frames.duration_seconds)

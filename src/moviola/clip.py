"""The Clip: a lazy handle on a video, whatever it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from moviola.frames import Depth, Frames
from moviola.media.info import MediaInfo
from moviola.media.retimed import Retimed
from moviola.media.source import Source, Timeline, open_source


class Clip:
    """A video: file, URL, bytes, file object, folder of images, array, list of images, camera.

    Nothing is opened until it is asked for, and no more is decoded than is asked for.

    rate: frames per second of an origin without times of its own (images, arrays); 25 where not given.
    span: only the frames that begin in these seconds of the origin, from … up to; None is its beginning or
        end. slow: how many times as long all lasts. With either, times begin at 0.
    """

    def __init__(
        self,
        origin: Any,
        *,
        rate: Fraction | float | None = None,
        span: tuple[float | None, float | None] | None = None,
        slow: Fraction | float = 1,
    ) -> None:
        self._origin = origin
        self._rate = rate
        self._span = span
        self._slow = Fraction(slow)

    def __repr__(self) -> str:
        return f"Clip({self.source.name!r})"

    @cached_property
    def source(self) -> Source:
        origin = self._origin
        source = origin.source if isinstance(origin, Clip) else open_source(origin, rate=self._rate)
        if self._span is None and self._slow == 1:
            return source
        return Retimed(source, self._span or (None, None), self._slow)

    @cached_property
    def info(self) -> MediaInfo:
        """Size, rate, colour, tracks … as the header and a look at the first packets tell."""
        return self.source.probe()

    @property
    def width(self) -> int:
        return self.info.video.width

    @property
    def height(self) -> int:
        return self.info.video.height

    def timeline(self) -> Timeline:
        """The exact times of all frames."""
        return self.source.timeline()

    def chunks(
        self,
        size: int = 16,
        *,
        start: int = 0,
        stop: int | None = None,
        depth: Depth = 8,
        alpha: bool = False,
    ) -> Iterator[Frames]:
        """Frames [start, stop) in order, at most `size` at a time."""
        return self.source.read(start=start, stop=stop, chunk=size, depth=depth, alpha=alpha)

    def sample(
        self,
        n: int | None = None,
        *,
        fps: Fraction | float | None = None,
        times: Sequence[float] | None = None,
        start: float | None = None,
        stop: float | None = None,
        depth: Depth = 8,
        alpha: bool = False,
    ) -> Frames:
        """Exact frames: `n` evenly spread, or `fps` per second, or those on screen at `times` (seconds)."""
        from moviola.media.sample import choose

        choice = choose(self.timeline(), n=n, fps=fps, times=times, span=(start, stop))
        return self.source.frames_at(choice.indices, depth=depth, alpha=alpha)

    def save(self, path: str | Path, *, overwrite: bool = False, **encoding: Any) -> Clip:
        """Write the clip with its sound to `path`; `encoding` as in `choose_encoding`."""
        from moviola.media.encoding import choose_encoding
        from moviola.media.write import write

        chosen = choose_encoding(path, self.info, **encoding)
        chunks = self.chunks(depth=chosen.depth_in_memory, alpha=chosen.alpha)
        write(
            chunks,
            path,
            encoding=chosen,
            tracks=self.source,
            metadata=self.info.metadata,
            overwrite=overwrite,
        )
        return Clip(path)

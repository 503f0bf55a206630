"""The protocol every place that frames can come from fulfils, and the door that picks one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
from numpy.typing import NDArray

from moviola.errors import InputError
from moviola.frames import Depth, Frames, Pixels, Seconds
from moviola.media.info import MediaInfo

R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """When each frame of a source is shown, in presentation order; found in the packets, not the header.

    pts_seconds, duration_seconds: (N,) float64.
    """

    pts_seconds: Seconds
    duration_seconds: Seconds

    def __len__(self) -> int:
        return len(self.pts_seconds)

    @property
    def end_seconds(self) -> float:
        return float(self.pts_seconds[-1] + self.duration_seconds[-1])

    def index_at(self, seconds: float) -> int:
        """Index of the frame on screen at that time. Raises InputError outside the video."""
        if not len(self) or not self.pts_seconds[0] - 1e-9 <= seconds < self.end_seconds:
            span = f"{self.pts_seconds[0]:.3f}s to {self.end_seconds:.3f}s" if len(self) else "nothing"
            raise InputError(f"{seconds:.3f}s is outside the video, which covers {span}")
        return max(0, int(np.searchsorted(self.pts_seconds, seconds + 1e-9, side="right")) - 1)


class Source(Protocol):
    """Something frames can be read from, again and again (a live source: once).

    name: for messages: a path, a URL, "array".
    live: whether it has no end and no index.
    losses: what damage cost so far, one sentence each; grows while reading.
    """

    name: str
    live: bool
    losses: list[str]

    def probe(self, *, count: bool = False) -> MediaInfo:
        """Facts about the media; `count` goes through all packets for exact count, rate and duration."""
        ...

    def timeline(self) -> Timeline:
        """The times of all frames, from the packets; cached. Raises InputError on a live source."""
        ...

    def read(
        self,
        *,
        start: int = 0,
        stop: int | None = None,
        chunk: int = 16,
        depth: Depth = 8,
        alpha: bool = False,
    ) -> Iterator[Frames]:
        """Frames [start, stop) in presentation order, at most `chunk` at a time, upright, full-range RGB.

        alpha: four channels; where the source has no alpha the fourth is opaque.
        """
        ...

    def frames_at(
        self, indices: Sequence[int] | NDArray[np.int64], *, depth: Depth = 8, alpha: bool = False
    ) -> Frames:
        """Exactly the frames with these presentation indices, in the order asked, repeats allowed."""
        ...

    def reduced_at(
        self, indices: Sequence[int] | NDArray[np.int64], reduce: Callable[[Pixels], R]
    ) -> dict[int, R]:
        """What `reduce` makes of each of these frames, by presentation index; each is decoded once.

        reduce: takes a picture (H, W, 3) uint8, which is its own only until it returns; it may be called by
            several threads. Only what it gives is held in memory. Frames that damage has taken are left out.
        """
        ...


_REDUCED_AT_ONCE = 8
"""Pictures held by sources whose frames cannot be had one by one as they are decoded."""


def reduced_in_turn(
    source: Source, indices: Sequence[int] | NDArray[np.int64], reduce: Callable[[Pixels], R]
) -> dict[int, R]:
    """`Source.reduced_at` by way of `frames_at`, a few pictures at a time."""
    numbers = np.unique(np.asarray(indices, np.int64))
    made: dict[int, R] = {}
    for first in range(0, len(numbers), _REDUCED_AT_ONCE):
        some = numbers[first : first + _REDUCED_AT_ONCE]
        pictures = source.frames_at(some).data
        made |= {int(number): reduce(picture) for number, picture in zip(some, pictures, strict=True)}
    return made


_LIVE_SCHEMES = {"rtsp", "rtsps", "rtmp", "rtmps", "udp", "rtp", "srt", "mms"}
_PLAYLISTS = (".m3u8", ".mpd")
_STILLS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_ANIMATIONS = (".gif", ".webp", ".apng")


def open_source(origin: Any, *, rate: Any = None) -> Source:
    """Find the right source for a path, URL, bytes, file object, folder, pattern, array, images or camera.

    rate: frames per second for origins that carry no times (folders, arrays); 25 where not given.
    """
    if isinstance(origin, str | os.PathLike):
        return _open_named(os.fspath(origin), rate)
    if hasattr(origin, "frames_at"):
        return cast(Source, origin)
    if isinstance(origin, bytes | bytearray | memoryview) or hasattr(origin, "read"):
        from moviola.media.container import ContainerSource

        return ContainerSource(origin)
    if isinstance(origin, np.ndarray | Frames):
        from moviola.media.array import ArraySource

        return ArraySource(origin, rate)
    if isinstance(origin, list | tuple):
        from moviola.media.images import ImagesSource

        return ImagesSource(origin, rate)
    if isinstance(origin, int):
        from moviola.media.live import LiveSource

        return LiveSource(origin)
    raise InputError(f"cannot read video from {type(origin).__name__}")


def _open_named(name: str, rate: Any) -> Source:
    """By what the name says: a live address, a folder or pattern of images, an animation, or a container."""
    address = urlsplit(name)
    scheme, ending = address.scheme.lower(), address.path.lower()
    is_playlist = scheme in ("http", "https") and ending.endswith(_PLAYLISTS)
    if scheme in _LIVE_SCHEMES or is_playlist or name.startswith("/dev/video"):
        from moviola.media.live import LiveSource

        return LiveSource(name)
    path = Path(url2pathname(address.path)) if scheme == "file" else Path(name)
    is_still = ending.endswith(_STILLS) and not (scheme in ("http", "https") or _is_animated(path))
    is_pattern = re.search(r"%\d*d", path.name) is not None and not os.path.exists(path)
    if is_pattern or os.path.isdir(path) or is_still:
        from moviola.media.images import ImagesSource

        return ImagesSource([path] if is_still and not is_pattern else str(path), rate)
    if os.path.exists(path) and ending.endswith((*_ANIMATIONS, ".png")):
        from moviola.media.animation import AnimationSource

        return AnimationSource(path)
    from moviola.media.container import ContainerSource

    return ContainerSource(name)


def _is_animated(path: Path) -> bool:
    """Whether a PNG says, in a chunk before its first picture, that there are more (APNG)."""
    if path.suffix.lower() != ".png" or not os.path.isfile(path):
        return False
    with path.open("rb") as file:
        head = file.read(64 * 1024)
    return b"acTL" in head.partition(b"IDAT")[0]

"""What of a video is sent to Gemini: its file as it lies, or its frames as pictures."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from moviola.errors import RequestError
from moviola.frames import Seconds
from moviola.hosted.fetching import sha256_of
from moviola.hosted.service import Upload
from moviola.media.container import ContainerSource
from moviola.media.info import MediaInfo
from moviola.media.span import span_of
from moviola.understanding.decoding import pictures_of
from moviola.understanding.gemini.options import FASTEST, MOST_PICTURES, Options
from moviola.understanding.sampling import spread
from moviola.understanding.served.pictures import jpeg_bytes
from moviola.understanding.speaker import Sight

Part = dict[str, Any]
"""A part of a turn's content."""

INLINE = 95_000_000
"""Bytes of the files in a question, written in base64: a request may have 100 MB.
https://ai.google.dev/gemini-api/docs/file-input-methods"""

SMALL = 4_000_000
"""The same of a file that is sent with every question about a part of it."""

_KINDS = {
    "mov": {".mov": "video/mov", ".3gp": "video/3gpp", ".3g2": "video/3gpp", "": "video/mp4"},
    "avi": {"": "video/avi"},
    "flv": {"": "video/x-flv"},
    "mpeg": {"": "video/mpeg"},
    "asf": {"": "video/wmv"},
    "matroska": {".webm": "video/webm"},
}
"""Media types that Gemini takes, by FFmpeg's name of the container, and the suffix where that tells more.
https://ai.google.dev/gemini-api/docs/video-understanding"""

_TINY = 1e-3
"""Seconds by which a stretch may miss an end of a video and still be all of it."""

_LATE = 0.5
"""Seconds after which the first picture must not be shown: Gemini counts from the beginning of the file."""


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """A file as Gemini takes it. upload: where it lies on this machine; None for what lies in memory.

    size: bytes as base64.
    """

    kind: str
    size: int
    content: Callable[[], bytes]
    upload: Callable[[], Upload] | None


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What stands for a video in a question.

    parts: pictures with their times, `size` bytes of base64. film, or uri: in place of these, what is looked
    at as `metadata` says.
    """

    parts: tuple[Part, ...] = ()
    size: int = 0
    film: Film | None = None
    uri: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def film_of(sight: Sight, upload: bool = False) -> Film | str:
    """The file of a video, or why it cannot be sent as that. upload: whether by the Files API only."""
    source = sight.clip.source
    if not isinstance(source, ContainerSource):
        return "it is no video file"
    size = source.origin.size_bytes
    if size is None:
        return "it is on another machine"
    info = source.probe(count=True)
    kind = _kind(info, source.name)
    if kind is None:
        return f"Gemini takes no {Path(source.name).suffix or info.container}"
    if info.warnings:
        return info.warnings[0]
    if len(info.videos) > 1:
        return f"it has {len(info.videos)} video tracks"
    if abs(sight.clip.timeline().pts_seconds[0]) > _LATE:
        return "its clock does not begin at 0"
    if (fast := _fast(sight)) is not None:
        return fast
    if not _even(sight):
        return "its frames are chosen by scenes"
    opened = source.origin.file()
    path = Path(opened.removeprefix("file:")) if isinstance(opened, str) else None
    written = -(-size // 3) * 4
    if path is None and (written > INLINE or upload):
        return "it is in memory"

    def content() -> bytes:
        again = source.origin.file()
        return Path(again.removeprefix("file:")).read_bytes() if isinstance(again, str) else again.read()

    return Film(kind, written, content, None if path is None else cache(partial(_upload, path, kind, size)))


def _kind(info: MediaInfo, name: str) -> str | None:
    kinds = _KINDS.get(info.container.split(",")[0], {})
    return kinds.get(Path(name).suffix.lower(), kinds.get(""))


def _upload(path: Path, kind: str, size: int) -> Upload:
    return Upload(str(path.absolute()), sha256_of(path), kind, size)


def _even(sight: Sight) -> bool:
    """Whether frames are spread as Gemini spreads them itself: those chosen by scenes are not."""
    timeline = sight.clip.timeline()
    span = span_of(timeline, sight.start, sight.stop, sight.clip.source.name)
    return np.array_equal(sight.indices, spread(timeline, span, len(sight)))


def metadata(sight: Sight) -> Mapping[str, Any]:
    """Which part of a file is looked at, and how often a second.

    Raises RequestError for more often than Gemini does.
    """
    if (fast := _fast(sight)) is not None:
        raise RequestError(f"{fast}; use --fps {FASTEST:g}, or frames as pictures: -O send=frames")
    timeline = sight.clip.timeline()
    told: dict[str, Any] = {"fps": round(_pace(sight), 4)}
    if sight.start > timeline.pts_seconds[0] + _TINY:
        told["startOffset"] = f"{sight.start:.3f}s"
    if sight.stop < timeline.end_seconds - _TINY:
        told["endOffset"] = f"{sight.stop:.3f}s"
    return told


def _pace(sight: Sight) -> float:
    return len(sight) / (sight.stop - sight.start)


def _fast(sight: Sight) -> str | None:
    """Where frames are wanted faster than Gemini looks."""
    pace = _pace(sight)
    return (
        None if pace <= FASTEST else f"Gemini looks at {FASTEST:g} frames per second at most, not {pace:.3g}"
    )


def pictures(sight: Sight, options: Options) -> tuple[Shown, Seconds, list[str]]:
    """Frames as pictures, each after its time; the times of those that are left, and notes.

    Raises RequestError where they are too large for one question; InputError where none can be decoded.
    """
    notes = []
    if len(sight) > MOST_PICTURES:
        kept = np.linspace(0, len(sight) - 1, MOST_PICTURES).round().astype(int)
        notes.append(f"{MOST_PICTURES} of {len(sight)} frames are sent, the most that are sent as pictures")
        sight = replace(sight, indices=sight.indices[kept], seconds=sight.seconds[kept])
    made, seconds = pictures_of(
        sight, lambda picture: jpeg_bytes(picture, options.long_side, options.quality)
    )
    parts: list[Part] = []
    for content, shown in zip(made, seconds.tolist(), strict=True):
        parts += [{"text": f"{shown:.1f}s:"}, inline("image/jpeg", content)]
    size = sum(len(part["inlineData"]["data"]) for part in parts if "inlineData" in part)
    if size > INLINE:
        fit = len(made) * INLINE // size
        raise RequestError(
            f"{len(made)} frames of {sight.clip.source.name} are {size / 1e6:.0f} MB, and a question may "
            f"have {INLINE / 1e6:.0f}; use --frames {fit}, or smaller ones with -O long_side=PIXELS"
        )
    return Shown(tuple(parts), size), seconds, notes


def inline(kind: str, content: bytes) -> Part:
    return {"inlineData": {"mimeType": kind, "data": base64.b64encode(content).decode("ascii")}}

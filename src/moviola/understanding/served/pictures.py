"""What of a video is sent to a server: its frames as pictures, or its file."""

from __future__ import annotations

import base64
import io
import mimetypes
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from moviola.errors import RequestError
from moviola.frames import Pixels, Seconds
from moviola.media.container import ContainerSource
from moviola.understanding.served.options import Options, Pictured, fitted
from moviola.understanding.speaker import Sight

Part = dict[str, Any]
"""A part of a message's content."""

_TINY = 1e-3
"""Seconds by which a stretch may miss an end of a video and still be all of it."""


def text(said: str) -> Part:
    return {"type": "text", "text": said}


def data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def jpeg(picture: Pixels, options: Pictured) -> str:
    """A picture (H, W, 3) uint8 as a `data:` URI."""
    return data_uri("image/jpeg", jpeg_bytes(picture, options.long_side, options.quality))


def jpeg_bytes(picture: Pixels, long_side: int, quality: int) -> bytes:
    """A picture (H, W, 3) uint8 as JPEG, scaled down where its longer side has more pixels than that."""
    image = Image.fromarray(picture)
    size = fitted(image.width, image.height, long_side)
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    written = io.BytesIO()
    image.save(written, "JPEG", quality=quality)
    return written.getvalue()


def timed(pictures: Iterable[str], seconds: Seconds, detail: str | None = None) -> list[Part]:
    """Pictures, each after the time when it is shown."""
    parts = []
    looked_at = {} if detail is None else {"detail": detail}
    for picture, shown in zip(pictures, seconds.tolist(), strict=True):
        parts += [text(f"{shown:.1f}s:"), {"type": "image_url", "image_url": {"url": picture} | looked_at}]
    return parts


def whole_file(sight: Sight, options: Options) -> Part:
    """The file of a video, or its address where it has one that a server can fetch.

    Raises RequestError for a part of a video, what is no file, and one above `largest_file`.
    """
    source, timeline = sight.clip.source, sight.clip.timeline()
    name, instead = source.name, "send frames instead: -O send=frames"
    if sight.start > timeline.pts_seconds[0] + _TINY or sight.stop < timeline.end_seconds - _TINY:
        stretch = f"{sight.start:g}s..{sight.stop:g}s"
        raise RequestError(f"send=video sends all of {name}, not only {stretch}; {instead}")
    if not isinstance(source, ContainerSource):
        raise RequestError(f"send=video cannot send {name}, which is no video file; {instead}")
    size = source.origin.size_bytes
    if size is None:
        return {"type": "video_url", "video_url": {"url": name}}
    if size > options.largest_file * 1e6:
        raise RequestError(
            f"{name} has {size / 1e6:.1f} MB, and files up to {options.largest_file:g} MB are sent whole; "
            f"allow more with -O largest_file={size // 1_000_000 + 1}, or {instead}"
        )
    opened = source.origin.file()
    content = Path(opened.removeprefix("file:")).read_bytes() if isinstance(opened, str) else opened.read()
    kind = mimetypes.guess_type(name)[0] or ""
    url = data_uri(kind if kind.startswith("video/") else "video/mp4", content)
    return {"type": "video_url", "video_url": {"url": url}}

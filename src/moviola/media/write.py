"""One call from frames to a file."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from moviola.frames import Frames
from moviola.media.encoding import Encoding, choose_encoding
from moviola.media.info import MediaInfo
from moviola.media.sink import check_output, open_sink
from moviola.media.source import Source


def write(
    frames: Iterable[Frames],
    path: str | os.PathLike[str],
    *,
    like: MediaInfo | None = None,
    encoding: Encoding | None = None,
    tracks: Source | None = None,
    span: tuple[float, float | None] | None = None,
    metadata: Mapping[str, str] | None = None,
    recipe: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> list[str]:
    """Encode `frames` into `path` and return what of the source was re-encoded or could not be kept.

    like: what the source had; depth, colour and times follow it where `encoding` is not given.
    tracks: whose audio and subtitles go along. span: only what plays between these seconds.
    recipe: what made the file; `probe` reads it back.

    Raises OutputError where the file exists already or cannot be written, RequestError for an unknown suffix.
    No partial file ever carries the final name.
    """
    final = Path(path)
    check_output(final, overwrite=overwrite)
    encoding = encoding or choose_encoding(path, like)
    work = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=_existing(final.parent)))
    try:
        sink = open_sink(final, work, encoding, overwrite=overwrite)
        with sink.segment(0) as segment:
            for chunk in frames:
                segment.write(chunk)
        return sink.finish(1, tracks=tracks, span=span, metadata=metadata, recipe=recipe)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())

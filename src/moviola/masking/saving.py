"""Masks as files that read back equal: white on black, as a video or a folder of images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import numpy as np

from moviola.frames import Frames, Mask
from moviola.media.encoding import CODECS, Encoding, choose_encoding
from moviola.media.info import MediaInfo
from moviola.media.write import write


def pictures(mask: Mask) -> Frames:
    """White where selected, black elsewhere, at the same times: (T, H, W, 3) uint8."""
    white = np.where(mask.data[..., None], np.uint8(255), np.uint8(0))
    return Frames(np.repeat(white, 3, axis=-1), mask.pts_seconds, mask.duration_seconds)


def encoding_for(path: str | os.PathLike[str], like: MediaInfo | None = None) -> Encoding:
    """Without loss where the file's format can, else in its best quality, which black and white survive.

    like: the video that the masks are of; their times are kept as exactly as its. Raises RequestError for a
    suffix that no video has.
    """
    first = choose_encoding(path, like, depth=8, alpha=False)
    codec = "ffv1" if first.container == "matroska" else "h264" if first.codec == "h265" else first.codec
    scale = CODECS[codec].quality
    kept = codec if first.container != "images" else None
    return choose_encoding(path, like, codec=kept, quality=scale and scale[1], depth=8, alpha=False)


def save(
    masks: Iterable[Mask],
    path: str | os.PathLike[str],
    *,
    like: MediaInfo | None = None,
    overwrite: bool = False,
) -> None:
    """Write masks, a chunk at a time, to a video (`mask.mkv`) or numbered images (`folder/`, `%05d.png`).

    `media.masks.open_mask` reads them back equal. Raises OutputError, RequestError as `media.write` does.
    """

    def shown() -> Iterator[Frames]:
        for mask in masks:
            yield pictures(mask)

    write(shown(), path, encoding=encoding_for(path, like), overwrite=overwrite)

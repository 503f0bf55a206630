"""What a request names, made ready for a provider: within what it takes, and in a form that it takes.

A file that a provider takes is sent as it is. What has to be written anew (another kind of file, a stretch of
a video) keeps all that can be seen; smaller, shorter or coarser it becomes with `fit` alone.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from moviola.card import Accepts, Size
from moviola.clip import Clip
from moviola.errors import InputError, RequestError
from moviola.frames import Frames
from moviola.hosted.fetching import sha256_of
from moviola.hosted.service import ASSET, Given, Upload
from moviola.media.encoding import choose_encoding
from moviola.media.write import write
from moviola.pictures import fitted, picture
from moviola.weights.disk import amount

_PICTURES = ("image/jpeg", "image/png", "image/webp")
"""That every provider takes whose card says nothing else."""

_CRF = (16, 23, 28, 33)
"""Of H.264: what can hardly be told from its source, and then coarser."""

_JPEG = (95, 88, 80)

_TRIES = 6
"""How often something is made smaller before it is given up."""

_CHUNK = 16


@dataclass(frozen=True, slots=True)
class Sending:
    """How files are made ready. folder: where what is written anew goes; None only checks. fit: see above.

    notes: takes what was done to them, one line each.
    """

    model: str
    folder: Path | None
    fit: bool
    notes: list[str]

    def given(
        self, name: str, origin: Any, accepts: Accepts, clip: Clip | None = None
    ) -> tuple[Given, Upload | None]:
        """A file as an order speaks of it, and what is uploaded for it; None for an address of the user's.

        name: the request's field. clip: what of a video is meant, where that is not all of it.
        Raises InputError for what cannot be read, or that the provider does not take and `fit` does not help.
        """
        if isinstance(origin, str) and origin.startswith("https://"):
            if clip is not None:
                raise RequestError(f"range: only all of {origin} can be sent; give a file of this machine")
            return Given(origin), None
        if name == "video":
            return self._video(name, origin, accepts, clip)
        return self._picture(name, origin, accepts)

    # Pictures

    def _picture(self, name: str, origin: Any, accepts: Accepts) -> tuple[Given, Upload | None]:
        kinds = accepts.kinds or _PICTURES
        kind = _kind(origin)
        image = picture(origin, name)
        size = self._size(name, image.size, accepts)
        path = Path(origin) if kind in kinds and size == image.size else None
        if path is not None and _within(_bytes(name, path), accepts):
            return self._sent(name, path, kind, size)
        image = fitted(image, size)
        if path is None and size == image.size and not self.fit:
            kind = "image/png" if "image/png" in kinds else "image/jpeg"
            return self._written(name, kind, accepts, size, [partial(_save, image, quality=_JPEG[0])])
        self._may_shrink(name, path, accepts)
        kind = "image/jpeg" if "image/jpeg" in kinds else kinds[0]
        makers = [partial(_save, image, quality=quality) for quality in _JPEG]
        small = size
        for _ in range(_TRIES):
            small = _scaled(small, 0.75)
            makers.append(partial(_save, fitted(image, small), quality=_JPEG[-1]))
        return self._written(name, kind, accepts, size, makers)

    # Videos

    def _video(
        self, name: str, origin: Any, accepts: Accepts, clip: Clip | None
    ) -> tuple[Given, Upload | None]:
        whole, kind = clip is None, _kind(origin)
        clip = clip or Clip(origin)
        video, seconds = clip.info.video, clip.info.duration_seconds
        seconds = clip.timeline().end_seconds if seconds is None else seconds
        size = self._size(name, (video.width, video.height), accepts)
        until = self._seconds(name, seconds, accepts)
        kinds = accepts.kinds or ("video/mp4", "video/quicktime", "video/webm")
        same = whole and size == (video.width, video.height) and until == seconds and kind in kinds
        path = Path(origin) if same else None
        if path is not None and _within(_bytes(name, path), accepts):
            return self._sent(name, path, kind, size, until)
        if path is not None:
            self._may_shrink(name, path, accepts)
        if path is None and kind not in kinds:
            self.notes.append(f"{name}: written anew as MP4, which {self.model} takes")
        size = _scaled(size, 1.0, even=True)
        sent = clip if until == seconds else _beginning(clip, until)
        makers = [partial(_encode, sent, size=size, crf=crf) for crf in _CRF[: None if self.fit else 1]]
        small = size
        for _ in range(_TRIES if self.fit else 0):
            small = _scaled(small, sqrt(0.5), even=True)
            makers.append(partial(_encode, sent, size=small, crf=_CRF[-1]))
        given, upload = self._written(name, "video/mp4", accepts, size, makers)
        return replace(given, seconds=until), upload

    # Limits

    def _size(self, name: str, size: Size, accepts: Accepts) -> Size:
        """The size it is sent in. Raises InputError where that is not its own and `fit` is not set."""
        long, short = max(size), min(size)
        if accepts.max_aspect is not None and long > accepts.max_aspect * short:
            raise InputError(
                f"{name}: {size[0]}x{size[1]} is longer than {self.model} takes, which is "
                f"{accepts.max_aspect:g} to 1; cut it"
            )
        most = accepts.max_side or long
        least = accepts.min_side or short
        scale = 1.0
        if long > most:
            scale = most / long
        elif short < least:
            scale = least / short
        if scale == 1.0:
            return size
        wanted = _scaled(size, scale)
        if not self.fit:
            limit = f"up to {most}" if scale < 1 else f"from {least}"
            raise InputError(
                f"{name}: {size[0]}x{size[1]}, and {self.model} takes sides {limit} pixels; "
                f"--fit sends {wanted[0]}x{wanted[1]}"
            )
        self.notes.append(f"{name}: sent in {wanted[0]}x{wanted[1]}")
        return wanted

    def _seconds(self, name: str, seconds: float, accepts: Accepts) -> float:
        if accepts.min_seconds is not None and seconds < accepts.min_seconds - _FRAME:
            raise InputError(
                f"{name}: {seconds:.3g} s are too short, {self.model} takes from {accepts.min_seconds:g} s"
            )
        if accepts.max_seconds is None or seconds <= accepts.max_seconds + _FRAME:
            return seconds
        if not self.fit:
            raise InputError(
                f"{name}: {seconds:.3g} s are too long, {self.model} takes up to {accepts.max_seconds:g} s; "
                f"say which with --range, or --fit sends the first {accepts.max_seconds:g} s"
            )
        self.notes.append(f"{name}: the first {accepts.max_seconds:g} s are sent")
        return accepts.max_seconds

    def _may_shrink(self, name: str, path: Path | None, accepts: Accepts) -> None:
        if not self.fit:
            assert path is not None
            assert accepts.max_bytes is not None
            raise InputError(
                f"{name}: {path} has {amount(path.stat().st_size)}, and {self.model} takes up to "
                f"{amount(accepts.max_bytes)}; --fit sends it smaller"
            )

    def _written(
        self, name: str, kind: str, accepts: Accepts, size: Size, makers: Sequence[Callable[[Path], None]]
    ) -> tuple[Given, Upload | None]:
        """The first that is small enough of what these write. Raises InputError where none is."""
        if self.folder is None:
            return Given(f"{ASSET}{name}", kind, None, *size), None
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}{mimetypes.guess_extension(kind)}"
        for number, make in enumerate(makers):
            path.unlink(missing_ok=True)
            make(path)
            if _within(path.stat().st_size, accepts):
                if number:
                    self.notes.append(f"{name}: sent smaller, in {amount(path.stat().st_size)}")
                return self._sent(name, path, kind, size)
        most = amount(accepts.max_bytes or 0)
        hint = "" if self.fit else "; --fit sends it smaller"
        raise InputError(f"{name}: cannot be brought below the {most} that {self.model} takes{hint}")

    def _sent(
        self, name: str, path: Path, kind: str, size: Size, seconds: float | None = None
    ) -> tuple[Given, Upload | None]:
        """A file that is sent as it lies there; checking alone does not read all of it."""
        length = _bytes(name, path)
        if self.folder is None:
            return Given(f"{ASSET}{name}", kind, length, *size, seconds), None
        try:
            digest = sha256_of(path)
        except OSError as error:
            raise InputError(f"{name}: cannot read {path}: {error.strerror}") from None
        given = Given(f"{ASSET}{digest}", kind, length, *size, seconds)
        return given, Upload(str(path.absolute()), digest, kind, length)


_FRAME = 0.05
"""Seconds by which a file's length may miss what its pictures last."""


def _kind(origin: Any) -> str:
    """The media type of a file by its name; "" for what is no file."""
    return (mimetypes.guess_type(str(origin))[0] or "") if isinstance(origin, str | Path) else ""


def _within(size: int, accepts: Accepts) -> bool:
    return accepts.max_bytes is None or size <= accepts.max_bytes


def _bytes(name: str, path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"{name}: cannot read {path}: {error.strerror}") from None


def _scaled(size: Size, scale: float, *, even: bool = False) -> Size:
    """even: H.264 stores odd sizes in a way that few players take."""
    step = 2 if even else 1
    width, height = (max(step, round(side * scale / step) * step) for side in size)
    return width, height


def _save(image: Image.Image, path: Path, *, quality: int) -> None:
    """quality: of JPEG and WebP; PNG loses nothing."""
    image.save(path, quality=quality)


def _beginning(clip: Clip, seconds: float) -> Clip:
    return Clip(clip, span=(None, float(clip.timeline().pts_seconds[0]) + seconds))


def _encode(clip: Clip, path: Path, *, size: Size, crf: int) -> None:
    encoding = choose_encoding(path, clip.info, codec="h264", quality=crf, depth=8)
    write(_shown(clip, size), path, encoding=encoding, tracks=clip.source)


def _shown(clip: Clip, size: Size) -> Iterator[Frames]:
    for frames in clip.chunks(_CHUNK):
        if size != (frames.width, frames.height):
            images = [fitted(Image.fromarray(data), size) for data in frames.data]
            frames = replace(frames, data=np.stack([np.asarray(image) for image in images]))
        yield frames

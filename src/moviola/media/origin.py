"""Where the bytes of a container lie, and how to open them: as often as wanted, each time independently."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

import av
import av.error
from av.container import InputContainer

from moviola.errors import InputError, MediaError

MAX_PIXELS = 2**26
"""Largest picture that is decoded: 8192×8192. A header that claims more is taken for damage."""

LIMITS = {"max_pixels": str(MAX_PIXELS)}
"""The same as an option for FFmpeg, which the demuxer and each codec must be given."""

_TIMEOUT = (20.0, 30.0)
"""Seconds to wait for a server: for the first bytes, and for more of them."""

_CUT_SHORT = "its index (moov) is missing or damaged; the file was probably cut short while written or copied"

_FILE = "file:"
"""Keeps a colon or a percent sign in a path from being taken for a protocol or a pattern."""

_NOT_VIDEO = {"tty"}
"""Demuxers that make pictures of text."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A place to read a container from.

    name: for messages.
    size_bytes: None where only a server knows it.
    file: makes what PyAV is to open, anew each time.
    """

    name: str
    size_bytes: int | None
    file: Callable[[], str | IO[bytes]]

    def open(self) -> InputContainer:
        """Open for demuxing. Raises MediaError in one line where this is no media file."""
        try:
            container: InputContainer = av.open(
                cast(Any, self.file()),
                options=LIMITS,
                metadata_errors="replace",
                timeout=_TIMEOUT,
            )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = _CUT_SHORT if self._begins_as_mp4() else _reason(error)
            raise MediaError(f"cannot read {self.name} as video: {reason}") from error
        if container.format.name in _NOT_VIDEO:
            container.close()
            raise MediaError(f"cannot read {self.name} as video: it holds text")
        return container

    def _begins_as_mp4(self) -> bool:
        file = self.file()
        if isinstance(file, str):
            if not file.startswith(_FILE):
                return False
            with open(file.removeprefix(_FILE), "rb") as opened:
                return opened.read(8)[4:] == b"ftyp"
        return file.read(8)[4:] == b"ftyp"


def find_origin(origin: str | Path | bytes | bytearray | memoryview | IO[bytes]) -> Origin:
    """A path, a `file:` or `http(s):` URL, the bytes of a file, or an open binary file.

    Raises InputError where there is nothing to read: missing, a folder, empty.
    """
    if isinstance(origin, bytes | bytearray | memoryview):
        data = bytes(origin)
        return _filled(Origin("bytes", len(data), lambda: io.BytesIO(data)))
    if isinstance(origin, str | os.PathLike):
        return _find_named(os.fspath(origin))
    return _filled(_find_file_object(origin))


def _find_named(name: str) -> Origin:
    scheme = urlsplit(name).scheme.lower()
    if scheme in ("http", "https"):
        return Origin(name, None, lambda: name)
    path = Path(url2pathname(urlsplit(name).path)) if scheme == "file" else Path(name)
    if not os.path.exists(path):
        raise InputError(f"{name} does not exist")
    if not os.path.isfile(path):
        raise InputError(f"{name} is not a file")
    if not os.access(path, os.R_OK):
        raise InputError(f"{name} cannot be read: permission denied")
    return _filled(Origin(str(path), path.stat().st_size, lambda: f"{_FILE}{path}"))


def _find_file_object(file: IO[bytes]) -> Origin:
    name = str(getattr(file, "name", "file object"))
    if isinstance(file, io.TextIOBase):
        raise InputError(f"{name} is open as text; open it with mode 'rb'")
    lock = threading.Lock()

    def view() -> IO[bytes]:
        return cast(IO[bytes], _View(file, lock))

    if not file.seekable():
        # A pipe can be read once, but an index and exact frames need to go back.
        spool = tempfile.TemporaryFile()  # noqa: SIM115  (closed when no one can open a view of it any more)
        weakref.finalize(view, spool.close)
        shutil.copyfileobj(file, spool)
        file = spool
    return Origin(name, file.seek(0, os.SEEK_END), view)


def _filled(origin: Origin) -> Origin:
    if origin.size_bytes == 0:
        raise MediaError(f"{origin.name} is empty (0 bytes)")
    return origin


class _View(io.RawIOBase):
    """A reader with a position of its own over a file that others read too."""

    def __init__(self, file: IO[bytes], lock: threading.Lock) -> None:
        self._file, self._lock, self._at = file, lock, 0

    def readable(self) -> Literal[True]:
        return True

    def seekable(self) -> Literal[True]:
        return True

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        with self._lock:
            self._file.seek(self._at)
            data = self._file.read(size)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with self._lock:
            end = self._file.seek(0, os.SEEK_END)
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: end}[whence]
        return self._at


def _reason(error: Exception) -> str:
    if isinstance(error, av.error.HTTPError):
        return f"the server answered: {error.strerror}"
    if isinstance(error, av.error.ExitError | TimeoutError):
        return f"no data for {_TIMEOUT[1]:.0f} s"
    log = getattr(error, "log", None)
    if isinstance(error, av.error.InvalidDataError):
        hint = log[1][2] if log and log[1] else ""
        if "moov atom not found" in hint:
            return (
                "its index (moov atom) is missing, so the file was cut short while it was written or copied"
            )
        return "it is damaged or no video file"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__

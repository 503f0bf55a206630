"""Text inside files that FFmpeg writes no metadata into: PNG, GIF and WebP."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path
from typing import IO

_PNG_START = 8 + 25
"""Signature and IHDR: what a PNG begins with."""

_COMMENT = b"\x21\xfe"
_XMP_FLAG = 0x04


def png_with_text(data: bytes, key: str, text: str) -> bytes:
    """The PNG or APNG with an iTXt chunk (PNG specification, 11.3.3.4) behind its header."""
    body = b"iTXt" + key.encode("latin-1") + b"\0\0\0\0\0" + text.encode()
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:_PNG_START] + chunk + data[_PNG_START:]


def add_png_text(path: Path, key: str, text: str) -> None:
    _insert(path, png_with_text(_head(path, _PNG_START), key, text)[_PNG_START:], _PNG_START)


def add_gif_comment(path: Path, text: str) -> None:
    """A comment extension (GIF89a, 24) behind the header and the global palette."""
    head = _head(path, 13)
    palette = 3 << ((head[10] & 7) + 1) if head[10] & 0x80 else 0
    data = text.encode()
    blocks = (data[at : at + 255] for at in range(0, len(data), 255))
    comment = _COMMENT + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
    _insert(path, comment, 13 + palette)


def add_webp_xmp(path: Path, text: str) -> None:
    """An XMP chunk at the end, announced in the extended header (WebP container specification)."""
    data = text.encode()
    chunk = b"XMP " + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    with path.open("r+b") as file:
        head = file.read(21)
        if head[12:16] != b"VP8X":
            raise ValueError("only an extended WebP file can hold metadata")
        file.seek(0, 2)
        file.write(chunk)
        size = file.tell() - 8
        file.seek(4)
        file.write(struct.pack("<I", size))
        file.seek(20)
        file.write(bytes([head[20] | _XMP_FLAG]))


def _head(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def _insert(path: Path, data: bytes, at: int) -> None:
    """Rewrite the file with `data` put in, a block at a time."""
    grown = path.with_name(path.name + ".grown")
    try:
        with path.open("rb") as old, grown.open("wb") as new:
            new.write(old.read(at))
            new.write(data)
            _copy(old, new)
        grown.replace(path)
    finally:
        grown.unlink(missing_ok=True)


def _copy(old: IO[bytes], new: IO[bytes]) -> None:
    shutil.copyfileobj(old, new, 1 << 20)

"""What made a file, inside the formats that FFmpeg writes no metadata into: PNG, GIF and WebP."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from xml.sax.saxutils import quoteattr

from PIL import Image

_PNG_START = 8 + 25
"""Signature and IHDR: what a PNG begins with."""

_KEY = "moviola"
_COMMENT = b"\x21\xfe"
_RIFF_START = 12
_XMP_FLAG, _ALPHA_FLAG, _NO_BLENDING = 0x04, 0x10, 0x02
_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:moviola="urn:moviola" moviola:recipe={}/></rdf:RDF></x:xmpmeta>'
)
_XMP_RECIPE = re.compile(r"""moviola:recipe=(?:"([^"]*)"|'([^']*)')""")


def add_recipe(path: Path, recipe: Mapping[str, Any]) -> None:
    """Put `recipe` into a finished GIF, WebP or APNG file."""
    text = json.dumps(recipe)
    if path.suffix == ".gif":
        _add_gif_comment(path, json.dumps({_KEY: recipe}))
    elif path.suffix == ".webp":
        _add_webp_xmp(path, _XMP.format(quoteattr(text)))
    else:
        _insert(path, png_with_recipe(_head(path, _PNG_START), recipe)[_PNG_START:], _PNG_START)


def read_recipe(path: Path) -> Mapping[str, Any] | None:
    """What `add_recipe` or `png_with_recipe` put into a picture; None where there is nothing of it."""
    try:
        with Image.open(path) as image:
            recipe = _recipe_in(image.info)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return recipe if isinstance(recipe, dict) else None


def _recipe_in(info: Mapping[Any, Any]) -> Any:
    if _KEY in info:
        return json.loads(info[_KEY])
    if b"moviola:recipe" in info.get("xmp", b""):
        match = _XMP_RECIPE.search(info["xmp"].decode())
        return json.loads(html.unescape(match[1] or match[2])) if match else None
    comment = info.get("comment", b"")
    return json.loads(comment).get(_KEY) if comment.startswith(b"{") else None


def png_with_recipe(data: bytes, recipe: Mapping[str, Any]) -> bytes:
    """The PNG or APNG with an iTXt chunk (PNG specification, 11.3.3.4) behind its header."""
    body = b"iTXt" + _KEY.encode() + b"\0\0\0\0\0" + json.dumps(recipe).encode()
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:_PNG_START] + chunk + data[_PNG_START:]


def _add_gif_comment(path: Path, text: str) -> None:
    """A comment extension (GIF89a, 24) behind the header and the global palette."""
    head = _head(path, 13)
    palette = 3 << ((head[10] & 7) + 1) if head[10] & 0x80 else 0
    data = text.encode()
    blocks = (data[at : at + 255] for at in range(0, len(data), 255))
    comment = _COMMENT + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
    _insert(path, comment, 13 + palette)


def mend_webp(path: Path, milliseconds: int) -> None:
    """Set what FFmpeg's muxer leaves out: how long the last frame shows, and that frames replace each other.

    Without the second a transparent frame would be laid over the one before.
    """
    last = None
    with path.open("r+b") as file:
        at = _RIFF_START
        while len(head := _read_at(file, at, 8)) == 8:
            name, size = struct.unpack("<4sI", head)
            if name == b"ANMF":
                last = at + 8
                _write_at(file, last + 15, bytes([_read_at(file, last + 15, 1)[0] | _NO_BLENDING]))
            at += 8 + size + size % 2
        if last is not None:
            _write_at(file, last + 12, struct.pack("<I", milliseconds)[:3])


def _add_webp_xmp(path: Path, text: str) -> None:
    """An XMP chunk at the end, announced in the extended header (WebP container specification)."""
    with Image.open(path) as image:
        (width, height), clear = image.size, image.mode == "RGBA"
    if _head(path, 16)[12:] != b"VP8X":
        sizes = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
        _insert(path, b"VP8X" + struct.pack("<II", 10, _ALPHA_FLAG * clear) + sizes, _RIFF_START)
    data = text.encode()
    with path.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(b"XMP " + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2))
        size = file.tell() - 8
        flags = _read_at(file, 20, 1)[0] | _XMP_FLAG
        _write_at(file, 4, struct.pack("<I", size))
        _write_at(file, 20, bytes([flags]))


def _read_at(file: IO[bytes], at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def _write_at(file: IO[bytes], at: int, data: bytes) -> None:
    file.seek(at)
    file.write(data)


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

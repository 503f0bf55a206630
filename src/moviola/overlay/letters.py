"""Fonts that know the letters of a text, and how long it is in them."""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import cast

from PIL import ImageFont

from moviola.errors import OutputError

SMALLEST = 9
"""Pixels: text is never set smaller, or it could not be read."""

BASE = 0.36
"""From the middle of a line down to its base line, in sizes of the text."""

_FONTS = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "PingFang.ttc",
    "segoeui.ttf", "msyh.ttc", "malgun.ttf", "msgothic.ttc",
)  # fmt: skip
"""Fonts of the system, tried in turn for texts that Pillow's own has no letters for."""


def length(text: str, size: int) -> int:
    """Pixels."""
    return ceil(font(text, size).getlength(text))


def shortened(text: str, used: ImageFont.FreeTypeFont, room: int, *, more: bool = False) -> str:
    """The text, with an ellipsis where it had to be cut to `room` pixels, or where `more` would follow."""
    if not more and used.getlength(text) <= room:
        return text
    while text and used.getlength(text + "…") > room:
        text = text[:-1].rstrip()
    return text + "…"


def can_write(text: str) -> bool:
    """Whether a font on this machine has all letters of the text."""
    return not _lacking(font(text, SMALLEST), text)


@lru_cache(maxsize=256)
def font(text: str, size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font; where it lacks letters of the text, the system's that has most of them.

    Letters it lacks are shown as boxes. Raises OutputError where no text can be drawn on this machine.
    """
    own = _own(size)
    if not _lacking(own, text):
        return own
    others = [found for name in _FONTS if (found := _of_the_system(name, size))]
    return min((own, *others), key=lambda found: _lacking(found, text))


@lru_cache(maxsize=4)
def _own(size: int) -> ImageFont.FreeTypeFont:
    try:
        return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))
    except ImportError:
        raise OutputError("no text can be drawn: this Pillow has no FreeType; install its wheel") from None


@lru_cache(maxsize=32)
def _of_the_system(name: str, size: int) -> ImageFont.FreeTypeFont | None:
    """None where it is not installed."""
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


def _lacking(font: ImageFont.FreeTypeFont, text: str) -> int:
    """How many letters look like one that there never is."""
    missing = bytes(font.getmask("\uffff"))
    return sum(bytes(font.getmask(letter)) == missing for letter in set(text) if not letter.isspace())

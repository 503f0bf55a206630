"""Labels drawn into pictures: a panel in the lower left with names, bars and percentages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from moviola.errors import OutputError
from moviola.frames import Depth, Frames, Pixels
from moviola.tasks import Label

_SMALLEST = 9
"""Pixels: text is never set smaller, or it could not be read."""

_PER_SIDE = 28
"""Lines of text that would fill a picture's shorter side: large enough to be read from afar."""

_HIGHEST = 0.5
"""How much of a picture's height the panel may cover; labels that find no room there are left out."""

_WIDEST = 0.7
"""The same of its width, where it is large enough to choose; names that are longer are shortened."""

# R, G, B and opacity, 0 to 255. Grey enough under any picture to read white text on it.
_GROUND = (14, 16, 20, 184)
_TRACK = (78, 82, 90, 216)
_FIRST, _OTHERS = (255, 190, 60, 255), (150, 172, 204, 255)
_BRIGHT, _DIM = (255, 255, 255, 255), (206, 210, 216, 255)

_FONTS = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "PingFang.ttc",
    "segoeui.ttf", "msyh.ttc", "malgun.ttf", "msgothic.ttc",
)  # fmt: skip
"""Fonts of the system, tried in turn for names that Pillow's own has no letters for."""

_Colour = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Line:
    """percent: of a label; None for a remark, which is the last line."""

    text: str
    percent: int | None = None


@dataclass(frozen=True, slots=True)
class Overlay:
    """Draws labels into frames, in a size that follows the picture's.

    top: how many labels are shown at most. They are fewer where the picture is low; there is no panel where
        it is too small for a single line.
    white: what a white text has of full scale; below 1 for HDR, where full scale would dazzle.
    """

    top: int = 5
    white: float = 1.0

    def draw(self, frames: Frames, labels: Sequence[Label], note: str | None = None) -> Frames:
        """The same frames with a panel over them; the given ones themselves where there is nothing to draw.

        labels: the likeliest first. note: a remark below them.
        Only pixels under the panel differ. It is seen over transparent pictures, too: alpha rises under it.

        Raises OutputError where no text can be drawn on this machine.
        """
        lines = [_Line(_one_line(label.name), round(100 * label.score)) for label in labels[: self.top]]
        if note:
            lines.append(_Line(_one_line(note)))
        if not lines or not len(frames):
            return frames
        panel = _panel(frames.data.shape[1:], frames.depth, tuple(lines), self.white)
        if panel is None:
            return frames
        data = frames.data.copy(order="C")
        panel.cover(data)
        return replace(frames, data=data)


def _one_line(text: str) -> str:
    return " ".join(text.split())


@dataclass(frozen=True, slots=True, eq=False)
class _Panel:
    """What becomes of a part of every picture: (pixel · keep + paint) / 2^bits.

    rows, columns: the part; columns count samples, since channels lie side by side.
    keep, paint: (rows, columns), unsigned integers of twice as many bits.
    """

    rows: slice
    columns: slice
    bits: int
    keep: NDArray[np.unsignedinteger]
    paint: NDArray[np.unsignedinteger]

    def cover(self, pictures: Pixels) -> None:
        """Draw into (T, H, W, C), in place."""
        mixed = np.empty_like(self.keep)
        for picture in pictures.reshape(*pictures.shape[:2], -1):
            part = picture[self.rows, self.columns]
            mixed[...] = part
            mixed *= self.keep
            mixed += self.paint
            mixed >>= self.bits
            part[...] = mixed


@lru_cache(maxsize=4)
def _panel(
    shape: tuple[int, int, int], depth: Depth, lines: tuple[_Line, ...], white: float
) -> _Panel | None:
    """The panel for pictures of `shape` (H, W, C); None where they are too small for it."""
    height, width, channels = shape
    image = _drawn(lines, width, height)
    if image is None:
        return None
    wide, full = np.uint16 if depth == 8 else np.uint32, 2**depth - 1
    scale = np.arange(256) / 255
    drawn = np.asarray(image)
    opacity = np.rint(scale * 2**depth).astype(wide)[drawn[..., 3:]].repeat(channels, axis=2)
    # The fourth channel of a picture is painted as opaque as can be, as far as the panel is.
    colour = np.full_like(opacity, full)
    colour[..., :3] = np.rint(scale * white * full).astype(wide)[drawn[..., :3]]
    colour *= opacity
    colour += wide(2 ** (depth - 1))
    keep = np.subtract(2**depth, opacity, dtype=wide)
    margin, lines_of_samples = _margin(width, height), (image.height, -1)
    return _Panel(
        slice(height - margin - image.height, height - margin),
        slice(margin * channels, (margin + image.width) * channels),
        depth,
        keep.reshape(lines_of_samples),
        colour.reshape(lines_of_samples),
    )


def _text_size(width: int, height: int) -> int:
    return max(_SMALLEST, round(min(width, height) / _PER_SIDE))


def _margin(width: int, height: int) -> int:
    return _text_size(width, height) // 2


def _drawn(lines: tuple[_Line, ...], width: int, height: int) -> Image.Image | None:
    """The panel itself, RGBA, for a picture of this size; None where it is too small for one line."""
    size, margin = _text_size(width, height), _margin(width, height)
    pitch, pad, gap, bar = round(1.45 * size), round(0.6 * size), round(0.6 * size), min(4 * size, width // 6)
    lines = _fitting(lines, (round(_HIGHEST * height) - 2 * pad) // pitch)
    # The column of names is followed by one of bars and one of percentages, where there are labels at all.
    rest = 2 * gap + bar + _length("100 %", size) if lines[0].percent is not None else 0
    widest = min(width - 2 * margin, max(round(_WIDEST * width), 25 * size)) - 2 * pad - rest
    if height < 2 * margin + 2 * pad + len(lines) * pitch or widest < 4 * size:
        return None
    wanted = max(_length(line.text, size) - (rest if line.percent is None else 0) for line in lines)
    names = min(max(wanted, 10 * size), widest)

    image = Image.new("RGBA", (names + rest + 2 * pad, len(lines) * pitch + 2 * pad))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, image.width - 1, image.height - 1), round(0.4 * size), _GROUND)
    for number, line in enumerate(lines):
        middle = pad + number * pitch + pitch // 2
        base = middle + round(0.36 * size)
        if line.percent is None:
            _write(draw, (pad, base), line.text, size, names + rest, _DIM)
            continue
        ink, accent = (_DIM, _OTHERS) if number else (_BRIGHT, _FIRST)
        _write(draw, (pad, base), line.text, size, names, ink)
        left, half = pad + names + gap, max(1, round(0.18 * size))
        for length, colour in ((bar, _TRACK), (round(bar * min(max(line.percent, 0), 100) / 100), accent)):
            if length:
                draw.rectangle((left, middle - half, left + length - 1, middle + half - 1), colour)
        percent = f"{line.percent} %"
        _write(draw, (image.width - pad - _length(percent, size), base), percent, size, rest, ink)
    return image


def _fitting(lines: tuple[_Line, ...], room: int) -> tuple[_Line, ...]:
    """At most `room` lines, but at least one: labels go before a remark does."""
    if lines[-1].percent is None and room > 1:
        return (*lines[:-1][: room - 1], lines[-1])
    return lines[: max(1, room)]


def _write(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, room: int, ink: _Colour
) -> None:
    """Text that begins at `place`, on its base line, shortened to `room` pixels."""
    font = _font(text, size)
    if font.getlength(text) > room:
        while text and font.getlength(text + "…") > room:
            text = text[:-1].rstrip()
        text += "…"
    draw.text(place, text, ink, font, anchor="ls")


def _length(text: str, size: int) -> int:
    """Pixels."""
    return ceil(_font(text, size).getlength(text))


@lru_cache(maxsize=256)
def _font(text: str, size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font; where it lacks letters of the text, the system's that has most of them.

    Letters it lacks are shown as boxes.
    """
    own = _own(size)
    if not _lacking(own, text):
        return own
    others = [font for name in _FONTS if (font := _of_the_system(name, size))]
    return min((own, *others), key=lambda font: _lacking(font, text))


@lru_cache(maxsize=4)
def _own(size: int) -> ImageFont.FreeTypeFont:
    try:
        return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))
    except ImportError:
        raise OutputError("no labels can be drawn: this Pillow has no FreeType; install its wheel") from None


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

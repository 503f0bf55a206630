"""Captions drawn into pictures: lines in the middle of the lower edge, on a dark ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

from PIL import Image, ImageDraw, ImageFont

from moviola.cues import one_line, wrapped
from moviola.frames import Depth, Frames
from moviola.overlay.letters import BASE, SMALLEST, font, shortened
from moviola.overlay.panel import GROUND, Panel

_LINES = 3
"""Of text, at most: it is set smaller to fit, and what finds no room then is left out."""

_REDUCED = 0.6
"""How small it may become of the size that it has by the picture's."""

_HIGHEST = 0.5
"""How much of a picture's height the text may cover."""

_PER_HEIGHT, _PER_WIDTH = 18, 24
"""Sizes of the text that would fill the picture's height and width: a line of 42 letters fits into either."""

_EDGE = 0.05
"""How much of width and height stays free at each edge: the area safe for graphics (EBU R 95)."""

_INK = (255, 255, 255, 255)


@dataclass(frozen=True, slots=True)
class CaptionOverlay:
    """Draws captions into frames, in a size that follows the picture's.

    white: what a white text has of full scale; below 1 for HDR, where full scale would dazzle.
    """

    white: float = 1.0

    def draw(self, frames: Frames, text: str) -> Frames:
        """The same frames with the text over them; the given ones themselves where there is nothing to draw.

        text: one line or several, which are kept where the picture is wide enough for them.
        Only pixels under its panel differ. There is none where the picture is too small for a single line.

        Raises OutputError where no text can be drawn on this machine.
        """
        lines = tuple(line for line in map(one_line, text.split("\n")) if line)
        if not lines or not len(frames):
            return frames
        panel = _panel(frames.data.shape[1:], frames.depth, lines, self.white)
        return frames if panel is None else panel.over(frames)


@lru_cache(maxsize=4)
def _panel(shape: tuple[int, int, int], depth: Depth, given: tuple[str, ...], white: float) -> Panel | None:
    """The panel for pictures of `shape` (H, W, C); None where they are too small for it."""
    height, width, channels = shape
    image = _drawn(given, width, height)
    if image is None:
        return None
    left = (width - image.width) // 2
    top = height - max(1, round(_EDGE * height)) - image.height
    return Panel.of(image, left, top, channels=channels, depth=depth, white=white)


def _drawn(given: Sequence[str], width: int, height: int) -> Image.Image | None:
    """The panel itself, RGBA, for a picture of this size; None where it is too small for one line."""
    largest = max(SMALLEST, round(min(height / _PER_HEIGHT, width / _PER_WIDTH)))
    smallest = max(SMALLEST, round(_REDUCED * largest))
    text = " ".join(given)
    for size in range(largest, smallest - 1, -1):
        pitch, pad, side = round(1.3 * size), round(0.35 * size), round(0.6 * size)
        room = round((1 - 2 * _EDGE) * width) - 2 * side
        most = min(_LINES, (round(_HIGHEST * height) - 2 * pad) // pitch)
        if room < 4 * size or most < 1:
            continue
        used = font(text, size)
        if size > smallest and used.getlength(text) > most * room:
            continue
        lines = _lines(given, room, used)
        if len(lines) <= most or size == smallest:
            break
    else:
        return None
    if len(lines) > most:
        lines = [*lines[: most - 1], shortened(lines[most - 1], used, room, more=True)]

    wide = max(ceil(used.getlength(line)) for line in lines) + 2 * side
    image = Image.new("RGBA", (wide, len(lines) * pitch + 2 * pad))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, image.width - 1, image.height - 1), round(0.3 * size), GROUND)
    for number, line in enumerate(lines):
        base = pad + number * pitch + pitch // 2 + round(BASE * size)
        draw.text((image.width / 2, base), line, _INK, used, anchor="ms")
    return image


def _lines(given: Sequence[str], room: int, used: ImageFont.FreeTypeFont) -> Sequence[str]:
    """As given where each fits into `room` pixels, else broken anew."""
    if all(used.getlength(line) <= room for line in given):
        return given
    return wrapped(" ".join(given), room, lambda part: ceil(used.getlength(part)))

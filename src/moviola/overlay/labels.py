"""Labels drawn into pictures: a panel in the lower left with names, bars and percentages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw

from moviola.cues import one_line
from moviola.frames import Depth, Frames
from moviola.overlay.letters import BASE, SMALLEST, font, length, shortened
from moviola.overlay.panel import GROUND, Panel
from moviola.tasks import Label

_PER_SIDE = 28
"""Lines of text that would fill a picture's shorter side: large enough to be read from afar."""

_HIGHEST = 0.5
"""How much of a picture's height the panel may cover; labels that find no room there are left out."""

_WIDEST = 0.7
"""The same of its width, where it is large enough to choose; names that are longer are shortened."""

# R, G, B and opacity, 0 to 255.
_TRACK = (78, 82, 90, 216)
_FIRST, _OTHERS = (255, 190, 60, 255), (150, 172, 204, 255)
_BRIGHT, _DIM = (255, 255, 255, 255), (206, 210, 216, 255)

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
        lines = [_Line(one_line(label.name), round(100 * label.score)) for label in labels[: self.top]]
        if note:
            lines.append(_Line(one_line(note)))
        if not lines or not len(frames):
            return frames
        panel = _panel(frames.data.shape[1:], frames.depth, tuple(lines), self.white)
        return frames if panel is None else panel.over(frames)


@lru_cache(maxsize=4)
def _panel(shape: tuple[int, int, int], depth: Depth, lines: tuple[_Line, ...], white: float) -> Panel | None:
    """The panel for pictures of `shape` (H, W, C); None where they are too small for it."""
    height, width, channels = shape
    image = _drawn(lines, width, height)
    if image is None:
        return None
    margin = _margin(width, height)
    top = height - margin - image.height
    return Panel.of(image, margin, top, channels=channels, depth=depth, white=white)


def _text_size(width: int, height: int) -> int:
    return max(SMALLEST, round(min(width, height) / _PER_SIDE))


def _margin(width: int, height: int) -> int:
    return _text_size(width, height) // 2


def _drawn(lines: tuple[_Line, ...], width: int, height: int) -> Image.Image | None:
    """The panel itself, RGBA, for a picture of this size; None where it is too small for one line."""
    size, margin = _text_size(width, height), _margin(width, height)
    pitch, pad, gap, bar = round(1.45 * size), round(0.6 * size), round(0.6 * size), min(4 * size, width // 6)
    lines = _fitting(lines, (round(_HIGHEST * height) - 2 * pad) // pitch)
    # The column of names is followed by one of bars and one of percentages, where there are labels at all.
    rest = 2 * gap + bar + length("100 %", size) if lines[0].percent is not None else 0
    widest = min(width - 2 * margin, max(round(_WIDEST * width), 25 * size)) - 2 * pad - rest
    if height < 2 * margin + 2 * pad + len(lines) * pitch or widest < 4 * size:
        return None
    wanted = max(length(line.text, size) - (rest if line.percent is None else 0) for line in lines)
    names = min(max(wanted, 10 * size), widest)

    image = Image.new("RGBA", (names + rest + 2 * pad, len(lines) * pitch + 2 * pad))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, image.width - 1, image.height - 1), round(0.4 * size), GROUND)
    for number, line in enumerate(lines):
        middle = pad + number * pitch + pitch // 2
        base = middle + round(BASE * size)
        if line.percent is None:
            _write(draw, (pad, base), line.text, size, names + rest, _DIM)
            continue
        ink, accent = (_DIM, _OTHERS) if number else (_BRIGHT, _FIRST)
        _write(draw, (pad, base), line.text, size, names, ink)
        left, half = pad + names + gap, max(1, round(0.18 * size))
        for long, colour in ((bar, _TRACK), (round(bar * min(max(line.percent, 0), 100) / 100), accent)):
            if long:
                draw.rectangle((left, middle - half, left + long - 1, middle + half - 1), colour)
        percent = f"{line.percent} %"
        _write(draw, (image.width - pad - length(percent, size), base), percent, size, rest, ink)
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
    used = font(text, size)
    draw.text(place, shortened(text, used, room), ink, used, anchor="ls")

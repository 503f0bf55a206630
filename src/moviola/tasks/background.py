"""What is seen in place of a background that is removed: nothing, or a colour."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

TRANSPARENT = "transparent"

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
    "yellow": (255, 255, 0),
}
"""The corners of the R'G'B' cube, and grey: what keyers look for."""


@dataclass(frozen=True, slots=True)
class Background:
    """written: as it was asked for. colour: R', G', B' in 0 to 255; None is transparent."""

    written: str
    colour: tuple[int, int, int] | None = None

    def __str__(self) -> str:
        return self.written


def as_background(value: Any) -> Any:
    """From "transparent", a name of `COLOURS`, "#00ff00", or three numbers. Raises ValueError."""
    if isinstance(value, list | tuple):
        if len(value) != 3 or not all(isinstance(level, int) and 0 <= level <= 255 for level in value):
            raise ValueError(f"{value!r} is no colour; give red, green and blue as 0 to 255")
        return Background("#{:02x}{:02x}{:02x}".format(*value), tuple(value))
    if not isinstance(value, str):
        return value
    name = value.strip().lower()
    if name == TRANSPARENT:
        return Background(name)
    if name in COLOURS:
        return Background(name, COLOURS[name])
    if re.fullmatch(r"#[0-9a-f]{6}", name) is None:
        raise ValueError(f"{value!r} is no colour; write {TRANSPARENT}, {', '.join(COLOURS)} or #RRGGBB")
    red, green, blue = bytes.fromhex(name[1:])
    return Background(name, (red, green, blue))


BackgroundAs = Annotated[
    Background,
    BeforeValidator(as_background),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": rf"^({TRANSPARENT}|{'|'.join(COLOURS)}|#[0-9a-fA-F]{{6}})$"}
    ),
]

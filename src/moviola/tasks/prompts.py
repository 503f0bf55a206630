"""What points at something in a video, and how it is written: a box, a point or a text, and when."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from moviola.tasks.fields import as_seconds


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle around something. x, y: its top left corner; w, h: its size; all in pixels.

    seconds: when, on the video's clock; None is the beginning of what is asked for.
    """

    x: float
    y: float
    w: float
    h: float
    seconds: float | None = None

    def __str__(self) -> str:
        return _written((self.x, self.y, self.w, self.h), self.seconds)


@dataclass(frozen=True, slots=True)
class Point:
    """A place on something, in pixels from the top left. seconds: as of `Box`."""

    x: float
    y: float
    seconds: float | None = None

    def __str__(self) -> str:
        return _written((self.x, self.y), self.seconds)


@dataclass(frozen=True, slots=True)
class Text:
    """Words for something, as "the dog". seconds: when to look for it; None is wherever it is seen."""

    words: str
    seconds: float | None = None

    def __str__(self) -> str:
        return self.words + _at(self.seconds)


def as_box(value: Any) -> Any:
    """A box from "x,y,w,h" or "x,y,w,h@2s", or from 4 numbers. Raises ValueError, as all these do."""
    numbers, seconds = _parts(
        value, 4, "box; write X,Y,WIDTH,HEIGHT or X,Y,WIDTH,HEIGHT@TIME, as 40,30,64,48@2s"
    )
    if numbers is None:
        return value
    x, y, w, h = numbers
    if w <= 0 or h <= 0:
        raise ValueError(f"the box {value} is empty: its width is {w:g}, its height {h:g}")
    return Box(x, y, w, h, seconds)


def as_point(value: Any) -> Any:
    """A point from "x,y" or "x,y@1:30", or from 2 numbers."""
    numbers, seconds = _parts(value, 2, "point; write X,Y or X,Y@TIME, as 72,54@1:30")
    if numbers is None:
        return value
    x, y = numbers
    return Point(x, y, seconds)


def as_text(value: Any) -> Any:
    """Words from "the dog" or "the dog@2s"; an @ that no time follows belongs to the words."""
    if not isinstance(value, str):
        return value
    words, mark, time = value.rpartition("@")
    seconds = None
    if mark:
        try:
            seconds = as_seconds(time)
        except ValueError:
            words = value
    else:
        words = value
    if not words.strip():
        raise ValueError(f"{value!r} names nothing; write what to look for, as 'the dog'")
    return Text(words.strip(), seconds)


def _parts(value: Any, count: int, what: str) -> tuple[list[float] | None, float | None]:
    """The numbers and the time of a text or a sequence; None for anything else, which pydantic judges."""
    seconds = None
    if isinstance(value, str):
        place, mark, time = value.partition("@")
        seconds = as_seconds(time) if mark else None
        given: Any = re.split(r"\s*,\s*", place.strip())
    elif isinstance(value, list | tuple):
        given = value
    else:
        return None, None
    try:
        numbers = [float(number) for number in given]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{value!r} is no {what}")
    return numbers, seconds


def _written(numbers: tuple[float, ...], seconds: float | None) -> str:
    return ",".join(f"{number:.10g}" for number in numbers) + _at(seconds)


def _at(seconds: float | None) -> str:
    return "" if seconds is None else f"@{seconds:.10g}s"


_NUMBER = r"-?\d+(\.\d+)?"

BoxAt = Annotated[
    Box,
    BeforeValidator(as_box),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": rf"^{_NUMBER}(,{_NUMBER}){{3}}(@\S+)?$"}),
]

PointAt = Annotated[
    Point,
    BeforeValidator(as_point),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": rf"^{_NUMBER},{_NUMBER}(@\S+)?$"}),
]

TextAt = Annotated[
    Text, BeforeValidator(as_text), PlainSerializer(str, return_type=str), WithJsonSchema({"type": "string"})
]

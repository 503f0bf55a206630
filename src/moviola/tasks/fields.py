"""The kinds of fields that requests have, and how each is written on the command line and in JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, PositiveInt, WithJsonSchema
from pydantic.fields import FieldInfo


@dataclass(frozen=True, slots=True)
class Positional:
    """Marks a field that is given by place, not by name, on the command line."""


def is_positional(field: FieldInfo) -> bool:
    return any(isinstance(mark, Positional) for mark in field.metadata)


@dataclass(frozen=True, slots=True)
class Short:
    """A one-letter flag beside the long one."""

    letter: str


# What people type for the NTSC rates, and what they mean (SMPTE ST 12-1: 1000/1001 of the whole rate).
_NTSC = {
    f"{nominal * 1000 / 1001:.{digits}f}": Fraction(nominal * 1000, 1001)
    for nominal in (24, 30, 48, 60, 120)
    for digits in (2, 3)
}


def as_fraction(value: Any) -> Fraction:
    """An exact positive number from an int, a float, "5/2", "16:9", "2.5" or "23.976" (24000/1001).

    Raises ValueError for anything that is not above zero and below 100,000.
    """
    text = str(value).strip().replace(":", "/")
    try:
        number = _NTSC.get(text) or Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{text!r} is not a number; write 60, 2.5 or 30000/1001") from None
    if not 0 < number < 100_000:
        raise ValueError(f"{text} is out of range; it must be above 0 and below 100000")
    return number


Rational = Annotated[
    Fraction,
    BeforeValidator(as_fraction),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?([/:]\d+)?$"}),
]


def named(value: Any) -> Any:
    """An empty name would mean the current folder; a zero byte means nothing anywhere."""
    if isinstance(value, str) and (not value or "\0" in value):
        raise ValueError("the name is empty" if not value else "the name holds a zero byte")
    return value


Origin = Annotated[
    Any,
    BeforeValidator(named),
    PlainSerializer(lambda origin: origin_name(origin)),
    WithJsonSchema({"type": "string"}),
]
"""Where a video comes from: path, URL, bytes, file object, folder, `folder/%05d.png`, array, camera."""


def as_videos(value: Any) -> Any:
    """One video, or several: a list or tuple of pictures is one."""
    several = isinstance(value, list | tuple) and not any(hasattr(item, "getbands") for item in value)
    return list(value) if several else [value]


Origins = Annotated[list[Origin], BeforeValidator(as_videos)]
"""One video or several; one alone need not be in a list."""


def as_pictures(value: Any) -> Any:
    """Single pictures: a list or tuple is of them."""
    return value if value is None else list(value) if isinstance(value, list | tuple) else [value]


def origin_name(origin: Any) -> str:
    """How an origin is written down: its path or URL, else what kind of thing it is."""
    if isinstance(origin, str | Path | int):
        return str(origin)
    name = getattr(origin, "name", None)
    return name if isinstance(name, str) else type(origin).__name__


def as_size(value: Any) -> Any:
    """Width and height from "832x480" or "832×480"."""
    match = re.fullmatch(r"\s*(\d+)\s*[x×*]\s*(\d+)\s*", value) if isinstance(value, str) else None
    if isinstance(value, str) and match is None:
        raise ValueError(f"{value!r} is no size; write WIDTHxHEIGHT, as 832x480")
    return (int(match[1]), int(match[2])) if match else value


Size = Annotated[
    tuple[PositiveInt, PositiveInt],
    BeforeValidator(as_size),
    PlainSerializer(lambda size: f"{size[0]}x{size[1]}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+x\d+$"}),
]

_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def as_bytes(value: Any) -> Any:
    """Bytes from "8GB", "500 MiB" or a number; K, M, G and T are powers of 1024."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", value.lower())
    if match is None:
        raise ValueError(f"{value!r} is no amount of memory; write it as 8GB")
    return int(float(match[1]) * _UNITS[match[2]])


_CLOCK = re.compile(r"\s*(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)\s*(ms|s|min|h)?\s*")
_SPANS = {None: 1.0, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}


def as_seconds(value: Any) -> Any:
    """Seconds from "2s", "500ms", "1:30", "0:01:30.5" or a number."""
    if not isinstance(value, str):
        return value
    match = _CLOCK.fullmatch(value)
    if match is None or (match[2] and match[4]):
        raise ValueError(f"{value!r} is no time; write 2s, 500ms or 1:30")
    return int(match[1] or 0) * 3600 + int(match[2] or 0) * 60 + float(match[3]) * _SPANS[match[4]]


Duration = Annotated[float, BeforeValidator(as_seconds)]
"""Seconds."""


def as_span(value: Any) -> Any:
    """From and to, in seconds, from "12s..30s", "1:30..", "..500ms" or a pair."""
    if isinstance(value, str):
        start, dots, stop = value.partition("..")
        if not dots or not (start.strip() or stop.strip()):
            raise ValueError(f"{value!r} is no span of time; write FROM..TO, as 12s..30s, 1:30.. or ..10s")
        value = tuple(as_seconds(end) if end.strip() else None for end in (start, stop))
    return value


def _in_order(span: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    start, stop = span
    if start is not None and stop is not None and stop <= start:
        raise ValueError(f"a span must end after it starts; {start:g}s..{stop:g}s does not")
    return span


TimeSpan = Annotated[
    tuple[float | None, float | None],
    BeforeValidator(as_span),
    AfterValidator(_in_order),
    PlainSerializer(
        lambda span: "..".join("" if end is None else f"{Decimal(repr(end)).normalize():f}s" for end in span),
        return_type=str,
    ),
    WithJsonSchema({"type": "string", "pattern": r"^\S*\.\.\S*$"}),
]
"""From and to, in seconds on the video's clock; None is the beginning or the end."""


def as_views(value: Any) -> Any:
    """Clips and crops from "5x3"."""
    try:
        return as_size(value)
    except ValueError:
        raise ValueError(f"{value!r} are no views; write CLIPSxCROPS, as 5x3") from None


Views = Annotated[
    tuple[PositiveInt, Literal[1, 3]],
    BeforeValidator(as_views),
    PlainSerializer(lambda views: f"{views[0]}x{views[1]}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+x[13]$"}),
]
"""Clips spread over a video, and crops of each: one in the middle, or three along the longer side."""


def said(value: Any) -> Any:
    """A prompt says something."""
    if isinstance(value, str) and not value.strip():
        raise ValueError("the prompt is empty")
    return value

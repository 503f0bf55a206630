"""The JSON in an answer, among whatever else a model says."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

_FENCED = re.compile(r"^[ \t]*```[^\n]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
"""A block of code. JSON holds no line break inside of strings, so none of its lines begins with the fence."""

_OPENING = re.compile(r"[{\[]")

_UNFINISHED = re.compile(r"[-+.\w]*\s*")
"""What may be left of a number or a name where JSON breaks off."""


def parsed(text: str) -> Any:
    """The value of a text that is JSON and nothing else, with finite numbers. Raises ValueError."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def json_in(text: str) -> Any:
    """The JSON of an answer: all of it, a fenced block of it, or the longest object or array among words.

    Raises ValueError, whose text says why there is none.
    """
    slip: ValueError | None = None
    for alone in (text.strip(), *(block.strip() for block in _FENCED.findall(text))):
        try:
            return parsed(alone)
        except ValueError as error:
            if alone[:1] + alone[-1:] in ("{}", "[]") and "Extra data" not in str(error):
                slip = error
    found = max(_pieces(text), key=lambda piece: piece[0], default=None)
    if found is not None and found[1] is _CUT:
        raise ValueError("the JSON of the answer is cut off before its end")
    if slip is not None:
        # What would be an object but for a slip is not to be read as one of its own members.
        raise ValueError(f"the answer is not JSON: {slip}")
    if found is None:
        raise ValueError("the answer holds no JSON")
    return found[1]


_CUT = object()
"""Stands for JSON that ends with the text, not by itself."""

_TOO_DEEP = "the JSON is nested too deeply"


def _pieces(text: str) -> Iterator[tuple[int, Any]]:
    """Length and value of the objects and arrays of a text that are not inside of others."""
    decoder = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
    at = 0
    while opening := _OPENING.search(text, at):
        start = opening.start()
        at = start + 1
        try:
            value, at = decoder.raw_decode(text, start)
            yield at - start, value
        except RecursionError:
            raise ValueError(_TOO_DEEP) from None
        except json.JSONDecodeError as error:
            if error.msg.startswith("Unterminated string") or _UNFINISHED.fullmatch(text, error.pos):
                yield len(text) - start, _CUT
                return
        except ValueError:
            # A number that is none in JSON.
            continue


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number in JSON")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is too large a number")
    return value

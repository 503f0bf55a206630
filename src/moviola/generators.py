"""Generators that return a value after all that they yield: run to their end, or changed on the way."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")
Value = TypeVar("Value")


def finished(work: Generator[Any, None, Value]) -> Value:
    """Run to the end; what was yielded on the way is dropped."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            value: Value = end.value
            return value


def changed(
    work: Generator[Given, None, Value], change: Callable[[Given], Made]
) -> Generator[Made, None, Value]:
    """Each thing that is yielded, changed; returns the value. Closing it closes the work."""
    with closing(work):
        while True:
            try:
                given = next(work)
            except StopIteration as end:
                value: Value = end.value
                return value
            yield change(given)


def noted(
    work: Generator[Given, None, Value], note: Callable[[Given], object]
) -> Generator[Given, None, Value]:
    """The same things, each shown to `note` first; returns the value. Closing it closes the work."""

    def shown(given: Given) -> Given:
        note(given)
        return given

    return changed(work, shown)

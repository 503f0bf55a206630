"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_BREAK = re.compile(rb"\r\n|\n|\r")


def events(chunks: Iterable[bytes]) -> Iterator[str]:
    """The data of each event of a stream, which may be divided anywhere; what is not finished is dropped."""
    data: list[str] = []
    for line in _lines(chunks):
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Not `str.splitlines`, which also breaks lines at characters that JSON may hold."""
    rest, begun = b"", False
    for chunk in chunks:
        rest += chunk
        # A carriage return at the end may be half of a line break.
        end = len(rest) - rest.endswith(b"\r")
        *lines, last = _BREAK.split(rest[:end])
        rest = last + rest[end:]
        for line in lines:
            yield (line if begun else line.removeprefix(b"\xef\xbb\xbf")).decode(errors="replace")
            begun = True
    if rest.endswith(b"\r"):
        yield rest[:-1].decode(errors="replace")

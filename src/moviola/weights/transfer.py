"""A file over HTTP, in as many requests as it takes.

Going on where a connection broke: https://www.rfc-editor.org/rfc/rfc9110#section-14 (Range) and
https://www.rfc-editor.org/rfc/rfc9110#section-13.1.5 (If-Range).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx

from moviola.errors import InputError
from moviola.weights.disk import BEAT, Beat
from moviola.weights.part import Part
from moviola.weights.record import State

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds before the next attempt, after one, two, … in a row that brought nothing; then it is given up."""

_PASSING = (429, 500, 502, 503, 504)
"""Answers of a server that may give another one soon."""

TIMEOUT = 20.0
"""Seconds without a byte after which a connection counts as broken."""


def client() -> httpx.Client:
    """What asks for files. They are wanted, and counted, as they lie on the server."""
    headers = {"User-Agent": "moviola", "Accept-Encoding": "identity"}
    return httpx.Client(headers=headers, follow_redirects=True, timeout=TIMEOUT)


def state_of(asking: httpx.Client, url: str) -> State:
    """What the server has now. Raises httpx.HTTPError; InputError where it keeps the size to itself."""
    # Not HEAD, which servers refuse that hand out addresses signed for GET.
    with asking.stream("GET", url, headers={"Range": "bytes=0-0"}) as answer:
        answer.raise_for_status()
        return _state(answer)


@dataclass(slots=True)
class Transfer:
    """Brings to `part` what it lacks of the file at `url`.

    state: that the bytes of `part` are of. renewed: is told when the file turns out to be another, before
    its first byte comes.
    """

    asking: httpx.Client
    url: str
    part: Part
    state: State
    renewed: Callable[[State], None]

    def rest(self) -> Iterator[int]:
        """Yields how many bytes are here. Closing it stops with the next byte, or after the timeout.

        Where the file is another by now, or the server sends nothing but whole files, it begins anew.
        Raises httpx.HTTPError after several attempts in a row that bring nothing, or at once where another
        attempt would be in vain.
        """
        failures = 0
        while self.part.size < self.state.size:
            before = self.part.size
            trouble: httpx.HTTPError | None = None
            try:
                yield from self._answer()
            except httpx.TransportError as error:
                trouble = error
            except httpx.HTTPStatusError as error:
                if error.response.status_code not in _PASSING:
                    raise
                trouble = error
            if self.part.size > before:
                failures = 0
            elif trouble is None:
                trouble = httpx.RemoteProtocolError("the answer holds nothing of the file")
            if trouble is not None:
                if failures == len(PAUSES):
                    raise trouble
                yield from self._pause(PAUSES[failures])
                failures += 1

    def _answer(self) -> Iterator[int]:
        """Ask once, and add what comes."""
        headers = {}
        if self.part.size and self.state.validator is not None:
            headers = {"Range": f"bytes={self.part.size}-", "If-Range": self.state.validator}
        with self.asking.stream("GET", self.url, headers=headers) as answer:
            if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                self.part.clear()
                return
            answer.raise_for_status()
            state = _state(answer)
            if answer.status_code != httpx.codes.PARTIAL_CONTENT:
                self.part.clear()
                if state != self.state:
                    self.state = state
                    self.renewed(state)
            elif (state, _first(answer)) != (self.state, self.part.size):
                # Of another file, in spite of If-Range, or another piece: the next request is for all of it.
                self.part.clear()
                return
            due = Beat()
            for data in answer.iter_raw():
                self.part.add(data[: self.state.size - self.part.size])
                if due():
                    yield self.part.size
        yield self.part.size

    def _pause(self, seconds: float) -> Iterator[int]:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            yield self.part.size
            time.sleep(min(left, BEAT))


def _state(answer: httpx.Response) -> State:
    if answer.status_code == httpx.codes.PARTIAL_CONTENT:
        size = answer.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        size = answer.headers.get("Content-Length", "")
    if not size.isdecimal():
        raise InputError(f"{answer.request.url} does not say how large it is, and cannot be pulled")
    etag = answer.headers.get("ETag")
    # A weak ETag stands for what is only as good as the same, and does not go with ranges.
    strong = etag is not None and not etag.startswith("W/")
    return State(size=int(size), validator=etag if strong else answer.headers.get("Last-Modified"))


def _first(answer: httpx.Response) -> int | None:
    """The place in the file of the first byte of a partial answer."""
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found[1]) if found else None

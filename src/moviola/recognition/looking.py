"""The looking half of a watch: takes the newest pictures as often as it can, and says what they show."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from itertools import groupby
from threading import Event
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from moviola.recognition.labelling import ranked
from moviola.recognition.recognizer import Probabilities, Recognizer
from moviola.recognition.ring import Held, Ring
from moviola.recognition.steady import Hold, Smooth
from moviola.recognition.tally import Tally
from moviola.tasks import Seen, Watch

_WAITING = 64
"""Pictures that wait for a causal model."""

_TOGETHER = 8
"""Pictures that a causal model is shown at once: it holds the activations of all of them."""

_BEAT = 0.05
"""Seconds between two looks at whether all still goes on."""

_LOOKS = 16
"""Over so many looks their rate is taken."""


class Looker(Protocol):
    """Turns pictures into probabilities.

    size: how many pictures are to be held for it. sees_all: whether it is shown every picture, be there a
    look to be told or not. unseen: pictures that were gone before it had time for them. padded: how often it
    repeated the last one.
    """

    size: int
    sees_all: bool
    unseen: int
    padded: int

    def look(self, held: Sequence[Held], *, last: bool) -> Probabilities | None:
        """What pictures show, the oldest first; None where they are too few. last: no more will come."""
        ...


class WindowLooker:
    """Shows a model the last pictures, as many as it looks at."""

    sees_all = False

    def __init__(self, recognizer: Recognizer, *, every: float | None = None) -> None:
        """every: seconds between two looks, where somebody asked for that: then not all is to be seen."""
        self._recognizer = recognizer
        self._every = every
        self.size = recognizer.facts.frames
        self.unseen = self.padded = 0
        self._next: int | None = None

    def look(self, held: Sequence[Held], *, last: bool) -> Probabilities | None:
        window = held[-self.size :]
        missing = self.size - len(window)
        # Only a source that is too short as a whole is looked at all the same.
        if missing and (not last or self._next is not None):
            return None
        if self._next is not None and self._every is None:
            self.unseen += max(0, window[0].number - self._next)
        self._next = window[-1].number + 1
        self.padded = missing
        pictures = [one.picture for one in window] + [window[-1].picture] * missing
        found: Probabilities = self._recognizer.probabilities(np.stack(pictures)[None])[0]
        return found


class CausalLooker:
    """Shows a causal model every picture once, in order; anew where the stream had broken off."""

    size, sees_all, padded = _WAITING, True, 0

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._stream = recognizer.stream()
        self._next = self._run = 0
        self.unseen = 0

    def look(self, held: Sequence[Held], *, last: bool) -> Probabilities | None:
        new = [one for one in held if one.number >= self._next]
        found: Probabilities | None = None
        for run, pictures in groupby(new, lambda one: one.run):
            if run != self._run:
                self._run, self._stream = run, self._recognizer.stream()
            found = self._shown(list(pictures))
        return found

    def _shown(self, new: list[Held]) -> Probabilities:
        self.unseen += new[0].number - self._next
        self._next = new[-1].number + 1
        for first in range(0, len(new), _TOGETHER):
            together = [one.picture for one in new[first : first + _TOGETHER]]
            found = self._stream.push(np.stack(together))
        return found


def looker_for(recognizer: Recognizer, *, every: float | None) -> Looker:
    """every: seconds between two looks; None for as often as can be."""
    if recognizer.facts.causal:
        return CausalLooker(recognizer)
    return WindowLooker(recognizer, every=every)


class Looking:
    """Looks at a ring of pictures again and again, smooths, decides what is shown, and tells."""

    def __init__(
        self,
        recognizer: Recognizer,
        looker: Looker,
        ring: Ring,
        request: Watch,
        chosen: NDArray[np.int64],
        tally: Tally,
        told: deque[Seen],
    ) -> None:
        """chosen: the classes that are told. told: every look is put here."""
        self._names, self._chosen, self._top = recognizer.names, chosen, request.top
        self._looker, self._ring, self._tally, self._told = looker, ring, tally, told
        self._smooth, self._hold = Smooth(request.smooth), Hold(request.enter, request.leave)
        self._every, self._due = request.every or 0.0, 0.0
        self._times: deque[float] = deque(maxlen=_LOOKS)

    def run(self, stop: Event) -> None:
        """Until the ring is closed or `stop` is set."""
        held: list[Held] = []
        untold: tuple[Probabilities, Held] | None = None
        after, last = -1, False
        while not last and not stop.is_set():
            # Asked first: what is held after this is all there will ever be.
            last = self._ring.closed
            wait = self._due - time.monotonic()
            if wait > 0 and not last and not self._looker.sees_all:
                stop.wait(min(wait, _BEAT))
                continue
            new = self._ring.newest(after, _BEAT)
            if new or (last and held and not self._tally.looks):
                held = new or held
                after, began = held[-1].number, time.monotonic()
                found = self._looker.look(held, last=last)
                untold = None if found is None else (found, held[-1])
            if untold is not None and (last or began >= self._due):
                self._due = began + self._every
                self._times.append(began)
                self._tell(*untold)
                untold = None

    def _tell(self, found: Probabilities, newest: Held) -> None:
        tally, looker = self._tally, self._looker
        smoothed = self._smooth.add(found, newest.seconds)
        labels = ranked(smoothed, self._names, self._chosen, len(self._chosen))
        shown = self._hold.show({label.index: label.score for label in labels})
        tally.looks, tally.unseen, tally.padded = tally.looks + 1, looker.unseen, looker.padded
        tally.seen = Seen(
            seconds=newest.seconds,
            labels=labels[: self._top],
            shown=next((label for label in labels if label.index == shown), None),
            latency_seconds=time.monotonic() - newest.arrived,
            fps=self._rate(),
            frames=tally.frames,
            dropped=tally.dropped + tally.unseen,
            reconnects=tally.reconnects,
        )
        tally.latencies.append(tally.seen.latency_seconds)
        self._told.append(tally.seen)

    def _rate(self) -> float:
        """Looks per second."""
        span = self._times[-1] - self._times[0]
        return (len(self._times) - 1) / span if span > 0 else 0.0

"""The capturing half of a watch: reads a stream, paces a file, prepares pictures, survives a break."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from threading import Event
from typing import cast

import numpy as np
from numpy.typing import NDArray

from moviola.card import Recognition
from moviola.clip import Clip
from moviola.errors import InputError
from moviola.frames import Frames
from moviola.media.live import LiveSource
from moviola.model import Spectator
from moviola.recognition.clock import Clock
from moviola.recognition.prepare import Preparer
from moviola.recognition.ring import Ring
from moviola.recognition.tally import Tally

_WHOLE_SECONDS = 4.0
"""What a model that looks at whole videos is shown of a stream: about a clip of Something-Something."""

_PATIENCE = 60.0
"""Seconds in which a stream that broke off may come back."""

_RETRY = (0.5, 8.0)
"""Seconds before the first try to take it up again, and before a later one at most; they double."""

_USUAL_RATE = 25.0
"""Frames per second of a source that does not say."""

_TINY = 1e-6
"""Seconds by which times that are meant to be the same may differ."""


class Capture:
    """Fills a ring with prepared pictures, one for each moment at which the model's pace wants one.

    why: what ended it, once it has.
    """

    def __init__(
        self,
        facts: Recognition,
        clip: Clip,
        ring: Ring,
        tally: Tally,
        *,
        seconds: float | None = None,
        spectators: Sequence[Spectator] = (),
        patience: float = _PATIENCE,
        retry: tuple[float, float] = _RETRY,
    ) -> None:
        """seconds: of the source's clock, after which to stop. Nothing is opened before `run`."""
        self._facts, self._clip, self._ring, self._tally = facts, clip, ring, tally
        self._seconds, self._spectators = seconds, spectators
        self._patience, self._retry = patience, retry
        self._preparer: tuple[tuple[int, int], Preparer] | None = None
        # The time of the first frame on the source's clock, and when it came in on the machine's.
        self._began: tuple[float, float] | None = None
        # On the source's clock: the end of the last frame, and when the next picture is due.
        self._end = self._due = 0.0
        self.why = ""

    def run(self, stop: Event) -> None:
        """Until the source ends, `seconds` are over or `stop` is set. Raises InputError."""
        try:
            # Asked here and first, as a live source is opened once.
            rate = self._clip.info.video.average_rate
            step = pace(self._facts, float(rate) if rate else None)
            for read in self._connections(stop):
                with closing(cast(Generator[Frames, None, None], read)):
                    self._follow(read, step, stop)
                if not self._tally.frames and not stop.is_set():
                    raise InputError(f"{self._clip.source.name} gave no picture{self._reason()}")
                if self.why:
                    return
        finally:
            self._ring.close()

    def _follow(self, read: Iterator[Frames], step: float, stop: Event) -> None:
        """Take in the frames of one connection."""
        source = self._clip.source
        clock = Clock(paced=not source.live or (isinstance(source, LiveSource) and source.in_bursts))
        shift: float | None = None
        for frames in read:
            if shift is None:
                shift = self._shift(float(frames.pts_seconds[0]))
            frames = replace(frames, pts_seconds=frames.pts_seconds + shift)
            seconds = float(frames.pts_seconds[0])
            if stop.wait(clock.early(seconds, time.monotonic())):
                self.why = "stopped"
                return
            now = self._tally.arrived = time.monotonic()
            self._tally.frames += 1
            self._end = frames.end_seconds
            if clock.late(seconds, now):
                self._tally.dropped += 1
            else:
                self._take(frames, seconds, now, step)
            if self._seconds is not None and self._passed(self._end) >= self._seconds - _TINY:
                self.why = f"{self._seconds:g} s are over"
                return

    def _take(self, frames: Frames, seconds: float, now: float, step: float) -> None:
        """A picture into the ring where one is due, and the frame to everyone who watches."""
        if seconds >= self._due - _TINY:
            self._ring.put(self._prepared(frames), seconds, now)
            # Where frames are missing the next pictures are half a step apart at least.
            self._due = max(self._due, seconds - step / 2) + step
        self._tally.latest = frames
        for spectator in self._spectators:
            spectator.show(frames, self._tally.seen)

    def _prepared(self, frames: Frames) -> NDArray[np.uint8]:
        size = frames.width, frames.height
        if self._preparer is None or self._preparer[0] != size:
            # A stream can come back in another size.
            self._preparer = size, Preparer(self._facts, *size, crops=1)
        picture: NDArray[np.uint8] = self._preparer[1].one(frames.data[0])[0]
        return picture

    def _shift(self, seconds: float) -> float:
        """From the clock of a connection, whose first frame has this time, to the source's, which goes on."""
        now = time.monotonic()
        if self._began is None:
            self._began, self._due = (seconds, now), seconds
            return 0.0
        self._tally.reconnects += 1
        self._tally.notes.append(f"{self._clip.source.name} is back")
        # What comes now does not go on from what is held.
        self._ring.clear()
        return max(self._end, self._began[0] + now - self._began[1]) - seconds

    def _passed(self, seconds: float) -> float:
        """Since the first frame."""
        return seconds - (self._began[0] if self._began is not None else seconds)

    def _connections(self, stop: Event) -> Iterator[Iterator[Frames]]:
        """The source's frames; of a live one that broke off once more, and again, until it stays away.

        Every connection is followed to its end before the next is asked for.
        """
        source = self._clip.source
        yield self._clip.chunks(1)
        known, broken, tries = 0, 0.0, 0
        while source.live and not (isinstance(source, LiveSource) and source.over):
            if self._tally.frames > known:
                known, broken, tries = self._tally.frames, time.monotonic(), 0
                self._tally.notes.append(f"{source.name} broke off{self._reason()}")
            elif time.monotonic() - broken > self._patience:
                self.why = f"{source.name} did not come back in {self._patience:g} s"
                return
            if stop.wait(min(self._retry[0] * 2**tries, self._retry[1])):
                self.why = "stopped"
                return
            tries += 1
            with suppress(InputError):
                source.probe()
                yield self._clip.chunks(1)
        self.why = "the source ended"

    def _reason(self) -> str:
        """Why nothing came any more, where it is known."""
        source = self._clip.source
        return f": {source.broke}" if isinstance(source, LiveSource) and source.broke else ""


def pace(facts: Recognition, rate: float | None) -> float:
    """Seconds between two pictures that a model wants. rate: the source's, in frames per second."""
    if facts.stride is None:
        return _WHOLE_SECONDS / facts.frames
    return facts.stride / (facts.fps or rate or _USUAL_RATE)

"""Recognizes a stream as it comes: one thread captures and prepares, one looks, the caller's gets the events.

A picture is prepared once, when it comes in, and only where the model's own pace wants one. The looking
thread always takes the newest pictures, so it goes as fast as the machine can and never falls behind. Neither
waits for the caller.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from statistics import median
from threading import Event as Flag
from threading import Thread

import torch

from moviola.clip import Clip
from moviola.errors import ModelError
from moviola.model import Audience, Events, Note, Preview, Result
from moviola.recognition.capture import Capture
from moviola.recognition.labelling import chosen_classes
from moviola.recognition.looking import Looking, looker_for
from moviola.recognition.recognizer import Recognizer
from moviola.recognition.ring import Ring
from moviola.recognition.tally import Tally
from moviola.tasks import Seen, Watch, Watched

_BEAT = 0.02
"""Seconds after which a look or a frame reaches the caller at the latest."""

_HELD_BACK = 16
"""Looks that wait for a slow caller. Older ones are let go: what it gets is to be new."""

_FAREWELL = 2.0
"""Seconds that a read of a silent source is waited for at the end. It ends with its own time-out."""

_SILENT = 2.0
"""Seconds without a frame after which a live source is called silent."""


def watch(recognizer: Recognizer, request: Watch, clip: Clip, audience: Audience) -> Events:
    """Look at a stream until it ends. A `Seen` for every look, at the end a `Result` with a `Watched`.

    A file is paced at its own rate. Where a window is asked for, the newest frame comes as a `Preview`, again
    and again, some 50 times a second.

    Closing the generator stops all threads. Raises InputError where nothing can be read, ModelError.
    """
    began = time.monotonic()
    chosen = chosen_classes(recognizer.names, request.labels)
    looker = looker_for(recognizer, every=request.every)
    ring, tally, told = Ring(looker.size), Tally(), deque[Seen](maxlen=_HELD_BACK)
    looking = Looking(recognizer, looker, ring, request, chosen, tally, told)
    capture = Capture(
        recognizer.facts, clip, ring, tally, seconds=request.seconds, spectators=audience.spectators
    )
    patience = _Patience(clip, tally, request.seconds)
    stop, notes, given = audience.stop, list[str](), 0
    capture_thread, look_thread = _Work("capture", capture.run, stop), _Work("look", looking.run, stop)
    try:
        goes_on = True
        while goes_on:
            # Asked first, so that what comes before the end is not missed.
            goes_on = look_thread.is_alive()
            while tally.notes:
                notes.append(tally.notes.popleft())
                yield Note(notes[-1])
            while told:
                given += 1
                yield told.popleft()
            if request.window and tally.latest is not None:
                yield Preview(tally.latest)
            patience.check()
            if patience.over:
                stop.set()
            look_thread.join(_BEAT)
    finally:
        stop.set()
        ring.close()
        look_thread.join()
        capture_thread.join(_FAREWELL)
    for thread in (capture_thread, look_thread):
        thread.check(recognizer)
    ending = [*tally.notes, *clip.source.losses]
    if tally.padded:
        needs = recognizer.facts.frames
        ending.append(
            f"{clip.source.name} has {needs - tally.padded} of the {needs} pictures that the model looks at; "
            f"the last one was repeated {tally.padded} times"
        )
    if tally.looks > given:
        ending.append(f"{tally.looks - given} looks were let go, as they were not taken in time")
    yield from map(Note, ending)
    yield Result(
        Watched(
            model=recognizer.card.id,
            source=clip.source.name,
            frames=tally.frames,
            dropped=tally.dropped + tally.unseen,
            looks=tally.looks,
            reconnects=tally.reconnects,
            latency_seconds=median(tally.latencies) if tally.latencies else None,
            elapsed_seconds=time.monotonic() - began,
            why=patience.over or capture.why or "stopped",
            output=request.output,
            notes=notes + ending,
        )
    )


class _Patience:
    """Watches a live source while its reader waits: whether it is silent, and whether its time is over.

    over: why the watch should end, once it should.
    """

    def __init__(self, clip: Clip, tally: Tally, seconds: float | None) -> None:
        self._live, self._name = clip.source.live, clip.source.name
        self._tally, self._seconds = tally, seconds
        self._began, self._heard, self._silent = time.monotonic(), False, False
        self.over = ""

    def check(self) -> None:
        if not self._live:
            return
        now, tally = time.monotonic(), self._tally
        usual = float(tally.latest.duration_seconds[0]) if tally.latest is not None else 0.0
        longest = max(_SILENT, 3 * usual)
        silent = now - (tally.arrived or self._began) > longest
        if silent and not self._silent:
            tally.notes.append(f"no frame from {self._name} for {longest:g} s")
        self._silent = silent
        if tally.arrived is not None and not self._heard:
            self._heard, self._began = True, tally.arrived
        # The reader counts on the source's clock, and so would wait for what a silent source never sends.
        if self._seconds is not None and now - self._began > self._seconds + longest:
            self.over = f"{self._seconds:g} s are over"


class _Work(Thread):
    """A thread at work from the start."""

    def __init__(self, name: str, work: Callable[[Flag], None], stop: Flag) -> None:
        super().__init__(name=f"moviola-{name}", daemon=True)
        self._work, self._stop_flag = work, stop
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._work(self._stop_flag)
        except BaseException as error:
            self._error = error

    def check(self, recognizer: Recognizer) -> None:
        """Raises what the work raised."""
        if isinstance(self._error, torch.OutOfMemoryError):
            raise ModelError(
                f"{recognizer.device} has too little memory for {recognizer.card.id}; try --device cpu"
            ) from self._error
        if self._error is not None:
            raise self._error

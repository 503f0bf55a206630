"""What a watch has come to so far: all that its threads tell each other beside pictures."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from moviola.frames import Frames
from moviola.tasks import Seen

_LATENCIES = 10_000
"""Looks over which the median latency is taken."""


@dataclass(slots=True)
class Tally:
    """Counts and the newest of everything. Each field is written by one thread alone.

    The capturing one: frames, dropped, of the source; reconnects; latest, the newest frame, and when it
    arrived on the machine's clock, None before the first.
    The looking one: looks; unseen, pictures that it had no time for; padded, how often it repeated the last
    picture of a source that was too short; seen, the last look; latencies, in seconds.
    Either: notes, what the user should be told.
    """

    frames: int = 0
    dropped: int = 0
    reconnects: int = 0
    latest: Frames | None = None
    arrived: float | None = None
    looks: int = 0
    unseen: int = 0
    padded: int = 0
    seen: Seen | None = None
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES))
    notes: deque[str] = field(default_factory=deque)

"""A source's clock and the machine's: which frames are early, and which are late. Times in seconds."""

from __future__ import annotations

LATE = 0.5
"""How far behind a frame may be. Those that are further are let go, to catch up with the source."""

_LONGEST_GAP = 0.25
"""Of a source, in which all frames are let go at most: then one is looked at, a slow picture beats none."""

_HEADWAY = 0.05
"""Catching up goes at this rate of the source's clock at least. Otherwise it paused, and nobody is behind."""

_DRIFT = 1e-3
"""By which rate two clocks may differ. Quartz keeps ten times better."""


class Clock:
    """Judges frames by when they come.

    paced: whether frames could all be had at once, and are due by the source's clock from the first one on.
    The frames of a camera are due when they come. What they are compared with is the promptest there was.
    """

    def __init__(self, *, paced: bool) -> None:
        self._paced = paced
        # The machine's clock less the source's, of a frame that is on time.
        self._lead: float | None = None
        # The machine's clock at the last frame.
        self._before = 0.0
        # Since when frames are let go, on the source's clock, and how far behind it was then.
        self._late_since: tuple[float, float] | None = None

    def early(self, seconds: float, now: float) -> float:
        """How long a frame should still be held back. Every frame passes here once, in order.

        seconds: of the frame, on the source's clock. now: on the machine's.
        """
        if self._lead is None:
            self._lead = now - seconds
        elif not self._paced:
            self._lead = min(now - seconds, self._lead + _DRIFT * (now - self._before))
        self._before = now
        return max(0.0, self._lead + seconds - now)

    def late(self, seconds: float, now: float) -> bool:
        """Whether a frame is let go, to catch up."""
        assert self._lead is not None, "ask `early` first"
        behind = now - seconds - self._lead
        if behind <= LATE:
            self._late_since = None
            return False
        if self._late_since is None:
            self._late_since = seconds, behind
            return True
        since, before = self._late_since
        if seconds - since < _LONGEST_GAP:
            return True
        self._late_since = seconds, behind
        if before - behind < _HEADWAY * (seconds - since):
            self._lead += behind
        return False

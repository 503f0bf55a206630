"""Time, as hosted work needs it: tests bring their own, and nothing waits in them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """now: seconds since 1970, which may jump. steady: seconds that never run back. chance: 0 to below 1.

    nap: as `doze`; None where nothing wakes who sleeps.
    """

    now: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    nap: Callable[[float, float], None] | None = None

    def doze(self, least: float, most: float) -> None:
        """Sleep for the longer time, but no longer than the shorter one once somebody calls."""
        if self.nap is None:
            self.sleep(most)
        else:
            self.nap(least, most)


CLOCK = Clock()

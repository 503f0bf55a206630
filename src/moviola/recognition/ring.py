"""A ring of prepared pictures between the thread that captures and the one that looks."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Condition

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A prepared picture (h, w, 3).

    number: the how-manieth it is. run: how often the stream had broken off before it.
    seconds: when it is shown, on the source's clock. arrived: when it came in, on the machine's.
    """

    number: int
    run: int
    picture: NDArray[np.uint8]
    seconds: float
    arrived: float


class Ring:
    """Keeps the newest `size` pictures. One thread puts, another waits for what is new."""

    def __init__(self, size: int) -> None:
        self._held: deque[Held] = deque(maxlen=size)
        self._changed = Condition()
        self._count = self._run = 0
        self._closed = False

    def put(self, picture: NDArray[np.uint8], seconds: float, arrived: float) -> None:
        with self._changed:
            self._held.append(Held(self._count, self._run, picture, seconds, arrived))
            self._count += 1
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget what is held: what comes does not go on from it."""
        with self._changed:
            self._held.clear()
            self._run += 1

    def close(self) -> None:
        """Nothing comes any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed

    def newest(self, after: int, timeout: float) -> list[Held]:
        """All that is held, the oldest first, once there is a number above `after`. Empty where there is none
        after so many seconds, or nothing comes any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._newer(after), timeout)
            return list(self._held) if self._newer(after) else []

    def _newer(self, after: int) -> bool:
        return bool(self._held) and self._held[-1].number > after

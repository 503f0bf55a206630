"""The ring between the thread that captures and the one that looks."""

import threading
import time

import numpy as np
import pytest

from moviola.recognition.ring import Ring


def put(ring: Ring, *numbers: int) -> None:
    for number in numbers:
        ring.put(np.full((1, 1, 3), number, np.uint8), number / 10, 100 + number)


def values(held) -> list[int]:
    return [int(one.picture[0, 0, 0]) for one in held]


def test_it_keeps_the_newest_in_order():
    ring = Ring(3)
    put(ring, *range(5))
    held = ring.newest(-1, 0)
    assert values(held) == [one.number for one in held] == [2, 3, 4]
    assert [(one.seconds, one.arrived) for one in held] == [(0.2, 102), (0.3, 103), (0.4, 104)]


def test_what_was_seen_already_is_no_reason_to_look_again():
    ring = Ring(3)
    put(ring, 0, 1)
    assert ring.newest(1, 0) == []
    put(ring, 2)
    assert values(ring.newest(1, 0)) == [0, 1, 2]


def test_a_reader_waits_for_what_is_new_and_not_longer():
    ring = Ring(3)
    threading.Timer(0.05, put, (ring, 7)).start()
    began = time.monotonic()
    assert values(ring.newest(-1, 5)) == [7]
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("timeout", [0, 0.02])
def test_a_reader_that_waits_for_nothing_gets_nothing(timeout):
    assert Ring(3).newest(-1, timeout) == []


def test_closing_ends_the_waiting_but_loses_nothing():
    ring = Ring(3)
    put(ring, 1)
    threading.Timer(0.02, ring.close).start()
    assert ring.newest(0, 5) == []
    assert ring.closed
    assert values(ring.newest(-1, 5)) == [1]


def test_after_a_break_nothing_is_mixed_with_what_was_before():
    ring = Ring(3)
    put(ring, 0, 1)
    ring.clear()
    assert ring.newest(-1, 0) == []
    put(ring, 2)
    (held,) = ring.newest(-1, 0)
    assert (held.number, held.run) == (2, 1)

"""A blocking call as a generator of events."""

import threading
import time
from contextlib import closing

import pytest

from moviola.diffusion.steps import Stopped, stepping
from moviola.model import Progress


def test_events_come_in_order_and_the_outcome_is_returned():
    def work(tell):
        for done in range(3):
            tell(Progress(done, 3))
        return "done"

    seen = []

    def follow():
        seen.append((yield from stepping(work)))

    assert list(follow()) == [Progress(0, 3), Progress(1, 3), Progress(2, 3)]
    assert seen == ["done"]


def test_an_error_of_the_work_is_raised_where_it_is_followed():
    def work(tell):
        tell(Progress(0, 1))
        raise ZeroDivisionError

    events = stepping(work)
    assert next(events) == Progress(0, 1)
    with pytest.raises(ZeroDivisionError):
        next(events)


def test_closing_stops_the_work_at_its_next_step():
    steps, ended = [], threading.Event()

    def work(tell):
        try:
            for done in range(10_000):
                steps.append(done)
                tell(Progress(done, None))
                time.sleep(0.001)
        except Stopped:
            ended.set()
            raise

    with closing(stepping(work)) as events:
        next(events)
    at_close = len(steps)
    assert ended.wait(5)
    time.sleep(0.05)
    assert len(steps) <= at_close + 1

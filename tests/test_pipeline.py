"""Reading ahead and writing behind keep order, hand over errors and let go at once."""

import threading
import time

import pytest

from moviola.pipeline import Behind, mapped, prefetched


def test_items_come_in_order():
    assert list(prefetched(iter(range(100)), ahead=3)) == list(range(100))


def test_the_producer_runs_ahead_of_the_consumer_but_not_far():
    made = []

    def numbers():
        for number in range(10):
            made.append(number)
            yield number

    items = prefetched(numbers(), ahead=2)
    next(items)
    deadline = time.monotonic() + 5
    while len(made) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert made == [0, 1, 2]
    items.close()


def test_an_error_comes_where_its_item_would():
    def broken():
        yield 1
        raise ValueError("no second item")

    items = prefetched(broken())
    assert next(items) == 1
    with pytest.raises(ValueError, match="no second item"):
        next(items)


def test_closing_closes_the_producer():
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    items = prefetched(endless())
    next(items)
    items.close()
    assert closed.is_set()


def test_results_come_in_the_order_of_their_items():
    waits = [0.03, 0, 0.02, 0, 0.01, 0]

    def work(number):
        time.sleep(waits[number])
        return number

    assert list(mapped(work, range(6), workers=3)) == list(range(6))


def test_work_side_by_side_takes_no_more_items_than_it_has_workers_for():
    taken = []

    def items():
        for number in range(10):
            taken.append(number)
            yield number

    results = mapped(lambda number: number, items(), workers=2)
    assert next(results) == 0
    assert taken == [0, 1, 2]
    results.close()


def test_an_error_of_work_side_by_side_comes_where_its_result_would():
    results = mapped(lambda number: 1 // number, [1, 0, 1], workers=2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_calls_run_in_order_and_are_all_done_at_the_end():
    done = []
    with Behind(limit=2) as behind:
        for number in range(20):
            behind.submit(done.append, number, weight=1)
    assert done == list(range(20))


def test_what_waits_is_bounded_by_its_weight():
    go, done = threading.Event(), []

    def slow(number):
        go.wait(5)
        done.append(number)

    with Behind(limit=10) as behind:
        behind.submit(slow, 0, weight=6)
        behind.submit(slow, 1, weight=4)
        threading.Timer(0.1, go.set).start()
        behind.submit(slow, 2, weight=1)
        assert done[:1] == [0]
        behind.submit(slow, 3, weight=99)
    assert done == [0, 1, 2, 3]


def test_what_is_offered_is_taken_only_where_there_is_room_and_nobody_waits():
    go, done = threading.Event(), []

    def slow(number):
        go.wait(5)
        done.append(number)

    with Behind(limit=10) as behind:
        taken = [behind.offer(slow, number, weight=4) for number in range(4)]
        assert taken == [True, True, False, False]
        go.set()
        while not behind.offer(slow, 4, weight=99):
            time.sleep(0.001)
    assert done == [0, 1, 4]


def test_an_error_of_what_was_offered_is_raised_by_the_next_offer():
    def fail():
        raise OSError("disk full")

    def work():
        with Behind() as behind:
            behind.offer(fail)
            while behind.offer(time.sleep, 0):
                time.sleep(0.001)

    with pytest.raises(OSError, match="disk full"):
        work()


def test_an_error_of_a_call_is_raised_and_stops_those_after_it():
    done = []

    def fail():
        raise OSError("disk full")

    def work():
        with Behind() as behind:
            behind.submit(done.append, 1)
            behind.submit(fail)
            behind.submit(done.append, 2)

    with pytest.raises(OSError, match="disk full"):
        work()
    assert done == [1]


def test_an_error_of_ones_own_loses_nothing_that_was_handed_over():
    started, go, done = threading.Event(), threading.Event(), []

    def slow():
        started.set()
        go.wait(5)

    def work():
        with Behind() as behind:
            behind.submit(slow)
            behind.submit(done.append, 1)
            started.wait(5)
            threading.Timer(0.1, go.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [1]

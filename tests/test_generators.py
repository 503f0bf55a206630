"""Generators that return a value keep it, whatever is made of what they yield."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.generators import changed, finished, noted


def counting(numbers, closed=None):
    """Yields the numbers, returns their sum."""
    try:
        yield from numbers
        return sum(numbers)
    finally:
        if closed is not None:
            closed.append(True)


def collected(work):
    yielded = []
    value = finished(noted(work, yielded.append))
    return yielded, value


@given(st.lists(st.integers()))
def test_the_value_comes_through(numbers):
    assert finished(counting(numbers)) == sum(numbers)
    assert collected(counting(numbers)) == (numbers, sum(numbers))
    assert collected(changed(counting(numbers), str)) == ([str(number) for number in numbers], sum(numbers))


def test_nothing_runs_ahead_of_whoever_asks():
    seen = []
    work = noted(counting([1, 2, 3]), seen.append)
    assert next(work) == 1
    assert seen == [1]


@pytest.mark.parametrize("around", [lambda work: changed(work, str), lambda work: noted(work, print)])
def test_closing_it_closes_the_work(around):
    closed = []
    work = around(counting([1, 2], closed))
    next(work)
    work.close()
    assert closed == [True]


def test_an_error_on_the_way_closes_the_work_and_comes_through():
    closed = []
    with pytest.raises(ZeroDivisionError):
        finished(changed(counting([0], closed), lambda number: 1 // number))
    assert closed == [True]

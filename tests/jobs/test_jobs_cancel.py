"""Cancelling: what waits, what runs, what was left, here and at the provider."""

import time

import pytest
from hosted_worker import quick, works_at
from killing import lines

from moviola import jobs
from moviola.errors import RequestError, WithdrawnError
from moviola.jobs import counter
from moviola.model import Note, Progress


def test_a_job_that_waits_is_cancelled_at_once_and_sends_nothing(house, provider, asked):
    id = jobs.submit(asked)
    *_, result = counter.cancel(id, work=works_at(provider))
    assert result.value.state == "cancelled"
    assert counter.resume(work=works_at(provider)) == []
    assert lines(provider, "creates") == []
    with pytest.raises(WithdrawnError):
        list(counter.follow(id))


def test_an_interrupted_job_is_cancelled_at_its_provider(house, provider, asked):
    (provider / "slow").touch()
    id = jobs.submit(asked)
    with_it = counter.follow(id, work=works_at(provider))
    while not lines(provider, "looks"):
        next(with_it)
    with_it.close()
    assert jobs.show(id).state == "interrupted"
    *_, result = counter.cancel(id, work=works_at(provider))
    assert (result.value.state, lines(provider, "cancelled")) == ("cancelled", [id])
    assert result.value.error == "half of it is paid for"
    assert lines(provider, "creates") == [id]


def test_a_running_job_is_cancelled_from_outside(house, provider, asked):
    (provider / "slow").touch()
    id = jobs.submit(asked)
    with_it = counter.follow(id, work=works_at(provider))
    while not lines(provider, "looks"):
        next(with_it)
    assert jobs.show(id).state == "running"
    assert [event.text for event in counter.cancel(id) if isinstance(event, Note)]
    with pytest.raises(WithdrawnError, match="half of it is paid for"):
        list(with_it)
    assert lines(provider, "cancelled") == [id]


def test_local_work_that_is_cancelled_stops(house, provider, asked):
    def endless(request, desk):
        while True:
            yield Progress(1, 2)
            time.sleep(0.02)

    id = jobs.submit(asked)
    with_it = counter.follow(id, work=endless)
    next(with_it)
    list(counter.cancel(id))
    with pytest.raises(WithdrawnError):
        list(with_it)


def test_only_what_is_open_can_be_cancelled_or_resumed(house, provider, asked):
    id = jobs.submit(asked)
    counter.wait([id], work=quick)
    with pytest.raises(RequestError, match="is done and cannot be cancelled"):
        list(counter.cancel(id))
    with pytest.raises(RequestError, match="moviola jobs retry"):
        jobs.resume([id])

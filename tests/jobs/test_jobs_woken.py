"""A job that is woken is looked at now, and no faster than its provider's rule."""

import threading
import time
from contextlib import closing

import pytest
from hosted_worker import Files, works_at
from killing import lines

from moviola import jobs
from moviola.hosted.service import Rules
from moviola.jobs import counter
from moviola.jobs.store import Store
from moviola.jobs.worker import Worker

SOON = 10.0
"""Seconds. It takes about one to be seen, but this machine may have other things to do."""


def waits(monkeypatch, first, then):
    """How long the provider wants to be left alone, in seconds."""
    monkeypatch.setattr(Files, "rules", Rules(poll_seconds=then, first_poll_seconds=first))


def wake(id):
    with closing(Store()) as store:
        store.ledger(id).write("woken", {"at": time.time()})


@pytest.fixture
def at_work(house, provider, asked):
    """A job that its provider has, and the thread that does it."""
    id = jobs.submit(asked)
    thread = threading.Thread(target=counter.wait, args=[[id]], kwargs={"work": works_at(provider)})
    yield id, thread
    thread.join()


def begun(provider, at_work):
    id, thread = at_work
    thread.start()
    while not lines(provider, "creates"):
        time.sleep(0.02)
    return id, thread


def test_a_job_that_sleeps_for_a_minute_is_done_at_once(provider, at_work, monkeypatch):
    waits(monkeypatch, first=60.0, then=0.02)
    id, thread = begun(provider, at_work)
    time.sleep(1.5)
    assert lines(provider, "looks") == []
    called = time.monotonic()
    wake(id)
    thread.join()
    assert time.monotonic() - called < SOON
    assert jobs.show(id).state == "done"
    assert lines(provider, "creates") == [id]
    assert "woken" in [name for _, name in jobs.steps(id)]


def test_strangers_do_not_make_us_look_faster_than_the_rule(provider, at_work, monkeypatch):
    waits(monkeypatch, first=60.0, then=1.5)
    (provider / "slow").touch()
    id, _ = begun(provider, at_work)
    began = time.monotonic()
    while (passed := time.monotonic() - began) < 5.0:
        wake(id)
        time.sleep(0.05)
    assert 1 <= len(lines(provider, "looks")) <= passed / 1.5
    (provider / "slow").unlink()
    wake(id)
    time.sleep(0.1)
    list(counter.cancel(id, work=works_at(provider)))


def test_a_nap_ends_with_the_process(house, provider, asked, monkeypatch):
    waits(monkeypatch, first=60.0, then=0.02)
    jobs.submit(asked)
    with closing(Store()) as store, Worker(store, works_at(provider)):
        while not lines(provider, "creates"):
            time.sleep(0.02)
        time.sleep(0.2)
        began = time.monotonic()
    assert time.monotonic() - began < SOON
    assert lines(provider, "looks") == []


def test_a_call_that_came_while_nobody_was_at_it_hurries_the_next_one(house, provider, asked, monkeypatch):
    waits(monkeypatch, first=60.0, then=0.02)
    id = jobs.submit(asked)
    wake(id)
    began = time.monotonic()
    (job,) = counter.wait([id], work=works_at(provider))
    assert job.state == "done"
    assert time.monotonic() - began < 2 * SOON

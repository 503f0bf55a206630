"""A process that does a job and dies as by kill -9, where it is told to or when a provider ends it."""

import multiprocessing
import os
import signal
import time

from moviola.jobs import counter, store, worker

# Families and DBOS take seconds to import: they are, once, by a process that every other is a copy of.
_STARTING = multiprocessing.get_context("forkserver")
_STARTING.set_forkserver_preload(["moviola.jobs.counter"])

PAUSE = 0.02
"""Seconds that are waited at most where a provider's rules want more."""


def impatient(self, seconds):
    """In place of a worker's sleep."""
    time.sleep(min(seconds, PAUSE))
    if self._closing.is_set():
        raise worker.Left


def restless(self, waking, least, most):
    """In place of its naps."""
    impatient(self, least)


def hurry(patch):
    """Let workers not wait. patch: as `setattr`."""
    patch(worker.Worker, "_sleep", impatient)
    patch(worker.Worker, "_nap", restless)


def started(job, where, environment):
    """A process at work on a job, which ends itself around the step `where`: "intent" or "reply"."""
    process = _STARTING.Process(target=_work, args=(job, where, environment))
    process.start()
    return process


def _work(job, where, environment):
    os.environ.clear()
    os.environ.update(environment)
    hurry(setattr)
    claim = store.StoredLedger.claim

    def dying(self, name, entry):
        if name == "ticket" and where == "reply":
            os.kill(os.getpid(), signal.SIGKILL)
        done = claim(self, name, entry)
        if name == "order" and where == "intent":
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    store.StoredLedger.claim = dying
    counter.wait([job])

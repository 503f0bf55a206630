"""Turns a call that blocks and calls back into a generator of events."""

from __future__ import annotations

from collections.abc import Callable, Generator
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import TypeVar

from moviola.diffusion.drive import Tell
from moviola.model import Event

T = TypeVar("T")


class Stopped(Exception):  # noqa: N818 - it is no error
    """Raised out of `tell` when nobody listens any more."""


def stepping(work: Callable[[Tell], T]) -> Generator[Event, None, T]:
    """Run `work` in a thread; yield every event it tells; return what it returns, raise what it raises.

    Closing the generator makes the next `tell` raise `Stopped`, and waits until the work has ended.
    """
    told: SimpleQueue[Event | None] = SimpleQueue()
    stop = Flag()
    outcome: list[T] = []
    failure: list[BaseException] = []

    def tell(event: Event) -> None:
        if stop.is_set():
            raise Stopped
        told.put(event)

    def run() -> None:
        try:
            outcome.append(work(tell))
        except BaseException as error:
            failure.append(error)
        finally:
            told.put(None)

    thread = Thread(target=run, name="moviola-model", daemon=True)
    thread.start()
    try:
        while (event := told.get()) is not None:
            yield event
    finally:
        stop.set()
        thread.join()
    if failure:
        raise failure[0]
    return outcome[0]

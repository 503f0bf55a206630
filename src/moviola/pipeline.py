"""Reading ahead, working side by side and writing behind: what lets a job use the whole machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_END: Any = object()


def prefetched(items: Iterator[T], ahead: int = 1) -> Generator[T, None, None]:
    """The same items, made in a thread up to `ahead` of the consumer.

    An error of the producer is raised where its item would have come. Closing the iterator closes `items`.
    """
    reader = ThreadPoolExecutor(1, thread_name_prefix="moviola-reader")
    try:
        pending = deque(reader.submit(next, items, _END) for _ in range(ahead))
        while (item := pending.popleft().result()) is not _END:
            pending.append(reader.submit(next, items, _END))
            yield item
    finally:
        reader.shutdown(cancel_futures=True)
        close = getattr(items, "close", None)
        if close is not None:
            close()


def mapped(call: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """`call(item)` for every item, in order, in so many threads; no more than one result each waits.

    An error is raised where its result would have come.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="moviola-worker")
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(call, item))
            if len(pending) > workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class Behind:
    """Runs calls one after the other in a thread, while what waits weighs no more than `limit`.

    An error of a call is raised from a later `submit` or from leaving the `with` block, and no call after it
    is run. Leaving the block, on an error of one's own too, waits for the calls still waiting.
    """

    def __init__(self, limit: int = 64 * 2**20) -> None:
        self._room = limit
        self._pending: deque[tuple[Future[None], int]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="moviola-writer")
        self._failed = False

    def submit(self, call: Callable[..., None], *args: Any, weight: int = 0) -> None:
        """weight: what the call holds on to, in bytes. One call alone may weigh more than the limit."""
        while self._pending and (self._pending[0][0].done() or weight > self._room):
            self._finish_oldest()
        self._pending.append((self._thread.submit(self._run, call, args), weight))
        self._room -= weight

    def offer(self, call: Callable[..., None], *args: Any, weight: int = 0) -> bool:
        """As `submit`, but False where there is no room yet, in place of waiting for it."""
        while self._pending and self._pending[0][0].done():
            self._finish_oldest()
        if self._pending and weight > self._room:
            return False
        self.submit(call, *args, weight=weight)
        return True

    def _finish_oldest(self) -> None:
        future, weight = self._pending.popleft()
        self._room += weight
        future.result()

    def _run(self, call: Callable[..., None], args: tuple[Any, ...]) -> None:
        if self._failed:
            return
        self._failed = True
        call(*args)
        self._failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()
        if error is None:
            while self._pending:
                self._finish_oldest()

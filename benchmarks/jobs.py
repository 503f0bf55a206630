"""What it costs to keep hosted work from being lost: many jobs at once, a restart, handing one in.

    python benchmarks/jobs.py [many] [restart] [submit]      writes results/jobs-PART.csv

many: 200 jobs at a time in one process, through the whole road to a file each. Memory over that of a process
that has done one job, jobs lost, and the shortest time between two looks at a job against the rule.
restart: a process is killed with 1,000 jobs open at the provider; how long after the start of the next one
each of them has been looked at again.
submit: from the request to the job on disk, one after the other.

The provider is the suite's fake of fal, in a process of its own; the store is SQLite in a fresh folder.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from moviola.clip import Clip
from moviola.hosted.providers.fal_queue import FalQueue
from record import record

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from fake_fal import FakeFal

MANY, OPEN, SUBMITTED = 200, 1000, 200
LOOKS = 5
PACKAGES = ("dbos", "sqlalchemy", "httpx")
STARTING = multiprocessing.get_context("spawn")


def provider(film: bytes, looks: int, line: Any) -> None:
    """A process: fal, whose jobs are done after so many looks; tells its address, then its requests."""
    with FakeFal(film) as fake:
        fake.states = [{"status": "IN_PROGRESS"}] * looks
        line.send(fake.environment)
        while line.recv():
            with fake._lock:
                line.send([(asked.method, asked.place, asked.at) for asked in fake.asked])


@contextmanager
def house(looks: int) -> Iterator[Any]:
    """A fresh store and a provider; gives what tells the provider's requests so far."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MOVIOLA_HOME"] = folder
        path = Path(folder) / "film.mp4"
        pictures = np.random.default_rng(0).integers(0, 255, (8, 64, 96, 3), dtype=np.uint8)
        Clip(pictures, rate=32).save(path)
        here, there = STARTING.Pipe()
        process = STARTING.Process(target=provider, args=(path.read_bytes(), looks, there))
        process.start()
        os.environ.update(here.recv())

        def requests() -> list[tuple[str, str, float]]:
            here.send(True)
            asked: list[tuple[str, str, float]] = here.recv()
            return asked

        try:
            yield requests
        finally:
            here.send(False)
            process.join()


def submitted(count: int) -> list[str]:
    from moviola import jobs
    from moviola.tasks import Generate, request

    folder = Path(os.environ["MOVIOLA_HOME"])
    fields = {"prompt": "a lake", "model": "pika/2.2"}
    return [
        jobs.submit(request(Generate, fields | {"output": folder / f"{time.monotonic_ns()}.mp4"}))
        for _ in range(count)
    ]


def resident() -> int:
    """Megabytes of memory that this process holds."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) // 1024


def many(count: int = MANY) -> list[dict[str, Any]]:
    from moviola import jobs

    with house(LOOKS) as requests:
        jobs.wait(submitted(1))
        idle, most, over = resident(), 0, threading.Event()

        def watch() -> None:
            nonlocal most
            while not over.wait(0.05):
                most = max(most, resident())

        watching = threading.Thread(target=watch)
        watching.start()
        ids = submitted(count)
        began = time.monotonic()
        ended = jobs.wait(ids)
        seconds = time.monotonic() - began
        over.set()
        watching.join()
        looks = defaultdict(list)
        for _, place, at in requests():
            if place.endswith("/status"):
                looks[place].append(at)
        gaps = [later - earlier for times in looks.values() for earlier, later in pairwise(times)]
        return [
            {
                "jobs": count,
                "seconds": round(seconds, 1),
                "memory over idle [MB]": most - idle,
                "lost": sum(job.state != "done" for job in ended),
                "created": sum(method == "POST" for method, *_ in requests()) - 1,
                "shortest gap between looks [s]": round(min(gaps), 3),
                "rule [s]": FalQueue.rules.poll_seconds,
            }
        ]


def worker() -> None:
    """A process that goes on with all that is open."""
    from moviola import jobs

    jobs.resume()


def restart(count: int = OPEN) -> list[dict[str, Any]]:
    with house(10**6) as requests:
        submitted(count)
        first = STARTING.Process(target=worker)
        first.start()
        while len({place for _, place, _ in requests() if place.endswith("/status")}) < count:
            time.sleep(1)
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        first.join()
        # Clocks of processes on one machine are the same.
        died = time.monotonic()
        second = STARTING.Process(target=worker)
        second.start()
        try:
            again: dict[str, float] = {}
            while len(again) < count:
                time.sleep(1)
                for _, place, at in requests():
                    if place.endswith("/status") and at > died:
                        again.setdefault(place, at)
        finally:
            assert second.pid is not None
            os.kill(second.pid, signal.SIGKILL)
            second.join()
        times = sorted(at - died for at in again.values())
        created = sum(method == "POST" for method, *_ in requests())
        return [
            {
                "open jobs": count,
                "created": created,
                "first looked at after [s]": round(times[0], 1),
                "half [s]": round(statistics.median(times), 1),
                "all [s]": round(times[-1], 1),
            }
        ]


def submit(count: int = SUBMITTED) -> list[dict[str, Any]]:
    with house(LOOKS):
        submitted(1)
        times = []
        for _ in range(count):
            began = time.perf_counter()
            submitted(1)
            times.append(1000 * (time.perf_counter() - began))
        deciles = statistics.quantiles(times, n=10)
        return [
            {
                "jobs": count,
                "median [ms]": round(statistics.median(times), 1),
                "90 % [ms]": round(deciles[8], 1),
            }
        ]


if __name__ == "__main__":
    parts = {"many": many, "restart": restart, "submit": submit}
    for name in sys.argv[1:] or parts:
        rows = parts[name]()
        print(rows, record(f"jobs-{name}", rows, PACKAGES))

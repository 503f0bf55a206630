"""A ledger, a clock, a line to files and a job that live in memory."""

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from moviola.generators import finished, noted
from moviola.hosted.clock import Clock
from moviola.hosted.working import work
from moviola.model import Note


@dataclass
class MemoryLedger:
    """Keeps text, as a ledger on disk does: what is no JSON cannot be kept."""

    entries: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, name):
        text = self.entries.get(name)
        return None if text is None else json.loads(text)

    def claim(self, name, entry):
        with self.lock:
            if name in self.entries:
                return False
            self.entries[name] = json.dumps(entry)
            return True

    def write(self, name, entry):
        self.entries[name] = json.dumps(entry)


class Waiting:
    """A clock that nothing waits for: sleeping moves it on. slept: every wait."""

    def __init__(self, now=1_700_000_000.0):
        self.time = now
        self.slept = []
        self.clock = Clock(lambda: self.time, lambda: self.time, self.sleep, lambda: 0.0)

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += seconds


class Files:
    """In place of `Transport`, where nothing but the fetching of files needs one."""

    def __init__(self, clock, content=b"a video"):
        self.clock, self.content = clock, content

    @contextmanager
    def stream(self, url, headers, secrets):
        length = {"Content-Length": str(len(self.content))}
        body = httpx.ByteStream(self.content)
        yield httpx.Response(200, headers=length, stream=body, request=httpx.Request("GET", url))


class Job:
    """One job at a provider, from its order to its files. told: all that was told on the way."""

    def __init__(self, service, line, folder, order):
        self.service, self.line, self.folder, self.order = service, line, folder, order
        self.ledger, self.told = MemoryLedger(), []

    def begun(self, order=None):
        return work(order or self.order, self.service, self.ledger, self.folder, self.line)

    def done(self, order=None):
        """The outcome."""
        return finished(noted(self.begun(order), self.told.append))

    @property
    def notes(self):
        return [event.text for event in self.told if isinstance(event, Note)]

"""A process that does hosted jobs for a provider made of files; it dies as by kill -9 where it is told to.

    python hosted_worker.py PROVIDER [JOB …]

PROVIDER is a folder: `creates` has a line for every job that was created, `looks` for every look at one,
`cancelled` for every one that was cancelled; `address` is that of the file it makes. `die` holds one of

    intent     the order is written down, nothing was sent
    sent       the request has arrived, no reply has come
    reply      the reply has come, and is not written down
    poll       in the middle of a look
    download   half of the file has come
    delivered  the user has the file, and the job does not know
"""

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import ClassVar

from moviola.errors import UnknownOutcomeError
from moviola.hosted import working
from moviola.hosted.service import Order, Output, Rules, Sighting, Ticket
from moviola.media.sink import check_output
from moviola.model import Note, Progress, Result
from moviola.tasks import VideoResult

FILE = bytes(range(256)) * 4000
"""What the provider makes."""


class Files:
    """The provider. Its folder may say `finds`: it can be asked what it has; `slow`: a job never ends."""

    name = "files"
    secrets: ClassVar = {}
    rules = Rules(poll_seconds=0.02, first_poll_seconds=0.02, pause_seconds=0.02, attempts=2)

    def __init__(self, folder):
        self.folder = Path(folder)

    def note(self, name, text):
        with (self.folder / name).open("a") as file:
            file.write(f"{text}\n")

    def noted(self, name):
        path = self.folder / name
        return path.read_text().split() if path.exists() else []

    def die(self, where):
        path = self.folder / "die"
        if path.exists() and path.read_text() == where:
            path.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def create(self, order):
        self.note("creates", order.reference)
        self.die("sent")
        return Ticket(order.reference)

    def look(self, ticket):
        self.note("looks", ticket.id)
        self.die("poll")
        if ticket.id in self.noted("cancelled"):
            return Sighting("cancelled")
        if (self.folder / "slow").exists() or self.noted("looks").count(ticket.id) < 3:
            return Sighting("running", progress=0.5)
        return Sighting("done", outputs=(Output((self.folder / "address").read_text()),), cost_usd="0.60")

    renew = look

    def cancel(self, ticket):
        self.note("cancelled", ticket.id)
        return "half of it is paid for"

    def find(self, order):
        if (self.folder / "finds").exists():
            return Ticket(order.reference) if order.reference in self.noted("creates") else None
        raise UnknownOutcomeError("files cannot be asked")


class Dying:
    """A ledger that dies beside what it writes."""

    def __init__(self, ledger, service):
        self.ledger, self.service, self.read, self.write = ledger, service, ledger.read, ledger.write

    def claim(self, name, entry):
        if name == "ticket":
            self.service.die("reply")
        done = self.ledger.claim(name, entry)
        if name == "order":
            self.service.die("intent")
        return done


def works_at(folder):
    """The work of jobs that are done by the provider in that folder."""
    service = Files(folder)

    def work(request, desk):
        order = Order("files", "model", "make", {"prompt": request.prompt}, reference=desk.job)
        ledger = Dying(desk.ledger, service)
        steps = working.work(order, service, ledger, desk.folder, desk.transport, clock=desk.clock)
        while True:
            try:
                event = next(steps)
            except StopIteration as end:
                done = end.value
                break
            if isinstance(event, Progress) and event.unit == "bytes" and event.done < (event.total or 0):
                service.die("download")
            yield event
        made = done.outputs[0]
        check_output(request.output, overwrite=desk.again)
        shutil.copyfile(made.path, request.output)
        service.die("delivered")
        yield Result(a_result(request.output))

    return work


def a_result(output):
    return VideoResult(
        output=output,
        frames=1,
        width=8,
        height=8,
        duration_seconds=1,
        elapsed_seconds=1,
        windows=1,
        resumed_windows=0,
        notes=[],
        recipe={},
    )


def quick(request, desk):
    """Work that is done at once."""
    yield Note("at it")
    yield Result(a_result(request.output))


def fails(error):
    """Work that comes to nothing."""

    def work(request, desk):
        yield Note("at it")
        raise error

    return work


if __name__ == "__main__":
    from moviola.jobs import counter

    provider, *ids = sys.argv[1:]
    counter.resume(ids, work=works_at(provider)) if not ids else counter.wait(ids, work=works_at(provider))

"""Providers call: what is taken, what is refused, and that another process looks at the job then."""

import json
import subprocess
import sys
import threading
import time
from contextlib import closing

import httpx
import numpy as np
import pytest
import uvicorn

from fake_fal import FakeFal
from fake_provider import DROP
from moviola import jobs
from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.hosted.senders import senders
from moviola.hosted.service import Order, Ticket
from moviola.hosted.transport import Transport
from moviola.jobs import listening
from moviola.jobs.store import Store
from moviola.tasks import Generate
from signing import FalSigner, fal_body

KEY = "fal-key-of-the-tests"


class Fal:
    """fal, which can call."""

    def __init__(self, there):
        self.there, self.signer = there, FalSigner()
        there.keys = [self.signer.public]

    def call(self, address, ticket, **changed):
        body = fal_body(ticket)
        headers = self.signer.headers(body, time.time()) | changed
        return httpx.post(address, content=body, headers=headers, timeout=30)


@pytest.fixture
def fal(house, monkeypatch, tmp_path):
    pictures = np.random.default_rng(0).integers(0, 255, (8, 64, 96, 3), dtype=np.uint8)
    Clip(pictures, rate=32).save(tmp_path / "film.mp4")
    with FakeFal((tmp_path / "film.mp4").read_bytes(), key=KEY) as there:
        for name, value in there.environment.items():
            monkeypatch.setenv(name, value)
        yield Fal(there)


@pytest.fixture
def store(house):
    with closing(Store()) as kept:
        kept.prepare()
        yield kept


@pytest.fixture
def open_job(store):
    """Keeps a job that a provider has."""

    def keep(job, provider, ticket):
        store.ledger(job).write("order", Order(provider, "model", "make", {}).json())
        store.ledger(job).write("ticket", Ticket(ticket, {"status_url": f"https://host/{ticket}"}).json())
        return job

    return keep


@pytest.fixture
def server(store):
    """The address of a server in this process."""
    with Transport(silence=2.0) as transport, closing(listening._socket("127.0.0.1", 0)) as bound:
        app = listening.application(store, senders(transport))
        running = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="critical"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [bound]})
        thread.start()
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/webhooks"
        running.should_exit = True
        thread.join()


def woken(store, job):
    return store.ledger(job).read("woken") is not None


def proved(store, job):
    return store.ledger(job).read("woken")["proved"]


def test_a_call_that_is_proved_wakes_the_job(fal, store, server, open_job):
    open_job("job-1", "fal", "r-1")
    open_job("job-2", "fal", "r-10")
    assert fal.call(f"{server}/fal", "r-1").status_code == 200
    assert (proved(store, "job-1"), woken(store, "job-2")) == (True, False)


def test_a_call_is_not_believed_to_say_how_a_job_ended(fal, store, server, open_job):
    open_job("job-1", "fal", "r-1")
    fal.call(f"{server}/fal", "r-1")
    assert set(store.ledger("job-1").entries()) == {"order", "ticket", "woken"}


def test_every_call_wakes_anew(fal, store, server, open_job):
    open_job("job-1", "fal", "r-1")
    fal.call(f"{server}/fal", "r-1")
    first = store.ledger("job-1").read("woken")
    fal.call(f"{server}/fal", "r-1")
    assert store.ledger("job-1").read("woken") != first


def test_a_job_that_has_ended_is_known_and_left_alone(fal, store, server, open_job):
    open_job("job-1", "fal", "r-1")
    store.ledger("job-1").write("seen", {"state": "done"})
    assert fal.call(f"{server}/fal", "r-1").status_code == 200
    assert not woken(store, "job-1")


def test_a_job_of_another_provider_is_not_its_own(fal, store, server, open_job):
    open_job("job-1", "luma-dream-machine", "r-1")
    assert fal.call(f"{server}/fal", "r-1").status_code == 404
    assert not woken(store, "job-1")


@pytest.mark.parametrize("ticket", ["r-2", "r-", "%", "_-1", 'r-1","urls":{"', "https://host/r-1"])
def test_a_job_that_nobody_has_is_unknown(fal, store, server, open_job, ticket):
    open_job("job-1", "fal", "r-1")
    assert fal.call(f"{server}/fal", ticket).status_code == 404
    assert not woken(store, "job-1")


@pytest.mark.parametrize(
    "changed",
    [
        {"x-fal-webhook-signature": "00" * 64},
        {"x-fal-webhook-signature": ""},
        {"x-fal-webhook-timestamp": "1700000000"},
        {"x-fal-webhook-user-id": "another"},
    ],
)
def test_a_call_that_proves_nothing_wakes_nobody(fal, store, server, open_job, changed):
    open_job("job-1", "fal", "r-1")
    reply = fal.call(f"{server}/fal", "r-1", **changed)
    assert (reply.status_code, woken(store, "job-1")) == (401, False)
    assert KEY not in reply.text


def test_who_does_not_sign_wakes_too(store, server, open_job):
    open_job("job-1", "luma-dream-machine", "g-1")
    assert httpx.post(f"{server}/luma", json={"id": "g-1", "state": "dreaming"}).status_code == 200
    assert not proved(store, "job-1")


def test_what_cannot_be_checked_is_asked_for_again(fal, store, server, open_job, caplog):
    open_job("job-1", "fal", "r-1")
    fal.there.trouble("GET", "/.well-known/jwks.json", DROP)
    reply = fal.call(f"{server}/fal", "r-1")
    assert (reply.status_code, woken(store, "job-1")) == (503, False)
    assert "a call of fal cannot be taken" in caplog.text
    assert KEY not in caplog.text + reply.text


def test_only_calls_are_answered(store, server):
    assert httpx.post(f"{server}/acme", json={"id": "1"}).status_code == 404
    assert httpx.post(server, json={"id": "1"}).status_code == 404
    assert httpx.get(f"{server}/fal").status_code == 405
    assert httpx.post(f"{server}/luma", content=b"{}").status_code == 400


def test_a_call_is_small(store, server):
    most = b" " * listening.MOST_BYTES
    assert httpx.post(f"{server}/luma", content=most).status_code == 400
    for content in (most + b" ", iter([most, b" "])):
        assert httpx.post(f"{server}/luma", content=content).status_code == 413


def test_a_call_comes_soon(store, server, monkeypatch):
    monkeypatch.setattr(listening, "_BODY_SECONDS", 0.2)

    def slow():
        yield b"{"
        time.sleep(1.0)
        yield b"}"

    assert httpx.post(f"{server}/luma", content=slow()).status_code == 408


def test_an_address_that_is_taken_is_told(store):
    with (
        closing(listening._socket("127.0.0.1", 0)) as bound,
        pytest.raises(RequestError, match="give another --port"),
    ):
        listening.listen("127.0.0.1", bound.getsockname()[1], print)
    with pytest.raises(RequestError, match=r"cannot listen at 203.0.113.1, port 1"):
        listening.listen("203.0.113.1", 1, print)


WORKER = """
import sys
from moviola import jobs
from moviola.hosted.providers import fal_queue
from moviola.hosted.service import Rules
fal_queue.FalQueue.rules = Rules(poll_seconds=0.1, first_poll_seconds=60.0)
jobs.wait(sys.argv[1:])
"""


def test_a_listener_wakes_the_worker_of_another_process(fal, store, monkeypatch, tmp_path):
    """The job would sleep for a minute, and is done long before that."""
    fal.there.states = []
    words = [sys.executable, "-m", "moviola", "jobs", "listen", "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as listener:
        try:
            address = listener.stdout.readline().split()[-1]
            monkeypatch.setenv("MOVIOLA_WEBHOOKS", address)
            id = jobs.submit(Generate(prompt="a lake", model="pika/2.2", output=tmp_path / "lake.mp4"))
            with subprocess.Popen([sys.executable, "-c", WORKER, id]):
                while (entry := store.ledger(id).read("ticket")) is None:
                    time.sleep(0.05)
                called, webhook = time.monotonic(), fal.there.jobs["r-1"].webhook
                assert webhook == f"{address}/webhooks/fal"
                assert fal.call(webhook, entry["id"]).status_code == 200
            assert time.monotonic() - called < 20
        finally:
            listener.terminate()
    assert jobs.show(id).state == "done"
    assert fal.there.count("POST", "/fal-ai/.*") == 1
    assert fal.there.jobs["r-1"].looks == 1
    assert KEY not in json.dumps(store.ledger(id).entries())

"""fal's own client as the judge: of how we ask its queue, and of the queue that our tests talk to."""

from dataclasses import replace

import pytest

from fake_fal import FakeFal
from fake_provider import Answer
from ledgers import Waiting
from moviola.hosted.providers import fal_queue
from moviola.hosted.service import Order, Upload
from moviola.hosted.transport import Transport

pytest.importorskip("fal_client")

import fal_client
from fal_client import client as inner

APP = "fal-ai/pika/v2.2/text-to-video"
ORDER = Order(
    "fal", APP, "text-to-video", {"prompt": "a lake", "seed": 3}, headers={"X-Fal-Request-Timeout": "30"}
)


@pytest.fixture
def fal(monkeypatch):
    with FakeFal() as there:
        for name, value in there.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(inner, "QUEUE_URL_FORMAT", f"{there.url}/")
        monkeypatch.setattr(inner, "REST_URL", there.url)
        monkeypatch.setattr(inner, "MAX_ATTEMPTS", 1)
        yield there


@pytest.fixture
def client(fal):
    line = fal_client.SyncClient(key=fal.key)
    yield line
    line._client.close()


@pytest.fixture
def queue(fal):
    with Transport(clock=Waiting().clock) as line:
        yield fal_queue.service(ORDER, line)


def told(asked):
    """All of a request that fal acts on."""
    timeout = asked.headers.get("x-fal-request-timeout")
    body = asked.json if asked.body else None
    return asked.method, asked.place, asked.headers["authorization"], timeout and float(timeout), body


class TestWeAskAsTheClientDoes:
    @pytest.fixture
    def ticket(self, queue):
        return queue.create(ORDER)

    @pytest.fixture
    def handle(self, client, ticket):
        """The client's, of the same job."""
        urls = {name: ticket.urls[name] for name in ("response_url", "status_url", "cancel_url")}
        return fal_client.SyncRequestHandle(ticket.id, **urls, client=client._client)

    def test_for_a_job(self, fal, ticket, client):
        handle = client.submit(APP, dict(ORDER.body), start_timeout=30)
        mine, its = fal.asked
        assert told(mine) == told(its)
        assert ticket.urls["status_url"].replace("r-1", "r-2") == handle.status_url

    def test_to_be_called(self, fal, queue, client):
        address = "https://my.host/webhooks/fal"
        queue.create(replace(ORDER, webhook=address))
        client.submit(APP, dict(ORDER.body), start_timeout=30, webhook_url=address)
        mine, its = fal.asked
        assert (told(mine), mine.path) == (told(its), its.path)
        assert [job.webhook for job in fal.jobs.values()] == [address, address]

    def test_for_its_state_and_its_result(self, fal, queue, ticket, handle):
        fal.states = []
        queue.look(ticket)
        handle.get()
        mine, its = fal.asked[1:3], fal.asked[3:]
        assert [told(one) for one in mine] == [told(one) for one in its]

    def test_for_its_end(self, fal, queue, ticket, handle):
        queue.cancel(ticket)
        fal.jobs["r-1"].cancelled = False
        handle.cancel()
        mine, its = fal.asked[1:]
        assert told(mine) == told(its)


def test_the_client_gets_a_job_through_our_fake(fal, client):
    handle = client.submit(APP, {"prompt": "a lake"})
    seen = [handle.status() for _ in range(3)]
    assert seen[0] == fal_client.Queued(position=2)
    assert [type(one) for one in seen[1:]] == [fal_client.InProgress, fal_client.Completed]
    assert handle.get()["video"]["url"] == f"{fal.url}/files/r-1/film.mp4"
    assert fal.jobs["r-1"].body == {"prompt": "a lake"}


def test_the_client_understands_the_refusals_of_our_fake(fal, client):
    fal.key = "another"
    with pytest.raises(inner.FalClientHTTPError, match="is no key"):
        client.submit(APP, {})


def test_the_client_reads_a_failure_as_we_do(fal, client):
    fal.states, fal.error = [], {"error": "the app fell over", "error_type": "internal"}
    fal.result = Answer(500, {"detail": "the app fell over"})
    handle = client.submit(APP, {})
    assert handle.status().error == "the app fell over"
    with pytest.raises(inner.FalClientHTTPError, match="fell over"):
        handle.get()


def test_files_are_brought_as_the_client_brings_them(fal, client, queue, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"picture")
    kept = queue.upload(Upload(str(path), "", "image/png", 7))
    asked = len(fal.asked)
    told = client.upload(
        b"picture", "image/png", file_name="picture.png", repository="fal", fallback_repository=[]
    )
    assert (kept.url, told) == (f"{fal.url}/kept/0-picture.png", f"{fal.url}/kept/1-picture.png")
    # It shows its key to the place that a file is put to, too; we do not.
    for mine, its in zip(fal.asked[:asked], fal.asked[asked:], strict=True):
        assert (mine.method, mine.body) == (its.method, its.body) or mine.json == its.json
        assert mine.headers["content-type"] == its.headers["content-type"]

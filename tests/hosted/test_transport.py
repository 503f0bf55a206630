"""The line to providers: what was sent is known, what comes is bounded, keys are not shown."""

import gzip
import logging
import socket
from datetime import UTC, datetime

import httpx
import pytest

from fake_provider import DROP, LOSE, Answer, FakeProvider
from moviola.errors import HostedError, ProviderDownError, RequestError, UnknownOutcomeError
from moviola.hosted.transport import HIDDEN, Reply, Transport

KEY = "key-that-nobody-may-see"
SECRETS = {"Authorization": f"Key {KEY}"}


class Plain(FakeProvider):
    """Answers what it is told to."""

    def __init__(self):
        super().__init__()
        self.answers = Answer(body={"ok": True})

    def handle(self, asked):
        return self.answers


@pytest.fixture
def provider():
    with Plain() as plain:
        yield plain


@pytest.fixture
def line():
    with Transport(silence=0.5, whole=1.0, most_bytes=1000) as transport:
        yield transport


def test_a_reply_is_what_the_provider_sent(provider, line):
    provider.answers = Answer(418, {"a": 1}, {"Retry-After": "3"})
    reply = line.ask("GET", f"{provider.url}/x", secrets=SECRETS)
    assert (reply.status, reply.good, reply.fields(), reply.after()) == (418, False, {"a": 1}, 3.0)
    assert provider.asked[0].headers["authorization"] == f"Key {KEY}"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("12", 12),
        ("0", 0),
        ("-5", 0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30),
        ("soon", None),
        ("nan", None),
        ("", None),
    ],
)
def test_when_to_come_again_is_seconds_or_a_date(said, seconds):
    reply = Reply(429, {"retry-after": said}, b"", "acme.example")
    assert reply.after(datetime(2026, 11, 22, 12, tzinfo=UTC)) == seconds


class TestCreating:
    """One request, whatever comes of it."""

    def test_a_refusal_says_that_nothing_was_made(self, provider, line):
        provider.answers = Answer(422, {"detail": "no"})
        assert line.create(provider.url, secrets=SECRETS, json={}).status == 422

    @pytest.mark.parametrize("trouble", [DROP, LOSE, Answer(cut=3, body={"id": "t-1"}, delay=0)])
    def test_a_connection_that_breaks_leaves_it_unknown(self, provider, line, trouble):
        provider.trouble("POST", ".*", trouble)
        with pytest.raises(UnknownOutcomeError, match="not known"):
            line.create(provider.url, secrets=SECRETS, json={})
        assert len(provider.asked) == 1

    @pytest.mark.parametrize("status", [302, 408, 500, 502, 503, 504])
    def test_an_answer_that_does_not_say_leaves_it_unknown(self, provider, line, status):
        provider.answers = Answer(status, {}, {"Location": "/elsewhere"})
        with pytest.raises(UnknownOutcomeError, match=str(status)):
            line.create(provider.url, secrets=SECRETS, json={})
        assert len(provider.asked) == 1

    def test_silence_leaves_it_unknown(self, provider, line):
        provider.answers = Answer(delay=0.9)
        with pytest.raises(UnknownOutcomeError, match="silent"):
            line.create(provider.url, secrets=SECRETS, json={})

    def test_nobody_there_means_that_nothing_was_sent(self, line):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        with pytest.raises(ProviderDownError, match="cannot be reached"):
            line.create(f"http://127.0.0.1:{port}", secrets=SECRETS, json={})

    def test_no_connection_is_used_again_for_it(self, provider, line):
        for _ in range(3):
            line.create(provider.url, secrets=SECRETS, json={})
        assert all(ask.headers["connection"] for ask in provider.asked)


class TestBounds:
    @pytest.mark.parametrize("length", [None, -1])
    def test_a_reply_too_large_is_not_read(self, provider, line, length):
        provider.answers = Answer(body=b"x" * 100_000, length=length)
        with pytest.raises(ProviderDownError, match="1000"):
            line.ask("GET", provider.url)

    def test_a_reply_said_to_be_of_ten_gigabytes_is_not_waited_for(self, provider, line):
        provider.answers = Answer(body=b"x", length=10 * 2**30)
        with pytest.raises(ProviderDownError, match="at most 1000 are read"):
            line.ask("GET", provider.url)

    def test_a_reply_that_drips_is_given_up(self, provider, line):
        provider.answers = Answer(body=b"x" * 100, drip=0.05)
        with pytest.raises(ProviderDownError, match="did not finish"):
            line.ask("GET", provider.url)

    def test_a_packed_reply_is_not_unpacked(self, provider, line):
        bomb = gzip.compress(b"0" * 10**6)[:900]
        provider.answers = Answer(body=bomb, headers={"Content-Encoding": "gzip"})
        with pytest.raises(ProviderDownError, match="packed"):
            line.ask("GET", provider.url)

    @pytest.mark.parametrize("garbage", [b"", b"<html>", b"\xff\xfe", b"[1", b'"text"', b"[1]"])
    def test_garbage_is_told_as_that(self, provider, line, garbage):
        provider.answers = Answer(body=garbage)
        with pytest.raises(ProviderDownError, match="no JSON"):
            line.ask("GET", provider.url).fields()


class TestSecrecy:
    def test_a_key_that_is_sent_back_is_not_seen(self, provider, line):
        provider.answers = Answer(401, {"detail": f"the key '{KEY}' in 'Key {KEY}' is not known"})
        reply = line.ask("GET", provider.url, secrets=SECRETS)
        assert KEY not in repr(reply)
        assert HIDDEN in reply.fields()["detail"]

    def test_no_key_and_no_signature_is_in_any_log(self, provider, line, caplog):
        with caplog.at_level(logging.DEBUG):
            line.ask("GET", f"{provider.url}/x?signature=very-secret", secrets=SECRETS)
            with line.stream(f"{provider.url}/y?signature=very-secret", {}) as answer:
                answer.read()
        assert "/x" in caplog.text
        assert KEY not in caplog.text
        assert "very-secret" not in caplog.text

    def test_a_key_does_not_follow_a_redirect(self, provider, line):
        with Plain() as other:
            provider.answers = Answer(307, {}, {"Location": other.url})
            assert line.ask("GET", provider.url, secrets=SECRETS).status == 307
            assert not other.asked


class TestOffline:
    @pytest.fixture(autouse=True)
    def _offline(self, monkeypatch):
        monkeypatch.setenv("MOVIOLA_OFFLINE", "1")

    def test_no_host_but_this_machine_is_asked(self, line):
        with pytest.raises(RequestError, match=r"MOVIOLA_OFFLINE is set, so queue\.example is not asked"):
            line.create("https://queue.example/x", secrets=SECRETS, json={})

    def test_a_redirect_does_not_lead_out(self, provider, line):
        provider.answers = Answer(302, {}, {"Location": "https://files.example/x"})
        with pytest.raises(RequestError, match=r"files\.example"), line.stream(provider.url, {}):
            pass


@pytest.mark.parametrize("url", ["http://files.example/x", "http://10.0.0.1/x"])
def test_others_are_asked_over_https_only(line, monkeypatch, url):
    monkeypatch.setenv("MOVIOLA_OFFLINE", "0")
    with pytest.raises(HostedError, match="over https only"):
        line.ask("GET", url)


def test_a_server_that_the_user_names_may_be_asked_without_encryption(line, monkeypatch):
    monkeypatch.delenv("MOVIOLA_OFFLINE")
    monkeypatch.setattr("socket.getaddrinfo", unknown_host)
    line.allow_plain(httpx.URL("http://gpu.example:8000/v1"))
    with pytest.raises(ProviderDownError, match=r"no host gpu\.example"):
        line.ask("GET", "http://gpu.example:8000/v1/videos")
    for url in ("http://gpu.example/v1/videos", "http://other.example:8000/v1/videos"):
        with pytest.raises(HostedError, match="over https only"):
            line.ask("GET", url)


def unknown_host(*_, **__):
    raise socket.gaierror("nobody knows it")


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "no address", "https://", None, "http://[::1"])
def test_what_is_no_address_is_told_as_the_providers_fault(line, url):
    with pytest.raises(ProviderDownError, match="address that is none"):
        line.ask("GET", url)


def test_a_key_goes_no_further_than_to_the_server_it_is_for():
    class Storage(FakeProvider):
        to = ""

        def handle(self, asked):
            return Answer(302, headers={"Location": self.to}) if self.to else Answer(200, b"a film")

    with Storage() as provider, Storage() as storage, Transport() as line:
        provider.trouble("GET", "/content", Answer(302, headers={"Location": f"{provider.url}/other"}))
        provider.to = f"{storage.url}/film"
        with line.stream(f"{provider.url}/content", {"Range": "bytes=0-"}, {"X-Key": "secret"}) as answer:
            assert answer.read() == b"a film"
    assert [asked.headers.get("x-key") for asked in provider.asked] == ["secret", "secret"]
    (last,) = storage.asked
    assert "x-key" not in last.headers
    assert last.headers["range"] == "bytes=0-"


def test_redirects_end():
    class Loop(FakeProvider):
        def handle(self, asked):
            return Answer(302, headers={"Location": f"{self.url}/again"})

    with (
        Loop() as provider,
        Transport() as line,
        pytest.raises(ProviderDownError, match="without an end"),
        line.stream(provider.url, {}),
    ):
        pass


class TestConversing:
    """What is answered piece by piece."""

    class Speaker(FakeProvider):
        def handle(self, asked):
            return Answer(200, b"data: one\n\ndata: two\n\n")

    def test_the_pieces_come_as_they_are(self):
        with (
            self.Speaker() as provider,
            Transport() as line,
            line.converse(provider.url, secrets={}, json={"question": "?"}) as answer,
        ):
            assert b"".join(answer) == b"data: one\n\ndata: two\n\n"
        (asked,) = provider.asked
        assert asked.json == {"question": "?"}

    def test_a_refusal_is_a_reply_without_the_key(self):
        with self.Speaker() as provider, Transport() as line:
            provider.trouble("POST", ".*", Answer(429, b"key k-1 is used up"))
            with line.converse(provider.url, secrets={"Authorization": "Bearer k-1"}, json={}) as answer:
                assert (answer.status, answer.body) == (429, f"key {HIDDEN} is used up".encode())

    @pytest.mark.parametrize("trouble", [LOSE, Answer(200, b"data: one\n\nda", length=100, cut=14)])
    def test_what_breaks_off_may_be_paid_for(self, trouble):
        with self.Speaker() as provider, Transport() as line:
            provider.trouble("POST", ".*", trouble)
            with (
                pytest.raises(UnknownOutcomeError),
                line.converse(provider.url, secrets={}, json={}) as answer,
            ):
                list(answer)
            assert len(provider.asked) == 1

    def test_a_model_may_think_longer_than_others_may_be_silent(self):
        with self.Speaker() as provider, Transport(silence=0.1) as line:
            provider.trouble("POST", ".*", Answer(200, b"data: one\n\n", delay=0.4))
            with line.converse(provider.url, secrets={}, json={}) as answer:
                assert b"".join(answer) == b"data: one\n\n"

    def test_what_was_never_sent_is_not(self):
        with (
            Transport(connect=1) as line,
            pytest.raises(ProviderDownError),
            line.converse("http://127.0.0.1:9", secrets={}, json={}),
        ):
            pass


def test_a_reply_with_a_file_in_it_may_be_larger(provider, line):
    provider.answers = Answer(body=b"x" * 1500)
    assert len(line.ask("GET", f"{provider.url}/x", most_bytes=1500).body) == 1500
    with pytest.raises(ProviderDownError, match="at most 1400 are read"):
        line.ask("GET", f"{provider.url}/x", most_bytes=1400)


def test_and_may_take_as_much_longer(provider, line):
    provider.answers = Answer(body=b"x" * 12, drip=0.1)
    with pytest.raises(ProviderDownError, match="did not finish"):
        line.ask("GET", f"{provider.url}/x")
    assert line.ask("GET", f"{provider.url}/x", most_bytes=3000).body == b"x" * 12

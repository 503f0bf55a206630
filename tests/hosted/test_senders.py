"""Who calls: keys that are fetched seldom, and what a call is about."""

import json

import pytest

from fake_fal import FakeFal
from fake_provider import DROP, Answer
from fake_replicate import FakeReplicate
from ledgers import Waiting
from moviola.errors import InputError, MoviolaError, NotAuthorizedError, ProviderDownError, RequestError
from moviola.hosted.senders import Call, senders
from moviola.hosted.transport import Transport
from moviola.hosted.webhooks import ForgedError
from signing import FalSigner, StandardSigner, fal_body

JWKS = "/.well-known/jwks.json"
DAY = 24 * 3600


@pytest.fixture
def waiting():
    return Waiting()


@pytest.fixture
def callers(waiting):
    with Transport(clock=waiting.clock, silence=2.0) as transport:
        yield senders(transport)


class Fal:
    """Calls of fal's, checked against the keys that its fake lists."""

    def __init__(self, there, sender, waiting):
        self.there, self.sender, self.waiting = there, sender, waiting
        self.signer = FalSigner()
        there.keys = [self.signer.public]

    def call(self, body=None, signer=None):
        body = fal_body("r-1") if body is None else body
        headers = (signer or self.signer).headers(body, self.waiting.time)
        return self.sender.call(headers, body)

    def fetches(self):
        return self.there.count("GET", JWKS)


@pytest.fixture
def fal(monkeypatch, callers, waiting):
    with FakeFal() as there:
        monkeypatch.setenv("MOVIOLA_FAL_URL", there.url)
        monkeypatch.delenv("FAL_KEY", raising=False)
        yield Fal(there, callers["fal"], waiting)


def test_a_call_of_fal_is_about_a_request_of_its_queue(fal):
    assert fal.call() == Call("r-1", proved=True)


def test_its_keys_are_fetched_once_a_day_and_without_our_own(fal):
    for _ in range(3):
        fal.call()
    assert fal.fetches() == 1
    assert "authorization" not in fal.there.asked[0].headers
    fal.waiting.time += DAY
    fal.call()
    assert fal.fetches() == 2


def test_keys_that_were_changed_are_found(fal):
    fal.call()
    fal.signer = FalSigner()
    fal.there.keys = [fal.signer.public]
    with pytest.raises(ForgedError):
        fal.call()
    fal.waiting.time += 300
    assert fal.call().proved


def test_strangers_do_not_have_keys_fetched_again_and_again(fal):
    for _ in range(50):
        with pytest.raises(ForgedError):
            fal.call(signer=FalSigner())
    assert fal.fetches() == 1


@pytest.mark.parametrize(
    "answer",
    [
        DROP,
        Answer(500),
        Answer(200, b"<html>"),
        Answer(200, []),
        Answer(200, {"keys": None}),
        Answer(200, {"keys": [None, {"kty": "RSA"}, {"kty": "OKP", "crv": "Ed25519", "x": "AA"}]}),
        Answer(200, {"keys": [{"kty": "OKP", "crv": "Ed25519"}, {"kty": "OKP", "crv": "Ed25519", "x": "é"}]}),
    ],
)
def test_without_keys_nothing_can_be_checked_and_they_are_not_asked_for_at_once_again(fal, answer):
    fal.there.trouble("GET", JWKS, answer)
    for _ in range(3):
        with pytest.raises(ProviderDownError):
            fal.call()
    assert fal.fetches() == 1
    fal.waiting.time += 30
    assert fal.call().proved


def test_other_kinds_of_keys_beside_them_do_no_harm(fal):
    fal.there.keys[:0] = [{"kty": "RSA", "n": "AQAB"}, FalSigner().public]
    assert fal.call().proved


def test_offline_no_key_is_fetched(fal, monkeypatch):
    monkeypatch.delenv("MOVIOLA_FAL_URL")
    with pytest.raises(RequestError, match="MOVIOLA_OFFLINE"):
        fal.call()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"{}",
        b'{"request_id": 7}',
        b'{"request_id": ""}',
        b'{"request_id": "\\ud800"}',
        b'{"request_id": "r 1"}',
        b'{"request_id": "%s"}' % (b"r" * 100_000),
        b'{"request_id": %s}' % (b"1" * 5000),
        b"[" * 100_000,
    ],
)
def test_a_body_that_names_no_job_is_refused(fal, body):
    with pytest.raises(InputError, match="names no job: request_id is none"):
        fal.call(body)


@pytest.fixture
def there(monkeypatch):
    with FakeReplicate() as there:
        for name, value in there.environment.items():
            monkeypatch.setenv(name, value)
        yield there


PREDICTION = json.dumps({"id": "p1", "status": "succeeded", "output": None}).encode()


def test_a_call_of_replicate_is_proved_by_the_secret_of_the_account(there, callers, waiting):
    signer = StandardSigner()
    there.secret = signer.secret
    for _ in range(3):
        headers = signer.headers(PREDICTION, waiting.time)
        assert callers["replicate"].call(headers, PREDICTION) == Call("p1", proved=True)
    with pytest.raises(ForgedError) as caught:
        callers["replicate"].call(StandardSigner().headers(PREDICTION, waiting.time), PREDICTION)
    assert signer.secret not in str(caught.value)
    assert len(there.asked) == 1


@pytest.mark.parametrize("secret", [None, 7, "", "whsec_%"])
def test_a_secret_that_is_none_proves_nothing(there, callers, waiting, secret):
    there.secret = secret
    with pytest.raises(ProviderDownError):
        callers["replicate"].call(StandardSigner().headers(PREDICTION, waiting.time), PREDICTION)


def test_a_key_that_replicate_does_not_take_is_tried_seldom(there, callers, waiting, monkeypatch):
    monkeypatch.setenv("REPLICATE_API_TOKEN", "wrong-key")
    for _ in range(5):
        with pytest.raises(NotAuthorizedError) as caught:
            callers["replicate"].call(StandardSigner().headers(PREDICTION, waiting.time), PREDICTION)
        assert "wrong-key" not in str(caught.value)
    assert len(there.asked) == 1


def test_luma_does_not_sign_and_proves_nothing(callers):
    assert callers["luma"].call({}, b'{"id": "g1", "state": "completed"}') == Call("g1", proved=False)
    with pytest.raises(MoviolaError):
        callers["luma"].call({}, b"{}")

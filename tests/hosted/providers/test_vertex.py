"""Veo on Google Cloud, with every trap that is known of it."""

import base64
import hashlib
import json

import pytest

from fake_provider import DROP, LOSE, Answer, FakeProvider
from fake_vertex import FakeVertex, refused
from ledgers import Job
from moviola.errors import (
    CannotCancelError,
    HostedError,
    InputError,
    InvalidInputError,
    LinkGoneError,
    ModelRetiredError,
    ModeratedError,
    NotAuthorizedError,
    ProviderDownError,
    QuotaError,
    RequestError,
    UnknownOutcomeError,
)
from moviola.hosted.providers import google_access
from moviola.hosted.service import Order, Ticket, Upload
from moviola.hosted.working import standing
from moviola.models import veo

MODEL = "veo-3.1-generate-001"
BODY = {"instances": [{"prompt": "a lake"}], "parameters": {"sampleCount": 1}}
ORDER = Order("vertex", MODEL, "predictLongRunning", BODY)
STORED = Order("vertex", MODEL, "", BODY | {"parameters": {"storageUri": "gs://bucket/a b"}})
PARENT = f"projects/a-project/locations/europe-west4/publishers/google/models/{MODEL}"
CREATES, LOOKS = FakeVertex.create, FakeVertex.look
SAFETY = "The prompt could not be submitted. It violates Google's Responsible AI practices."


@pytest.fixture
def vertex(known):
    with FakeVertex() as there:
        yield known(there)


@pytest.fixture
def service(vertex, line):
    return veo.service(ORDER, line)


@pytest.fixture
def job(service, line, tmp_path):
    return Job(service, line, tmp_path / "results", ORDER)


def test_a_job_becomes_a_file(vertex, job):
    outcome = job.done()
    assert outcome.ticket == Ticket(f"{PARENT}/operations/1")
    assert (job.folder / "0.mp4").read_bytes() == b"a film"
    assert vertex.jobs[outcome.ticket.id].body == BODY
    assert vertex.count(*CREATES) == 1


def test_a_large_video_comes_within_the_answer(vertex, job):
    vertex.film = b"x" * 9 * 2**20
    assert job.done().outputs[0].size == len(vertex.film)


def test_a_bucket_of_ones_own_is_opened_with_the_token(vertex, job):
    assert job.done(STORED).outputs[0].size == 6
    (fetch,) = [asked for asked in vertex.asked if asked.method == "GET"]
    assert fetch.path == "/bucket/a%20b/1/sample_0.mp4"
    assert fetch.headers["authorization"] == f"Bearer {vertex.token}"


def test_the_newer_shape_of_an_answer_is_read(vertex, service):
    video = {"bytesBase64Encoded": "YQ=="}
    vertex.runs, vertex.ending = 0, {"response": {"generateVideoResponse": {"videos": [video]}}}
    ticket = service.create(ORDER)
    assert len(service.look(ticket).outputs) == 1
    assert service.hand_over(ticket, 0) == b"a"


class TestPictures:
    @pytest.fixture
    def picture(self, tmp_path):
        path = tmp_path / "lake.png"
        path.write_bytes(b"picture")
        return Upload(str(path), hashlib.sha256(b"picture").hexdigest(), "image/png", 7)

    @pytest.fixture
    def order(self, picture):
        image = {"bytesBase64Encoded": f"asset:{picture.sha256}", "mimeType": "image/png"}
        return Order("vertex", MODEL, "", {"instances": [{"image": image}], "parameters": {}}, (picture,))

    def test_they_go_along_and_are_kept_nowhere_else(self, vertex, job, order):
        job.done(order)
        (made,) = vertex.jobs.values()
        encoded = base64.b64encode(b"picture").decode()
        assert made.body["instances"][0]["image"]["bytesBase64Encoded"] == encoded
        assert encoded not in json.dumps(job.ledger.entries)
        assert vertex.count("POST", ".*") == 1 + made.looks

    def test_one_that_has_changed_is_not_sent(self, vertex, job, order, picture, tmp_path):
        vertex.trouble(*CREATES, *[refused(429, "slowly, per minute")] * 9)
        with pytest.raises(HostedError):
            job.done(order)
        (tmp_path / "lake.png").write_bytes(b"another")
        with pytest.raises(InputError, match="has changed"):
            job.done(order)

    def test_one_that_is_gone_is_told_with_nothing_sent(self, vertex, service, order, picture, tmp_path):
        resolved = order.resolved({picture.sha256: service.upload(picture).url})
        (tmp_path / "lake.png").unlink()
        with pytest.raises(InputError, match="cannot read"):
            service.create(resolved)
        assert not vertex.asked


class TestEndings:
    @pytest.mark.parametrize(
        ("ending", "kind", "words"),
        [
            (
                {"response": {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": ["a celebrity."]}},
                ModeratedError,
                "keeps back what was made: a celebrity",
            ),
            ({"response": {"raiMediaFilteredCount": 1}}, ModeratedError, "no reason"),
            ({"response": {"videos": []}}, HostedError, "made nothing"),
            ({"response": {"videos": [None, {}, {"mimeType": "video/mp4"}]}}, HostedError, "made nothing"),
            ({"response": None}, HostedError, "made nothing"),
            ({}, HostedError, "made nothing"),
            ({"error": {"code": 3, "message": SAFETY}}, ModeratedError, "Responsible AI"),
            ({"error": {"code": 3, "message": "bad length"}}, InvalidInputError, "bad length"),
            ({"error": {"code": 8, "message": "out of credits"}}, QuotaError, "credits"),
            ({"error": {"code": 13, "message": "broke"}}, ProviderDownError, "broke"),
            ({"error": {"code": 7, "message": "no bucket for you"}}, NotAuthorizedError, "bucket"),
            ({"error": {"code": "?", "message": None}}, ProviderDownError, "no reason"),
        ],
    )
    def test_each_is_told_as_what_it_is(self, vertex, job, ending, kind, words):
        vertex.ending = ending
        with pytest.raises(kind, match=words):
            job.done()
        assert standing(job.ledger) == "failed"

    @pytest.mark.parametrize(("message", "stage"), [(SAFETY, "input"), ("usage guidelines", None)])
    def test_moderation_says_what_was_stopped(self, vertex, job, message, stage):
        vertex.ending = {"error": {"code": 3, "message": message}}
        with pytest.raises(ModeratedError) as caught:
            job.done()
        assert caught.value.stage == stage

    def test_what_was_kept_back_was_made(self, vertex, job):
        vertex.ending = {"response": {"raiMediaFilteredCount": 1}}
        with pytest.raises(ModeratedError) as caught:
            job.done()
        assert caught.value.stage == "output"

    def test_a_video_that_is_gone_from_the_answer_is_told(self, vertex, service):
        ticket = service.create(ORDER)
        vertex.runs, vertex.ending = 0, {"response": {}}
        with pytest.raises(LinkGoneError):
            service.hand_over(ticket, 0)

    def test_a_video_that_is_no_base64_is_told(self, vertex, service):
        ticket = service.create(ORDER)
        vertex.runs, vertex.ending = 0, {"response": {"videos": [{"bytesBase64Encoded": "%"}]}}
        with pytest.raises(ProviderDownError, match="no base64"):
            service.hand_over(ticket, 0)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (refused(403, "denied"), NotAuthorizedError, "denied"),
        (refused(400, SAFETY), ModeratedError, "Responsible AI"),
        (refused(400, "bad"), InvalidInputError, "bad"),
        (refused(404, "Publisher Model veo-3.1 was not found"), ModelRetiredError, "use gemini-omni"),
        (refused(429, "quota exhausted, see billing"), QuotaError, "billing"),
    ],
)
def test_what_is_refused_is_not_tried_again(vertex, job, answer, kind, words):
    vertex.trouble(*CREATES, answer)
    with pytest.raises(kind, match=words):
        job.done()
    assert vertex.count(*CREATES) == 1
    assert standing(job.ledger) == "ready"


@pytest.mark.parametrize(
    "trouble",
    [
        DROP,
        LOSE,
        Answer(503, b""),
        Answer(200, b"{"),
        Answer(200, {"name": None}),
        Answer(200, {"name": "projects/x/operations/1"}),
        Answer(200, {"name": f"{PARENT}/operations/../../1"}),
    ],
)
def test_a_lost_reply_is_unknown_and_never_sent_again(vertex, job, trouble):
    vertex.trouble(*CREATES, trouble)
    for _ in range(2):
        with pytest.raises(UnknownOutcomeError, match="billing of your project"):
            job.done()
    assert vertex.count(*CREATES) == 1


@pytest.mark.parametrize(
    "trouble", [DROP, Answer(500, b""), Answer(429, {}), Answer(200, b"[]"), Answer(200, {"done": "yes"})]
)
def test_trouble_with_a_look_loses_no_job(vertex, job, trouble):
    vertex.trouble(*LOOKS, trouble, trouble)
    assert job.done().outputs


@pytest.mark.parametrize("answer", [refused(404, "not found"), refused(401, "expired")])
def test_a_job_that_cannot_be_looked_at_stays_open(vertex, job, answer):
    vertex.trouble(*LOOKS, answer)
    with pytest.raises(HostedError):
        job.done()
    assert standing(job.ledger) == "open"


def test_a_job_is_asked_for_where_it_was_begun(vertex, service, line, monkeypatch):
    ticket = service.create(ORDER)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "another")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "global")
    veo.service(ORDER, line).look(ticket)
    assert vertex.asked[-1].path == f"/v1/{PARENT}:fetchPredictOperation"


@pytest.mark.parametrize(
    ("location", "host"), [("global", "aiplatform"), ("us-central1", "us-central1-aiplatform")]
)
def test_every_location_has_a_host(line, monkeypatch, vertex, location, host):
    monkeypatch.delenv("MOVIOLA_VERTEX_URL")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", location)
    with pytest.raises(RequestError, match=rf" {host}\.googleapis\.com is not asked"):
        veo.service(ORDER, line).create(ORDER)


def test_an_odd_ticket_is_asked_for_nowhere(vertex, service):
    with pytest.raises(HostedError, match="no jobs of the name"):
        service.look(Ticket("projects/../secrets"))
    assert not vertex.asked


def test_a_job_cannot_be_cancelled(service):
    with pytest.raises(CannotCancelError, match="no way to cancel"):
        service.cancel(Ticket("x"))


def test_without_a_project_nothing_is_begun(vertex, line, monkeypatch):
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    with pytest.raises(InputError, match="GOOGLE_CLOUD_PROJECT"):
        veo.service(ORDER, line)


def test_a_token_is_shown_to_nobody(vertex, job):
    vertex.token = "another"
    with pytest.raises(NotAuthorizedError) as caught:
        job.done()
    everything = str(caught.value) + repr(job.ledger.entries) + repr(job.service)
    assert "google-token-of-the-tests" not in everything


class TokenServer(FakeProvider):
    """Where application default credentials get their tokens."""

    def __init__(self):
        super().__init__()
        self.lives, self.answer_with = 3600, None

    def handle(self, asked):
        number = len(self.asked)
        said = {"access_token": f"token-{number}", "expires_in": self.lives, "token_type": "Bearer"}
        return self.answer_with or Answer(200, said)


class TestDefaultCredentials:
    @pytest.fixture
    def tokens(self, monkeypatch, tmp_path):
        pytest.importorskip("google.auth")
        monkeypatch.delenv("GOOGLE_ACCESS_TOKEN", raising=False)
        with TokenServer() as there:
            yield there

    @pytest.fixture
    def account(self, tokens, monkeypatch, tmp_path):
        rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
        from cryptography.hazmat.primitives import serialization as s

        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()).decode()
        account = {
            "type": "service_account",
            "project_id": "of-the-account",
            "private_key_id": "1",
            "private_key": pem,
            "client_email": "a@b.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"{tokens.url}/token",
        }
        path = tmp_path / "account.json"
        path.write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        return account

    def test_they_give_a_token_once_for_as_long_as_it_lives(self, tokens, account, line):
        access = google_access.access(line)
        assert (access.token(), access.token()) == ("token-1", "token-1")
        assert access.project == "of-the-account"
        assert b"assertion=" in tokens.asked[0].body
        assert "token-1" not in repr(access)

    def test_and_a_new_one_when_it_is_near_its_end(self, tokens, account, line):
        tokens.lives = 1
        access = google_access.access(line)
        assert (access.token(), access.token()) == ("token-1", "token-2")

    def test_they_name_the_project_too(self, tokens, account, line, vertex, monkeypatch):
        monkeypatch.delenv("GOOGLE_ACCESS_TOKEN")
        monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
        vertex.token = "token-1"
        ticket = veo.service(ORDER, line).create(ORDER)
        assert "/of-the-account/" in ticket.id.replace("projects", "")

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (Answer(400, {"error": "invalid_grant", "error_description": "gone"}), NotAuthorizedError),
            (Answer(200, {}), NotAuthorizedError),
            (Answer(200, b"<html>"), ProviderDownError),
        ],
    )
    def test_what_gives_no_token_is_told(self, tokens, account, line, answer, kind):
        tokens.answer_with = answer
        with pytest.raises(kind, match="gives no token"):
            google_access.access(line).token()

    def test_without_a_connection_it_may_be_better_soon(self, tokens, account, line):
        tokens.trouble("POST", "/token", *[DROP] * 9)
        with pytest.raises(ProviderDownError, match="gives no token"):
            google_access.access(line).token()

    def test_without_any_it_is_said_what_to_do(self, tokens, line, monkeypatch, tmp_path):
        monkeypatch.setenv("NO_GCE_CHECK", "true")
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        with pytest.raises(NotAuthorizedError, match="gcloud auth application-default login"):
            google_access.access(line)

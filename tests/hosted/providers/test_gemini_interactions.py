"""The Interactions API of Gemini, with every trap that is known of it."""

import hashlib

import pytest

from fake_gemini_omni import FakeGeminiOmni, refused, says
from fake_provider import DROP, LOSE, Answer
from ledgers import Job
from moviola.errors import (
    CannotCancelError,
    HostedError,
    InvalidInputError,
    LinkGoneError,
    ModelRetiredError,
    ModeratedError,
    NotAuthorizedError,
    ProviderDownError,
    QuotaError,
    RateLimitedError,
    RequestError,
    UnknownOutcomeError,
    WithdrawnError,
)
from moviola.hosted.service import Order, Ticket, Upload
from moviola.hosted.working import standing
from moviola.model import Note
from moviola.models import gemini_omni

MODEL = "gemini-omni-1.1-flash"
FORM = {"type": "video", "delivery": "uri", "duration": "3s", "resolution": "720p", "aspect_ratio": "16:9"}
BODY = {"model": MODEL, "input": [{"type": "text", "text": "a lake"}], "background": True}
ORDER = Order("gemini", MODEL, "text_to_video", BODY | {"response_format": FORM})
INLINE = Order("gemini", MODEL, "text_to_video", BODY | {"response_format": FORM | {"delivery": "inline"}})
CREATES, LOOKS = FakeGeminiOmni.create, FakeGeminiOmni.look


@pytest.fixture
def gemini(known):
    with FakeGeminiOmni() as there:
        yield known(there)


@pytest.fixture
def service(gemini, line):
    return gemini_omni.service(ORDER, line)


@pytest.fixture
def job(service, line, tmp_path):
    return Job(service, line, tmp_path / "results", ORDER)


def test_a_job_becomes_a_file(gemini, job):
    outcome = job.done()
    assert outcome.ticket == Ticket("v1_1")
    assert (job.folder / "0.mp4").read_bytes() == b"a film"
    assert gemini.jobs["v1_1"].body == ORDER.body
    assert gemini.count(*CREATES) == 1


def test_it_costs_what_its_tokens_do(gemini, job):
    # 20 × $1.50 + 100 × $9 + 17,376 × $17.50, for a million each
    assert job.done().cost_usd == "0.30501"


@pytest.mark.parametrize(
    "usage",
    [None, [], {}, {"output_tokens_by_modality": None}, {"output_tokens_by_modality": [None, 3]}],
)
def test_where_the_tokens_are_not_told_neither_is_the_cost(gemini, job, usage):
    gemini.usage = usage
    assert job.done().cost_usd is None


def test_of_a_model_without_a_known_price_it_is_not_told(gemini, line):
    service = gemini_omni.service(Order("gemini", "gemini-omni-1.2-flash", "", {}), line)
    gemini.states = []
    assert service.look(service.create(ORDER)).cost_usd is None


class TestOutputs:
    def test_a_video_within_the_answer_is_handed_over(self, gemini, job):
        assert job.done(INLINE).outputs[0].size == 6
        assert (job.folder / "0.mp4").read_bytes() == b"a film"
        assert not gemini.jobs["v1_1"].fetched

    def test_even_where_it_is_larger_than_other_answers(self, gemini, job):
        gemini.film = b"x" * 9 * 2**20
        assert job.done(INLINE).outputs[0].size == len(gemini.film)

    def test_a_file_that_is_being_prepared_is_waited_for(self, gemini, job):
        gemini.files.prepared_after = 3
        job.done()
        assert Note("gemini: the file is being prepared") in job.told

    def test_a_file_that_cannot_be_prepared_is_a_failure(self, gemini, job):
        gemini.files.broken = True
        with pytest.raises(HostedError, match="could not prepare the file: it is no video"):
            job.done()
        assert standing(job.ledger) == "failed"

    def test_the_key_opens_googles_own_files(self, gemini, job):
        job.done()
        (fetch,) = [asked for asked in gemini.asked if asked.place.endswith(":download")]
        assert fetch.headers["x-goog-api-key"] == gemini.key

    @pytest.mark.parametrize("url", ["https://x.example/a.mp4", "no address", "http://[", "https:///a"])
    def test_other_addresses_get_no_key(self, gemini, service, url):
        video = {"type": "video", "uri": url}
        gemini.states, gemini.ending = [], {"steps": [{"type": "model_output", "content": [video]}]}
        (output,) = service.look(service.create(ORDER)).outputs
        assert (output.url, output.locked) == (url, False)

    def test_an_address_without_its_end_is_given_it(self, gemini, service):
        video = {"type": "video", "uri": f"{gemini.url}/v1beta/files/abc"}
        gemini.states, gemini.ending = [], {"steps": [{"type": "model_output", "content": [video]}]}
        (output,) = service.look(service.create(ORDER)).outputs
        assert (output.url, output.locked) == (f"{gemini.url}/v1beta/files/abc:download?alt=media", True)

    def test_a_file_that_is_gone_is_told(self, gemini, job):
        gemini.trouble(*gemini.file, *[Answer(404, b"")] * 9)
        with pytest.raises(LinkGoneError):
            job.done()
        assert standing(job.ledger) == "fetching"

    def test_a_video_that_is_gone_from_the_answer_is_told(self, gemini, service):
        gemini.states = []
        ticket = service.create(INLINE)
        gemini.ending = {"steps": []}
        with pytest.raises(LinkGoneError):
            service.hand_over(ticket, 0)

    @pytest.mark.parametrize("data", ["%%%", "abc", "ä"])
    def test_a_video_that_is_no_base64_is_told(self, gemini, service, data):
        video = {"type": "video", "data": data}
        gemini.states, gemini.ending = [], {"steps": [{"type": "model_output", "content": [video]}]}
        with pytest.raises(ProviderDownError, match="no base64"):
            service.hand_over(service.create(INLINE), 0)


class TestEndings:
    @pytest.mark.parametrize(
        ("ending", "kind", "words"),
        [
            (says("I can't make videos of this."), ModeratedError, "in place of a video: I can't"),
            ({"steps": []}, HostedError, "made nothing"),
            ({"steps": None}, HostedError, "made nothing"),
            ({"steps": [None, {"type": "model_output", "content": [3]}]}, HostedError, "made nothing"),
            (
                {"usage": {"output_tokens_by_modality": [{"modality": "VIDEO", "tokens": 9}]}},
                HostedError,
                "does not say where it is",
            ),
            ({"status": "failed"}, HostedError, "no reason is given"),
            (
                {"status": "failed", "errors": [{"code": "https://x/invalid_request", "message": "bad"}]},
                InvalidInputError,
                "bad",
            ),
            ({"status": "failed", "errors": [{"code": "SAFETY", "message": "no"}]}, ModeratedError, "no"),
            (
                {"status": "failed", "errors": [{"message": "Blocked for safety reasons."}]},
                ModeratedError,
                "Blocked",
            ),
            ({"status": "failed", "errors": "?"}, HostedError, "no reason is given"),
            (
                {"status": "failed", "steps": [{"type": "model_output", "error": {"code": 13}}]},
                ProviderDownError,
                "status 500",
            ),
            (
                {"status": "failed", "errors": [{"code": "unavailable", "message": "busy"}]},
                ProviderDownError,
                "busy",
            ),
            ({"status": "budget_exceeded"}, QuotaError, "budget"),
            ({"status": "requires_action"}, HostedError, "asks for an action"),
            ({"status": "incomplete"}, HostedError, "made nothing"),
            ({"status": "cancelled"}, WithdrawnError, "was cancelled"),
        ],
    )
    def test_each_is_told_as_what_it_is(self, gemini, job, ending, kind, words):
        gemini.ending = ending
        with pytest.raises(kind, match=words):
            job.done()
        assert standing(job.ledger) in ("failed", "cancelled")

    def test_what_stopped_before_its_end_is_kept_as_far_as_it_came(self, gemini, service):
        gemini.states = []
        ticket = service.create(INLINE)
        gemini.ending = gemini._made("v1_1", gemini.jobs["v1_1"]) | {"status": "incomplete"}
        assert service.look(ticket).state == "done"

    @pytest.mark.parametrize("state", ["requires_continuation", "resting", None, 3])
    def test_what_is_not_known_is_waited_for(self, gemini, job, state):
        gemini.states = [state, "in_progress"]
        assert job.done().outputs
        assert any("gemini: " in event.text for event in job.told if isinstance(event, Note))


class TestRefusals:
    @pytest.mark.parametrize(
        ("answer", "kind", "words"),
        [
            (refused(403, "denied", status="PERMISSION_DENIED"), NotAuthorizedError, "denied"),
            (refused(401, "who?"), NotAuthorizedError, "who"),
            (
                refused(403, "blocked", details=[{"reason": "API_KEY_SERVICE_BLOCKED"}]),
                NotAuthorizedError,
                "blocked",
            ),
            (refused(403, "pay", details=[{"reason": "BILLING_DISABLED"}]), QuotaError, "pay"),
            (refused(429, "Your prepayment credits are depleted."), QuotaError, "credits"),
            (refused(429, "quota exceeded, limit: 0"), QuotaError, "limit: 0"),
            (
                refused(
                    429, "quota", details=[{"violations": [{"quotaId": "VideosPerDayPerProject"}]}, None, {}]
                ),
                QuotaError,
                "quota",
            ),
            (
                refused(404, "models/gemini-omni-1.1-flash is not found"),
                ModelRetiredError,
                "use gemini-omni/1.2",
            ),
            (refused(400, "Unknown field: safety_settings."), InvalidInputError, "safety_settings"),
            (refused(400, "The prompt was blocked by our safety policy."), ModeratedError, "blocked"),
            (Answer(400, [{"error": {"code": 400, "message": "in a list"}}]), InvalidInputError, "in a list"),
            (Answer(413, b"<html>too large</html>"), InvalidInputError, "413"),
            (Answer(400, b""), InvalidInputError, "no reason"),
            (Answer(400, {"error": None}), InvalidInputError, "no reason"),
            (Answer(418, b"tea"), HostedError, "tea"),
        ],
    )
    def test_nothing_is_made_and_nothing_tried_again(self, gemini, job, answer, kind, words):
        gemini.trouble(*CREATES, answer)
        with pytest.raises(kind, match=words):
            job.done()
        assert gemini.count(*CREATES) == 1
        assert standing(job.ledger) == "ready"

    def test_the_field_is_named_where_google_names_it(self, gemini, service):
        detail = {"fieldViolations": [{"field": "response_format.duration", "description": "x"}]}
        gemini.trouble(*CREATES, refused(400, "bad", details=[detail]))
        with pytest.raises(InvalidInputError) as caught:
            service.create(ORDER)
        assert caught.value.field == "response_format.duration"

    def test_too_much_at_once_is_tried_again_when_it_says(self, gemini, job):
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
        gemini.trouble(*CREATES, refused(429, "slowly", details=[retry]))
        job.done()
        assert gemini.count(*CREATES) == 2
        assert any("trying again in 34 s" in event.text for event in job.told if isinstance(event, Note))

    @pytest.mark.parametrize("delay", [None, "soon", "xs", 3])
    def test_or_later_where_it_does_not(self, gemini, service, delay):
        gemini.trouble(*CREATES, refused(429, "slowly, per minute", details=[{"retryDelay": delay}]))
        with pytest.raises(RateLimitedError) as caught:
            service.create(ORDER)
        assert caught.value.after is None

    def test_a_key_that_is_sent_back_is_shown_to_nobody(self, gemini, job):
        gemini.key = "another"
        with pytest.raises(NotAuthorizedError) as caught:
            job.done()
        assert "google-key-of-the-tests" not in str(caught.value) + repr(job.ledger.entries)
        assert "google-key-of-the-tests" not in repr(job.service)


@pytest.mark.parametrize(
    "trouble",
    [
        DROP,
        LOSE,
        Answer(500, b""),
        Answer(504, b""),
        Answer(200, b"{"),
        Answer(200, []),
        Answer(200, {"id": None}),
        Answer(200, {"status": "queued"}),
    ],
)
def test_a_lost_reply_is_unknown_and_never_sent_again(gemini, job, trouble):
    gemini.trouble(*CREATES, trouble)
    for _ in range(2):
        with pytest.raises(UnknownOutcomeError, match="Google AI Studio"):
            job.done()
    assert gemini.count(*CREATES) == 1
    assert standing(job.ledger) == "unknown"


class TestLooking:
    @pytest.mark.parametrize(
        "trouble",
        [
            DROP,
            Answer(500, b""),
            Answer(429, {}),
            Answer(200, b"[]"),
            Answer(200, {}),
            refused(400, "something is wrong with it"),
        ],
    )
    def test_trouble_with_it_loses_no_job(self, gemini, job, trouble):
        gemini.trouble(*LOOKS, trouble, trouble)
        assert job.done().outputs

    @pytest.mark.parametrize("answer", [refused(404, "not found"), refused(400, "Invalid interaction name")])
    def test_what_google_does_not_know_is_told_and_stays_open(self, gemini, job, answer):
        gemini.trouble(*LOOKS, answer)
        with pytest.raises(HostedError, match="knows no such job"):
            job.done()
        assert standing(job.ledger) == "open"

    def test_a_key_that_went_bad_leaves_the_job_open(self, gemini, job):
        gemini.trouble(*LOOKS, refused(400, "x", details=[{"reason": "API_KEY_INVALID"}]))
        with pytest.raises(NotAuthorizedError):
            job.done()
        assert standing(job.ledger) == "open"

    def test_an_odd_id_stays_in_its_place(self, gemini, service):
        with pytest.raises(HostedError):
            service.look(Ticket("../../v1beta/files"))
        assert gemini.asked[-1].path.startswith("/v1beta/interactions/")

    def test_it_is_no_faster_than_the_rule(self, gemini, job):
        gemini.states = ["in_progress"] * 9
        job.done()
        assert min(job.line.clock.sleep.__self__.slept) >= job.service.rules.poll_seconds


class TestCancelling:
    def test_it_reaches_google(self, gemini, job):
        events = job.begun()
        next(events)
        job.ledger.claim("cancel", {})
        with pytest.raises(WithdrawnError, match="does not say"):
            list(events)
        assert gemini.jobs["v1_1"].cancelled

    @pytest.mark.parametrize(
        "answer",
        [
            refused(400, "it is done"),
            refused(404, "x"),
            refused(409, "x"),
            Answer(200, {"status": "completed"}),
        ],
    )
    def test_what_has_ended_cannot_be_cancelled(self, gemini, service, answer):
        ticket = service.create(ORDER)
        gemini.trouble("POST", ".*/cancel", answer)
        with pytest.raises(CannotCancelError):
            service.cancel(ticket)

    def test_with_a_bad_key_it_is_no_matter_of_the_job(self, gemini, service):
        ticket = service.create(ORDER)
        gemini.key = "another"
        with pytest.raises(NotAuthorizedError):
            service.cancel(ticket)


def test_a_video_is_brought_and_named_by_its_address(gemini, job, tmp_path):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"clip")
    digest = hashlib.sha256(b"clip").hexdigest()
    upload = Upload(str(clip), digest, "video/mp4", 4)
    body = dict(ORDER.body) | {"input": [{"type": "video", "uri": f"asset:{digest}"}]}
    job.done(Order("gemini", MODEL, "edit", body, uploads=(upload,)))
    (name,) = [name for name in gemini.files.held if not name.startswith("files/made")]
    assert gemini.jobs["v1_1"].body["input"] == [{"type": "video", "uri": f"{gemini.url}/v1beta/{name}"}]


def test_without_permission_google_is_not_asked(line, monkeypatch):
    monkeypatch.delenv("MOVIOLA_GEMINI_URL", raising=False)
    monkeypatch.setenv("GOOGLE_API_KEY", "k")
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    with pytest.raises(RequestError, match=r"generativelanguage\.googleapis\.com is not asked"):
        gemini_omni.service(ORDER, line).create(ORDER)

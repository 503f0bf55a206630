"""Luma's Agents API, with every trap that is known of it."""

import hashlib

import pytest

from fake_luma import FakeLuma
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
)
from moviola.hosted.providers import luma_agents
from moviola.hosted.service import Order, Ticket, Upload
from moviola.hosted.working import standing, work

BODY = {
    "model": "ray-3.2",
    "type": "video",
    "prompt": "a lake",
    "aspect_ratio": "16:9",
    "video": {"resolution": "720p", "duration": "5s"},
}
ORDER = Order("luma", "ray-3.2", "video", BODY)
FIRST = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def luma(known):
    with FakeLuma() as there:
        yield known(there)


@pytest.fixture
def agents(luma, line):
    return luma_agents.service(ORDER, line)


@pytest.fixture
def ticket(agents):
    return agents.create(ORDER)


@pytest.fixture
def job(agents, line, tmp_path):
    return Job(agents, line, tmp_path / "results", ORDER)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"picture")
    return Upload(str(path), hashlib.sha256(b"picture").hexdigest(), "image/png", 7)


def with_picture(picture):
    frame = {"start_frame": {"file_id": f"asset:{picture.sha256}"}}
    return Order("luma", "ray-3.2", "video", BODY | {"video": BODY["video"] | frame}, uploads=(picture,))


def test_a_job_goes_through_to_a_file(luma, job):
    outcome = job.done()
    assert outcome.ticket.id == FIRST
    assert (job.folder / "0.mp4").read_bytes() == b"a film"
    assert luma.jobs[FIRST].body == BODY
    assert job.notes == ["luma: waiting", "luma: running"]
    assert luma.count("POST", "/generations") == 1


def test_films_are_fetched_without_the_key(luma, job):
    job.done()
    fetches = [asked for asked in luma.asked if asked.path.startswith("/films/")]
    assert fetches
    assert all("authorization" not in asked.headers for asked in fetches)


def test_links_hold_for_an_hour_and_are_renewed_by_a_look(luma, agents, ticket, waiting):
    luma.states = ()
    (first,) = agents.look(ticket).outputs
    assert first.expires == waiting.time + 3600
    (second,) = agents.renew(ticket).outputs
    assert second.url != first.url


def test_a_link_that_died_early_is_asked_for_again(luma, job):
    luma.trouble("GET", "/films/.*", Answer(403, b"<Error>expired</Error>"))
    assert job.done().outputs
    assert len(luma.jobs[FIRST].fetched) == 1


def test_what_luma_has_no_more_is_told(luma, agents, ticket):
    luma.jobs.clear()
    with pytest.raises(LinkGoneError, match="no more"):
        agents.renew(ticket)


class TestFailures:
    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            ("content_moderated", ModeratedError),
            ("budget_exhausted", QuotaError),
            ("rate_limited", RateLimitedError),
            ("image_too_large", InvalidInputError),
            ("unsupported_format", InvalidInputError),
            ("corrupt_input", InvalidInputError),
            ("invalid_request", InvalidInputError),
            ("output_not_found", ProviderDownError),
            ("generation_failed", ProviderDownError),
            ("a_new_one", HostedError),
            (None, HostedError),
            (["?"], HostedError),
        ],
    )
    def test_each_code_has_its_error_and_ends_the_job(self, luma, job, code, kind):
        luma.failure = {"failure_code": code, "failure_reason": "it\nbroke"}
        for _ in range(2):
            with pytest.raises(HostedError, match="luma: it broke") as caught:
                job.done()
            assert type(caught.value) is kind
        assert standing(job.ledger) == "failed"
        assert luma.count("POST", "/generations") == 1

    def test_moderation_is_of_what_went_in(self, luma, job):
        luma.failure = {"failure_code": "content_moderated", "failure_reason": None}
        with pytest.raises(ModeratedError, match="no reason given") as caught:
            job.done()
        assert caught.value.stage == "input"


class TestRefusals:
    @pytest.mark.parametrize(
        ("answer", "kind", "words"),
        [
            (Answer(400, {"detail": "prompt must not be empty"}), InvalidInputError, "must not be empty"),
            (Answer(401, {"detail": "Invalid API key"}), NotAuthorizedError, "Invalid API key"),
            (Answer(402, {"detail": "Insufficient balance"}), QuotaError, "balance"),
            (Answer(403, {"detail": "client is suspended"}), NotAuthorizedError, "suspended"),
            (Answer(413, {"detail": "media exceeds 50 MB"}), InvalidInputError, "50 MB"),
            (Answer(422, {"detail": "loop does not go with 10s"}), InvalidInputError, "loop"),
            (Answer(422, {"detail": "source image was moderated"}), ModeratedError, "refuses what it is"),
            (Answer(404, {"detail": "Not found"}), ModelRetiredError, "no ray-3.2 any more"),
            (Answer(400, {"detail": "model ray-3.2 is retired"}), ModelRetiredError, "is retired"),
            (Answer(418, {"detail": "a teapot"}), HostedError, "teapot"),
        ],
    )
    def test_nothing_is_made_and_nothing_tried_again(self, luma, job, answer, kind, words):
        luma.trouble("POST", "/generations", answer)
        with pytest.raises(kind, match=words):
            job.done()
        assert luma.count("POST", "/generations") == 1
        assert standing(job.ledger) == "ready"

    def test_the_field_is_named_where_the_answer_begins_with_it(self, luma, job):
        luma.trouble("POST", "/generations", Answer(422, {"detail": "loop does not go with 10s"}))
        with pytest.raises(InvalidInputError) as caught:
            job.done()
        assert caught.value.field == "loop"

    def test_too_much_at_once_is_tried_again_when_it_says(self, luma, job, waiting):
        luma.trouble(
            "POST", "/generations", Answer(429, {"detail": "concurrent jobs"}, {"Retry-After": "60"})
        )
        job.done()
        assert luma.count("POST", "/generations") == 2
        assert 60 in waiting.slept

    def test_too_much_for_ever_is_told(self, luma, job):
        luma.trouble("POST", "/generations", *[Answer(429, {})] * 9)
        with pytest.raises(RateLimitedError):
            job.done()

    def test_a_key_that_is_sent_back_is_shown_to_nobody(self, luma, job, agents):
        luma.key = "another"
        with pytest.raises(NotAuthorizedError) as caught:
            job.done()
        assert "luma-key-of-the-tests" not in str(caught.value) + repr(job.ledger.entries) + repr(agents)


class TestLostReplies:
    @pytest.mark.parametrize("trouble", [DROP, LOSE, Answer(502, b""), Answer(503, {}), Answer(201, b"{")])
    def test_it_is_unknown_and_never_sent_again(self, luma, job, trouble):
        luma.trouble("POST", "/generations", trouble)
        for _ in range(2):
            with pytest.raises(UnknownOutcomeError, match=r"platform\.lumalabs\.ai"):
                job.done()
        assert luma.count("POST", "/generations") == 1
        assert standing(job.ledger) == "unknown"

    @pytest.mark.parametrize("body", [{}, [], {"id": None}, {"id": 5}, {"id": "../x"}, {"id": ""}, "done"])
    def test_a_reply_that_makes_no_sense_is_as_good_as_lost(self, luma, job, body):
        luma.trouble("POST", "/generations", Answer(201, body))
        with pytest.raises(UnknownOutcomeError):
            job.done()
        assert luma.count("POST", "/generations") == 1


class TestPolling:
    @pytest.mark.parametrize(
        "trouble",
        [
            DROP,
            Answer(500, b""),
            Answer(429, {}),
            Answer(200, b"<html>"),
            Answer(200, []),
            Answer(200, {"state": None}),
            Answer(200, {"state": "completed", "output": None}),
            Answer(200, {"state": "completed", "output": {"url": "https://x"}}),
            Answer(200, {"state": "completed", "output": [None, {"type": "video", "url": None}]}),
        ],
    )
    def test_trouble_with_a_look_loses_no_job(self, luma, job, trouble):
        luma.trouble("GET", "/generations/.*", trouble, trouble)
        assert job.done().outputs

    def test_a_state_that_is_not_known_is_work_under_way(self, luma, job):
        luma.states = ("paused\x1b",)
        job.done()
        assert "luma: in a state not known here: paused" in job.notes

    def test_it_is_asked_no_faster_than_the_rule(self, luma, job, waiting):
        luma.states = ("processing",) * 20
        job.done()
        assert luma.jobs[FIRST].looks == 21
        assert min(waiting.slept) >= job.service.rules.poll_seconds

    def test_of_several_things_made_the_videos_are_taken(self, luma, agents, ticket):
        luma.states = ()
        made = [{"type": "exr", "url": "https://x/a.exr"}, {"type": "video", "url": "https://x/a.mp4"}]
        luma.result = {"output": made}
        assert [output.url for output in agents.look(ticket).outputs] == ["https://x/a.mp4"]


def test_what_is_asked_to_be_cancelled_goes_on_and_is_kept(luma, job, agents):
    with pytest.raises(CannotCancelError, match="no way to cancel"):
        agents.cancel(Ticket(FIRST))
    events = work(ORDER, agents, job.ledger, job.folder, job.line)
    next(events)
    job.ledger.claim("cancel", {})
    list(events)
    assert standing(job.ledger) == "done"


class TestFiles:
    def test_a_file_is_brought_once_and_waited_for(self, luma, job, picture):
        luma.file_states = ("pending",) * 4
        job.done(with_picture(picture))
        assert luma.count("PUT", "/room/.*") == 1
        (number, kept), *more = luma.files.items()
        assert not more
        assert (kept.content, kept.said["filename"], kept.said["size_bytes"]) == (
            b"picture",
            "picture.png",
            7,
        )
        assert luma.jobs[FIRST].body["video"]["start_frame"] == {"file_id": number}
        assert any("still looks through picture.png; trying again" in note for note in job.notes)

    def test_the_place_of_the_content_gets_no_key(self, luma, job, picture):
        job.done(with_picture(picture))
        put = next(asked for asked in luma.asked if asked.method == "PUT")
        assert "authorization" not in put.headers
        assert put.headers["content-type"] == "image/png"
        assert put.headers["content-length"] == "7"

    @pytest.mark.parametrize("trouble", [DROP, LOSE, Answer(502, b"")])
    def test_telling_that_it_is_whole_may_be_repeated(self, luma, job, picture, trouble):
        luma.trouble("POST", "/files/.*/complete", trouble)
        assert job.done(with_picture(picture)).outputs
        assert luma.count("PUT", "/room/.*") == 1

    def test_content_that_did_not_arrive_is_brought_again(self, luma, job, picture):
        luma.trouble("PUT", "/room/.*", DROP)
        assert job.done(with_picture(picture)).outputs
        assert luma.count("PUT", "/room/.*") == 2

    @pytest.mark.parametrize(
        ("end", "kind", "words"),
        [
            (
                {"state": "failed", "failure_reason": "unreadable"},
                InvalidInputError,
                "take picture.png: unread",
            ),
            ({"state": "failed", "failure_reason": "Moderation"}, ModeratedError, "refuses picture.png"),
            ({"state": "failed"}, InvalidInputError, "no reason given"),
            ({"state": "deleted"}, InvalidInputError, "deleted there"),
        ],
    )
    def test_one_that_luma_does_not_take_ends_the_job_before_it_costs(
        self, luma, job, picture, end, kind, words
    ):
        luma.file_end = end
        with pytest.raises(kind, match=words):
            job.done(with_picture(picture))
        assert not luma.jobs

    def test_one_that_is_never_ready_is_told(self, luma, job, picture):
        luma.file_states = ("pending",) * 99
        with pytest.raises(ProviderDownError, match="still looks through"):
            job.done(with_picture(picture))
        assert luma.count("PUT", "/room/.*") == 1

    @pytest.mark.parametrize(
        "said",
        [
            {},
            [],
            {"id": "f-1"},
            {"id": "f-1", "upload": None},
            {"id": "f-1", "upload": {"url": 5}},
            {"id": "../f", "upload": {"url": "https://x"}},
        ],
    )
    def test_no_room_is_asked_for_again(self, luma, job, picture, said):
        luma.trouble("POST", "/files", Answer(201, said))
        assert job.done(with_picture(picture)).outputs

    @pytest.mark.parametrize("headers", [None, [], {"x": 5}, {"x\n": "y"}])
    def test_headers_that_are_none_are_left_out(self, luma, agents, picture, headers):
        room = {"url": f"{luma.url}/room/f-1", "headers": headers}
        luma.trouble("POST", "/files", Answer(201, {"id": "f-1", "upload": room}))
        luma.trouble("PUT", "/room/.*", Answer(200))
        luma.trouble("POST", "/files/.*", Answer(200, {}))
        luma.trouble("GET", "/files/.*", Answer(200, {"state": "ready"}))
        assert agents.upload(picture).url == "f-1"


def test_without_permission_the_real_api_is_not_asked(line, monkeypatch):
    monkeypatch.delenv("MOVIOLA_LUMA_URL", raising=False)
    monkeypatch.setenv("LUMA_AGENTS_API_KEY", "k")
    with pytest.raises(RequestError, match=r"agents\.lumalabs\.ai is not asked"):
        luma_agents.service(ORDER, line).create(ORDER)

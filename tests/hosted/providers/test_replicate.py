"""Replicate's predictions, with every trap that is known of them."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from fake_provider import DROP, LOSE, Answer
from fake_replicate import FakeReplicate
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
from moviola.hosted.providers import replicate
from moviola.hosted.service import Order, Ticket, Upload
from moviola.hosted.working import standing
from moviola.model import Note

ORDER = Order("replicate", "acme/lake", "generate", {"input": {"prompt": "a lake"}})
CREATE = "/v1/models/acme/lake/predictions"


@pytest.fixture
def there(known):
    with FakeReplicate() as fake:
        yield known(fake)


@pytest.fixture
def service(there, line):
    return replicate.service(ORDER, line)


@pytest.fixture
def ticket(service):
    return service.create(ORDER)


@pytest.fixture
def job(service, line, tmp_path):
    return Job(service, line, tmp_path / "results", ORDER)


def problem(status, detail="no", headers=None, **more):
    return Answer(status, {"title": "No", "detail": detail, "status": status} | more, headers or {})


def ended(there, **end):
    there.states, there.end = [], end


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"picture")
    digest = hashlib.sha256(b"picture").hexdigest()
    upload = Upload(str(path), digest, "image/png", 7)
    body = {"input": {"prompt": "a lake", "image": f"asset:{digest}"}}
    return Order("replicate", "acme/lake", "generate", body, uploads=(upload,))


def test_a_prediction_becomes_a_file(there, job):
    there.states[1]["logs"] = " 10%|#   |\n 45%|####  | 9/20"
    outcome = job.done()
    assert outcome.ticket.id == "p1"
    assert (job.folder / "0.mp4").read_bytes() == b"a film"
    assert there.jobs["p1"].body == ORDER.body
    assert there.count("POST", CREATE) == 1
    assert 0.45 in [event.done for event in job.told if not isinstance(event, Note)]


@pytest.mark.parametrize(
    ("model", "place"),
    [
        ("acme/lake", "/v1/models/acme/lake/predictions"),
        ("acme/lake:5c7d", "/v1/predictions"),
        ("deployments/acme/lake", "/v1/deployments/acme/lake/predictions"),
    ],
)
def test_every_kind_of_path_has_its_own_place(there, service, model, place):
    service.create(Order("replicate", model, "generate", {"input": {}}))
    assert there.count("POST", place) == 1


def test_nobody_is_kept_waiting_for_the_end(there, ticket):
    assert "prefer" not in there.asked[0].headers


@pytest.mark.parametrize(
    "path",
    [
        "",
        "acme",
        "a/b/c",
        "../x",
        "a/..",
        "a b/c",
        "https://x/y",
        "a/b:",
        "a/b:c/d",
        "deployments/a/b:1",
        "a/b#c",
    ],
)
def test_what_is_no_path_of_a_model_is_refused(path):
    with pytest.raises(InvalidInputError, match="no model on Replicate"):
        replicate.check_model(path)


class TestKeys:
    def test_outputs_of_replicate_are_fetched_with_the_key(self, there, job):
        job.done()
        fetched = next(asked for asked in there.asked if asked.path.startswith("/delivery/"))
        assert fetched.headers["authorization"] == f"Bearer {there.key}"

    @pytest.mark.parametrize(
        ("url", "locked"),
        [
            ("https://replicate.delivery/x/a.mp4", True),
            ("https://pbxt.replicate.delivery/x/a.mp4", True),
            ("http://replicate.delivery/a.mp4", False),
            ("https://evilreplicate.delivery/a.mp4", False),
            ("https://replicate.delivery.evil/a.mp4", False),
            ("https://storage.acme/a.mp4", False),
            ("https://[acme/a.mp4", False),
        ],
    )
    def test_they_go_to_nobody_else(self, there, service, ticket, url, locked):
        ended(there, output=url)
        assert [output.locked for output in service.look(ticket).outputs] == [locked]

    def test_a_key_that_is_sent_back_is_shown_to_nobody(self, there, job):
        there.key = "another"
        with pytest.raises(NotAuthorizedError) as caught:
            job.done()
        assert "replicate-key-of-the-tests" not in str(caught.value) + repr(job.ledger.entries) + repr(
            job.service
        )

    def test_a_page_elsewhere_is_not_asked(self, there, service, picture):
        there.trouble("GET", "/v1/predictions", Answer(200, {"results": [], "next": "https://evil/x"}))
        with pytest.raises(UnknownOutcomeError):
            service.find(picture)


class TestStates:
    @pytest.mark.parametrize(
        ("status", "words"),
        [("canceled", "has run of it is paid for"), ("aborted", "before it began.*nothing")],
    )
    def test_what_was_given_up_says_what_it_costs(self, there, job, status, words):
        there.end = {"status": status, "output": None}
        with pytest.raises(WithdrawnError, match=words):
            job.done()
        assert standing(job.ledger) == "cancelled"

    @pytest.mark.parametrize("state", [{"status": "pondering"}, {"status": None}, {"status": ["x"]}, {}])
    def test_what_is_not_known_counts_as_running(self, there, job, state):
        there.states = [state, {"status": "processing", "logs": 7}]
        assert job.done().outputs

    @pytest.mark.parametrize("output", [None, [], "done", 7, {"seed": 1}, ["https://not an address"]])
    def test_a_success_that_made_nothing_is_told(self, there, job, output):
        there.end = {"output": output}
        with pytest.raises(HostedError, match="nothing was made"):
            job.done()

    @pytest.mark.parametrize(
        ("said", "kind", "stage"),
        [
            (
                "The input or output was flagged as sensitive. Try again with other inputs. (E005)",
                ModeratedError,
                None,
            ),
            (
                "NSFW content detected. Try running it again, or try a different prompt.",
                ModeratedError,
                "output",
            ),
            ("All generated images contained NSFW content", ModeratedError, "output"),
            ("The prompt was flagged by our safety checker", ModeratedError, "input"),
            ("This was flagged", ModeratedError, None),
            ("Input validation error: image: cannot be loaded", InvalidInputError, None),
            ("CUDA out of memory", HostedError, None),
            (None, HostedError, None),
            ({"x": 1}, HostedError, None),
        ],
    )
    def test_why_it_failed_is_read_from_its_words(self, there, job, said, kind, stage):
        there.end = {"status": "failed", "output": None, "error": said}
        with pytest.raises(HostedError) as caught:
            job.done()
        assert type(caught.value) is kind
        assert getattr(caught.value, "stage", None) == stage
        assert standing(job.ledger) == "failed"


class TestRefusals:
    @pytest.mark.parametrize(
        ("answer", "kind", "words"),
        [
            (problem(401, "Unauthenticated"), NotAuthorizedError, "Unauthenticated"),
            (
                problem(402, "You have insufficient credit to run this model."),
                QuotaError,
                "insufficient credit",
            ),
            (problem(403, "not yours"), NotAuthorizedError, "not yours"),
            (problem(400, "bad body"), InvalidInputError, "bad body"),
            (Answer(404, b"<html>"), ModelRetiredError, "no model acme/lake"),
            (Answer(422, b"<html>"), InvalidInputError, "no reason given"),
            (Answer(422, []), InvalidInputError, "no reason given"),
        ],
    )
    def test_nothing_is_made_and_nothing_tried_again(self, there, job, answer, kind, words):
        there.trouble("POST", ".*", answer)
        with pytest.raises(kind, match=words):
            job.done()
        assert there.count("POST", ".*") == 1
        assert standing(job.ledger) == "ready"

    @pytest.mark.parametrize(
        ("entries", "field"),
        [
            ([{"type": "required", "field": "input", "description": "prompt is required"}], "prompt"),
            ([{"type": "invalid_type", "field": "input.seed", "description": "Invalid type"}], "seed"),
            ([{"field": "input.images.0"}], "images.0"),
            (["x", {"field": "version"}], "version"),
            ([{}], None),
            ("x", None),
        ],
    )
    def test_the_input_that_it_does_not_take_is_named(self, there, job, entries, field):
        there.trouble("POST", ".*", problem(422, "- input: no\n", invalid_fields=entries))
        with pytest.raises(InvalidInputError) as caught:
            job.done()
        assert caught.value.field == field

    @pytest.mark.parametrize(
        ("answer", "seconds"),
        [
            (problem(429, "slowly", {"Retry-After": "7"}), 7),
            (problem(429, "Request was throttled. Your rate limit resets in ~30s."), 30),
            (problem(429, "slowly"), 1),
        ],
    )
    def test_too_much_at_once_is_tried_again_when_it_says(self, there, job, answer, seconds):
        there.trouble("POST", ".*", answer)
        job.done()
        assert there.count("POST", ".*") == 2
        assert any(
            f"trying again in {seconds} s" in event.text for event in job.told if isinstance(event, Note)
        )

    def test_too_much_for_ever_is_told(self, there, job):
        there.trouble("POST", ".*", *[problem(429, "slowly")] * 9)
        with pytest.raises(RateLimitedError):
            job.done()


class TestModelsThatAreGone:
    def made(self, there, service, model):
        service.create(
            Order("replicate", model, "generate", {"input": {}, "version": model.rpartition(":")[2]})
        )

    def test_a_version(self, there, service):
        there.gone.add("5c7d")
        with pytest.raises(
            ModelRetiredError, match="acme/lake:5c7d, or has it no more: The specified version"
        ):
            self.made(there, service, "acme/lake:5c7d")

    def test_a_model(self, there, service):
        there.gone.add("acme/lake")
        with pytest.raises(ModelRetiredError, match="no model acme/lake"):
            self.made(there, service, "acme/lake")

    def test_a_deployment(self, there, service):
        there.trouble("POST", ".*", problem(404))
        with pytest.raises(InvalidInputError, match="no deployments/acme/lake"):
            self.made(there, service, "deployments/acme/lake")

    def test_one_that_only_wants_its_version_is_not_gone(self, there, service):
        there.community["acme/lake"] = "5c7d"
        with pytest.raises(InvalidInputError, match="--model replicate/acme/lake:5c7d") as caught:
            service.create(ORDER)
        assert caught.value.field == "model"


class TestLostReplies:
    @pytest.mark.parametrize(
        "trouble",
        [
            DROP,
            LOSE,
            problem(502),
            problem(504),
            Answer(200, b"{"),
            Answer(201, []),
            Answer(201, {}),
            Answer(201, {"id": "../x"}),
        ],
    )
    def test_one_of_words_alone_is_unknown_and_never_sent_again(self, there, job, trouble):
        there.trouble("POST", CREATE, trouble)
        for _ in range(2):
            with pytest.raises(UnknownOutcomeError, match=r"replicate\.com/predictions"):
                job.done()
        assert there.count("POST", CREATE) == 1
        assert standing(job.ledger) == "unknown"

    def test_one_with_a_file_of_ours_is_found_by_it(self, there, job, service, picture):
        there.page = 2
        there.trouble("POST", CREATE, LOSE)
        events = job.begun(picture)
        while not there.jobs:
            next(events)
        for _ in range(4):
            service.create(ORDER)
        events.close()
        assert job.done(picture).ticket.id == "p1"
        assert there.count("POST", CREATE) == 5

    def test_one_that_never_came_to_be_is_taken_for_no_other(self, there, job, service, picture):
        address = f"{there.url}/v1/files/7-picture.png"
        service.create(picture.resolved({picture.uploads[0].sha256: address}))
        there.trouble("POST", CREATE, DROP)
        with pytest.raises(UnknownOutcomeError):
            job.done(picture)
        assert standing(job.ledger) == "unknown"

    def test_a_list_that_makes_no_sense_finds_nothing(self, there, service, picture):
        odd = [None, {}, {"id": "p1"}, {"id": "p1", "input": None}, {"id": "p1", "input": "x"}]
        for said in ({"results": odd}, {"results": None}, {}):
            there.trouble("GET", "/v1/predictions", Answer(200, said))
            with pytest.raises(UnknownOutcomeError):
                service.find(picture)


class TestPolling:
    @pytest.mark.parametrize(
        "trouble", [DROP, problem(500), problem(503), problem(429), Answer(200, b"[]"), Answer(200, b"x")]
    )
    def test_trouble_with_a_look_loses_no_job(self, there, job, trouble):
        there.trouble("GET", "/v1/predictions/p1", trouble, trouble)
        assert job.done().outputs

    def test_it_is_asked_no_faster_than_the_rule(self, there, job):
        there.states = [{"status": "processing"}] * 20
        waiting = job.line.clock.sleep.__self__
        job.done()
        assert there.jobs["p1"].looks == 21
        assert min(waiting.slept) >= job.service.rules.poll_seconds


class TestCancelling:
    def test_it_reaches_replicate(self, there, job):
        events = job.begun()
        next(events)
        job.ledger.claim("cancel", {})
        with pytest.raises(WithdrawnError, match="not begun is not"):
            list(events)
        assert there.jobs["p1"].cancelled

    @pytest.mark.parametrize("status", [400, 404, 409, 422])
    def test_what_has_ended_cannot_be_cancelled(self, there, service, ticket, status):
        there.trouble("POST", ".*/cancel", problem(status, "ended"))
        with pytest.raises(CannotCancelError, match="ended"):
            service.cancel(ticket)

    def test_what_ended_meanwhile_is_kept(self, there, job):
        events = job.begun()
        next(events)
        there.states = []
        there.jobs["p1"].looks = 1
        job.ledger.claim("cancel", {})
        list(events)
        assert standing(job.ledger) == "done"
        assert there.count("POST", ".*/cancel") == 1


class TestOutputs:
    @pytest.mark.parametrize(
        ("output", "urls"),
        [
            ("https://x/a.mp4", ["https://x/a.mp4"]),
            (["https://x/a.mp4", "https://x/b.webm"], ["https://x/a.mp4", "https://x/b.webm"]),
            ({"video": {"file": "https://x/a.mp4"}, "still": "https://x/b.png"}, ["https://x/a.mp4"]),
            (["https://x/b.png", "https://x/b.png"], ["https://x/b.png"]),
            ("https://x/a", ["https://x/a"]),
            (["some words", 3, None, "https://x/a.mp4"], ["https://x/a.mp4"]),
        ],
    )
    def test_they_are_found_wherever_a_model_puts_them(self, there, service, ticket, output, urls):
        ended(there, output=output)
        assert [output.url for output in service.look(ticket).outputs] == urls

    def test_what_comes_within_the_answer_is_handed_over(self, there, job):
        there.end = {"output": ["data:video/mp4;base64,YSBmaWxt", "data:video/webm,a%20second"]}
        first, second = job.done().outputs
        assert (job.folder / "0.mp4").read_bytes() == b"a film"
        assert (job.folder / "1.webm").read_bytes() == b"a second"
        assert (first.kind, second.kind) == ("video/mp4", "video/webm")

    def test_what_came_within_an_answer_and_is_gone_is_told(self, there, service, ticket):
        ended(there, output=None)
        with pytest.raises(LinkGoneError):
            service.hand_over(ticket, 0)

    def test_a_data_url_that_is_none_is_told(self, there, job):
        there.end = {"output": "data:video/mp4;base64,%%%"}
        with pytest.raises(ProviderDownError, match="data URL"):
            job.done()

    def test_they_last_an_hour(self, there, service, ticket):
        ended(there)
        assert service.look(ticket).outputs[0].expires == pytest.approx(there.ended.timestamp() + 3600)

    @pytest.mark.parametrize("completed", [None, "yesterday", 7])
    def test_an_end_that_is_not_told_is_not_guessed(self, there, service, ticket, completed):
        ended(there, completed_at=completed)
        assert service.look(ticket).outputs[0].expires is None

    def test_what_is_removed_before_it_was_seen_is_told(self, there, job):
        there.removed = True
        with pytest.raises(LinkGoneError, match="about an hour"):
            job.done()
        assert standing(job.ledger) == "failed"

    def test_what_is_removed_after_it_was_seen_is_told(self, there, job):
        there.trouble("GET", "/delivery/.*", Answer(404))
        there.ended = datetime.fromtimestamp(job.line.clock.now(), UTC)
        there.trouble("GET", "/v1/predictions/p1", Answer(200, {"status": "starting"}))
        events = job.begun()
        for event in events:
            if isinstance(event, Note) and "expired" in event.text:
                there.removed = True
                break
        with pytest.raises(LinkGoneError, match="no more"):
            list(events)
        assert standing(job.ledger) == "fetching"

    def test_a_link_that_lapsed_while_the_machine_slept_is_asked_for_anew(self, there, job):
        there.ended = datetime.fromtimestamp(job.line.clock.now(), UTC) - timedelta(hours=2)
        job.done()
        assert any("expired" in event.text for event in job.told if isinstance(event, Note))


class TestFiles:
    def test_one_is_brought_and_stands_in_the_input(self, there, job, picture):
        job.done(picture)
        assert there.kept == {"0-picture.png": b"picture"}
        assert there.jobs["p1"].body["input"]["image"] == f"{there.url}/v1/files/0-picture.png"

    def test_it_is_known_how_long_it_is_kept(self, there, service, picture):
        kept = service.upload(picture.uploads[0])
        assert kept.expires == pytest.approx((there.ended + timedelta(days=1)).timestamp())

    @pytest.mark.parametrize("told", [{}, {"urls": None}, {"urls": {"get": 7}}])
    def test_one_whose_place_is_not_told_was_not_brought(self, there, service, picture, told):
        there.trouble("POST", "/v1/files", Answer(201, told))
        with pytest.raises(ProviderDownError, match="where it is"):
            service.upload(picture.uploads[0])

    def test_a_refusal_is_told(self, there, service, picture):
        there.trouble("POST", "/v1/files", problem(413, "too large"))
        with pytest.raises(InvalidInputError, match="too large"):
            service.upload(picture.uploads[0])


def test_a_job_that_is_not_known_any_more_is_told(there, service):
    with pytest.raises(HostedError, match="could not be found"):
        service.look(Ticket("p77"))


def test_without_permission_the_real_replicate_is_not_asked(line, monkeypatch):
    monkeypatch.delenv("MOVIOLA_REPLICATE_URL", raising=False)
    monkeypatch.setenv("REPLICATE_API_TOKEN", "k")
    with pytest.raises(RequestError, match=r"api\.replicate\.com is not asked"):
        replicate.service(ORDER, line).create(ORDER)

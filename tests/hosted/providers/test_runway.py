"""Runway's API, with every trap that is known of it."""

import hashlib
from decimal import Decimal

import numpy as np
import pytest
from PIL import Image

from fake_provider import DROP, LOSE, Answer
from fake_runway import FakeRunway
from ledgers import Job, MemoryLedger
from moviola.clip import Clip
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
    RateLimitedError,
    RequestError,
    UnknownOutcomeError,
    WithdrawnError,
)
from moviola.hosted.providers import runway
from moviola.hosted.service import Order, Ticket, Upload
from moviola.hosted.working import standing, work
from moviola.model import Result
from moviola.roads.hosting import host
from moviola.tasks import Edit, Generate, request

BODY = {"model": "gen4.5", "promptText": "a lake", "ratio": "1280:720", "duration": 5}
ORDER = Order("runway", "gen4.5", "text_to_video", BODY)
TASK = r"/v1/tasks/[^/]+"
CREATE = "/v1/text_to_video"


@pytest.fixture
def there(known):
    with FakeRunway() as fake:
        yield known(fake)


@pytest.fixture
def service(there, line):
    return runway.service(ORDER, line)


@pytest.fixture
def ticket(service):
    return service.create(ORDER)


@pytest.fixture
def job(service, line, tmp_path):
    return Job(service, line, tmp_path / "results", ORDER)


def invalid(path, message="Invalid input"):
    issue = {"code": "custom", "path": path, "message": message}
    return Answer(400, {"error": "Validation of body failed", "issues": [issue], "docUrl": "https://x"})


def failed(code, failure="It went wrong", credits=0):
    return {"status": "FAILED", "failure": failure, "failureCode": code, "cost": {"credits": credits}}


def test_a_job_goes_to_a_file_and_says_what_it_cost(there, job):
    outcome = job.done()
    assert outcome.ticket.id in there.jobs
    assert there.jobs[outcome.ticket.id].body == BODY
    assert outcome.cost_usd == "0.60"
    assert (job.folder / "0.mp4").read_bytes() == b"a film"
    assert there.count("POST", CREATE) == 1


def test_every_request_names_the_version_of_the_api(there, job):
    job.done()
    assert {asked.headers["x-runway-version"] for asked in there.asked if "/v1/" in asked.path} == {
        "2024-11-06"
    }


def test_files_are_fetched_without_the_key(there, job):
    job.done()
    fetches = [asked for asked in there.asked if asked.path.startswith("/files/")]
    assert fetches
    assert all("authorization" not in asked.headers for asked in fetches)


def test_an_address_is_taken_to_hold_for_a_day(there, service, ticket, waiting):
    there.states = []
    assert service.look(ticket).outputs[0].expires == waiting.time + 24 * 3600


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://x/a.mp4?_jwt=1", "video/mp4"),
        ("https://x/a.mov", "video/quicktime"),
        ("https://x/a", "video/mp4"),
    ],
)
def test_what_was_made_is_known_by_its_name(there, service, ticket, url, kind):
    there.states, there.end = [], {"status": "SUCCEEDED", "output": [url]}
    assert [(output.url, output.kind) for output in service.look(ticket).outputs] == [(url, kind)]


class TestUploads:
    @pytest.fixture
    def picture(self, tmp_path):
        path = tmp_path / "picture.png"
        path.write_bytes(b"picture")
        return Upload(str(path), hashlib.sha256(b"picture").hexdigest(), "image/png", 7)

    def test_a_file_is_brought_without_showing_the_key_to_its_place(self, there, job, picture):
        body = BODY | {"promptImage": [{"uri": f"asset:{picture.sha256}", "position": "first"}]}
        outcome = job.done(Order("runway", "gen4.5", "image_to_video", body, uploads=(picture,)))
        assert there.kept == {"0-picture.png": b"picture"}
        sent = there.jobs[outcome.ticket.id].body["promptImage"]
        assert sent == [{"uri": "runway://0-picture.png", "position": "first"}]
        form = next(asked for asked in there.asked if asked.place == "/room")
        assert "authorization" not in form.headers

    def test_it_is_kept_for_a_day(self, service, picture, waiting):
        assert service.upload(picture).expires == waiting.time + 24 * 3600

    def test_a_room_that_is_locked_is_told(self, there, service, picture):
        there.trouble("POST", "/room", Answer(403, b"<Error/>"))
        with pytest.raises(NotAuthorizedError, match="the store of runway"):
            service.upload(picture)

    @pytest.mark.parametrize("body", [{}, {"uploadUrl": 1}, {"uploadUrl": "https://x", "fields": []}, []])
    def test_no_room_is_trouble_that_may_pass(self, there, service, picture, body):
        there.trouble("POST", "/v1/uploads", Answer(200, body))
        with pytest.raises(ProviderDownError) as caught:
            service.upload(picture)
        assert caught.value.passing

    def test_a_file_that_is_gone_is_told(self, service, picture, tmp_path):
        (tmp_path / "picture.png").unlink()
        with pytest.raises(InputError, match=r"cannot read .*picture\.png"):
            service.upload(picture)


class TestRefusals:
    @pytest.mark.parametrize(
        ("answer", "kind", "words"),
        [
            (Answer(401, {"error": "no such key"}), NotAuthorizedError, "no such key"),
            (Answer(403, {"error": "not yours"}), NotAuthorizedError, "not yours"),
            (Answer(403, {"error": "Model variant gen4.5 is not available."}), ModelRetiredError, "gen4.5"),
            (Answer(404, {"error": "Not found"}), ModelRetiredError, "has no model gen4.5"),
            (invalid(["model"]), ModelRetiredError, "has no model gen4.5"),
            (invalid(["promptText"], "Too long"), InvalidInputError, "does not take promptText: Too long"),
            (Answer(400, {"error": "bad"}), InvalidInputError, "bad"),
            (Answer(400, {"error": "x", "issues": "none"}), InvalidInputError, "x"),
            (Answer(405, {"error": "no"}), HostedError, "no"),
            (
                Answer(400, {"error": "You do not have enough credits to run this task."}),
                QuotaError,
                "not have enough credits",
            ),
            (Answer(402, {"error": "pay"}), QuotaError, "pay"),
            (Answer(429, {"error": "You have reached your daily limit"}), QuotaError, "daily limit"),
        ],
    )
    def test_nothing_is_made_and_nothing_tried_again(self, there, job, answer, kind, words):
        there.trouble("POST", CREATE, answer)
        with pytest.raises(kind, match=words):
            job.done()
        assert there.count("POST", CREATE) == 1
        assert standing(job.ledger) == "ready"

    def test_it_says_which_field_was_wrong(self, there, service):
        there.trouble("POST", CREATE, invalid(["keyframes", 0, "uri"]))
        with pytest.raises(InvalidInputError) as caught:
            service.create(ORDER)
        assert caught.value.field == "keyframes.0.uri"

    @pytest.mark.parametrize(
        ("model", "successor"),
        [
            ("gen3a_turbo", "runway/gen4_turbo"),
            ("gen4_aleph", "runway/aleph2"),
            ("veo3", "runway/veo3.1"),
            ("upscale_v1", "runway/magnific_video_upscaler_creative"),
            ("gen4.5", None),
        ],
    )
    def test_a_model_that_is_gone_has_a_successor(self, there, service, model, successor):
        there.trouble("POST", CREATE, invalid(["model"], "No matching discriminator"))
        with pytest.raises(ModelRetiredError, match=successor and f"use {successor}") as caught:
            service.create(Order("runway", model, "text_to_video", {"model": model}))
        assert caught.value.successor == successor

    def test_too_much_at_once_is_tried_again_when_it_says(self, there, job):
        there.trouble("POST", CREATE, Answer(429, {"error": "slowly"}, {"Retry-After": "7"}))
        job.done()
        assert there.count("POST", CREATE) == 2
        assert any("trying again in 7 s" in note for note in job.notes)

    def test_too_much_for_ever_is_told(self, there, job):
        there.trouble("POST", CREATE, *[Answer(429, {"error": "slowly"})] * 9)
        with pytest.raises(RateLimitedError):
            job.done()

    def test_a_key_that_is_sent_back_is_shown_to_nobody(self, there, job):
        there.key = "another"
        with pytest.raises(NotAuthorizedError) as caught:
            job.done()
        assert "runway-key-of-the-tests" not in str(caught.value)
        assert "runway-key-of-the-tests" not in repr(job.ledger.entries) + repr(job.service)


class TestLostReplies:
    @pytest.mark.parametrize("trouble", [DROP, LOSE, Answer(500, b""), Answer(503, b""), Answer(200, b"{")])
    def test_it_is_unknown_and_never_sent_again(self, there, job, trouble):
        there.trouble("POST", CREATE, trouble)
        for _ in range(2):
            with pytest.raises(UnknownOutcomeError, match=r"usage at https://dev\.runwayml\.com"):
                job.done()
        assert there.count("POST", CREATE) == 1
        assert standing(job.ledger) == "unknown"

    @pytest.mark.parametrize("body", [{}, [], {"id": None}, {"id": 7}, {"id": ""}, {"id": ".."}, "text"])
    def test_a_reply_that_makes_no_sense_is_as_good_as_lost(self, there, service, body):
        there.trouble("POST", CREATE, Answer(200, body))
        with pytest.raises(UnknownOutcomeError):
            service.create(ORDER)


class TestFailures:
    @pytest.mark.parametrize(
        ("code", "kind", "facts"),
        [
            ("SAFETY.INPUT.TEXT", ModeratedError, {"stage": "input", "which": ["text"]}),
            ("SAFETY.INPUT", ModeratedError, {"stage": "input", "which": []}),
            ("INPUT_PREPROCESSING.SAFETY.TEXT", ModeratedError, {"stage": "input", "which": ["text"]}),
            ("SAFETY.OUTPUT.VIDEO", ModeratedError, {"stage": "output", "which": []}),
            ("SAFETY", ModeratedError, {"which": []}),
            ("ASSET.INVALID", InvalidInputError, {}),
            ("INTERNAL.BAD_OUTPUT.CODE01", HostedError, {}),
            ("INTERNAL", ProviderDownError, {"passing": False}),
            ("INPUT_PREPROCESSING.INTERNAL", ProviderDownError, {"passing": False}),
            ("THIRD_PARTY.UNAVAILABLE", ProviderDownError, {"passing": False}),
            (None, ProviderDownError, {"passing": False}),
            (7, ProviderDownError, {"passing": False}),
            ("SOMETHING.NEW", HostedError, {}),
        ],
    )
    def test_a_code_says_what_went_wrong(self, there, job, code, kind, facts):
        there.end = failed(code)
        with pytest.raises(kind, match="It went wrong") as caught:
            job.done()
        assert type(caught.value) is kind
        assert caught.value.facts == facts
        assert standing(job.ledger) == "failed"
        assert there.count("POST", CREATE) == 1

    @pytest.mark.parametrize(
        ("credits", "words"), [(48, "cost \\$0.48 all the same"), (0, "it costs nothing")]
    )
    def test_it_says_what_is_paid_all_the_same(self, there, job, credits, words):
        there.end, there.credits = failed("SAFETY.INPUT.TEXT"), credits
        with pytest.raises(ModeratedError, match=words):
            job.done()

    def test_what_runway_cancelled_is_cancelled(self, there, job):
        there.end = {"status": "CANCELLED"}
        with pytest.raises(WithdrawnError, match=r"cost \$0\.60"):
            job.done()


class TestLooking:
    @pytest.mark.parametrize(
        ("said", "seen"),
        [
            ({"status": "PENDING"}, ("waiting", None)),
            ({"status": "THROTTLED"}, ("waiting", None)),
            ({"status": "RUNNING", "progress": 0.5}, ("running", 0.5)),
            ({"status": "RUNNING", "progress": 7}, ("running", 1.0)),
            ({"status": "RUNNING", "progress": None}, ("running", None)),
            ({"status": "RUNNING", "progress": True}, ("running", None)),
        ],
    )
    def test_states_are_told(self, there, service, ticket, said, seen):
        there.states = [said]
        sighting = service.look(ticket)
        assert (sighting.state, sighting.progress) == seen

    def test_a_job_that_has_to_wait_its_turn_says_why(self, there, job):
        there.states = [{"status": "THROTTLED"}] * 3
        job.done()
        assert any("your tier allows" in note for note in job.notes)

    @pytest.mark.parametrize("status", ["BREWING", None, 7, ["PENDING"], {"a": 1}])
    def test_a_state_that_is_not_known_loses_no_job(self, there, job, status):
        there.states = [{"status": status}]
        assert job.done().outputs
        assert any("not known here" in note for note in job.notes)

    @pytest.mark.parametrize(
        "trouble",
        [
            DROP,
            Answer(500, b""),
            Answer(504, b"<html>"),
            Answer(429, {}),
            Answer(200, b"[]"),
            Answer(200, b"no"),
            Answer(200, {"status": "SUCCEEDED"}),
            Answer(200, {"status": "SUCCEEDED", "output": None}),
            Answer(200, {"status": "SUCCEEDED", "output": [None]}),
        ],
    )
    def test_trouble_with_a_look_loses_no_job(self, there, job, trouble):
        there.trouble("GET", TASK, trouble, trouble)
        assert job.done().outputs

    @pytest.mark.parametrize("cost", [None, {}, [], {"credits": None}, {"credits": "60"}, {"credits": True}])
    def test_a_cost_that_makes_no_sense_is_not_told(self, there, service, ticket, cost):
        answer = {"status": "SUCCEEDED", "output": ["https://x/a.mp4"], "cost": cost}
        there.trouble("GET", TASK, Answer(200, answer))
        assert service.look(ticket).cost_usd is None

    def test_a_credit_is_a_cent(self, there, service, ticket):
        there.states, there.credits = [], 63.5
        assert Decimal(service.look(ticket).cost_usd) == Decimal("0.64")

    def test_a_job_that_is_not_shown_stays_open(self, there, job):
        there.trouble("GET", TASK, Answer(404, {"error": "Could not find Task"}))
        with pytest.raises(HostedError, match="shows no job"):
            job.done()
        assert standing(job.ledger) == "open"
        assert job.done().outputs

    def test_it_is_asked_no_faster_than_the_rule(self, there, job, waiting):
        there.states = [{"status": "RUNNING", "progress": 0.1}] * 20
        outcome = job.done()
        assert there.jobs[outcome.ticket.id].looks == 21
        assert min(waiting.slept) >= 5.0


class TestCancelling:
    def test_what_waits_costs_nothing(self, there, service, ticket):
        assert "should cost nothing" in service.cancel(ticket)
        assert there.jobs[ticket.id].cancelled

    def test_what_runs_is_not_refunded(self, there, service, ticket):
        there.states = [{"status": "RUNNING", "progress": 0.1}]
        assert "refunds nothing" in service.cancel(ticket)
        assert there.jobs[ticket.id].cancelled

    @pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "CANCELLED", "BREWING"])
    def test_what_has_ended_is_never_deleted(self, there, service, ticket, status):
        there.states, there.end = [], {"status": status}
        with pytest.raises(CannotCancelError, match=status):
            service.cancel(ticket)
        assert there.count("DELETE", ".*") == 0

    def test_without_knowing_how_it_stands_nothing_is_deleted(self, there, service, ticket):
        there.trouble("GET", TASK, Answer(500, b""))
        with pytest.raises(ProviderDownError):
            service.cancel(ticket)
        assert there.count("DELETE", ".*") == 0

    def test_a_lost_reply_is_asked_for_again(self, there, job, service):
        there.trouble("DELETE", TASK, LOSE)
        events = work(ORDER, service, job.ledger, job.folder, job.line)
        next(events)
        job.ledger.claim("cancel", {})
        with pytest.raises(WithdrawnError, match="has the job no more"):
            list(events)
        assert there.count("DELETE", ".*") == 1

    def test_what_ended_meanwhile_is_kept(self, there, job, service):
        there.states = [{"status": "RUNNING", "progress": 0.9}]
        events = work(ORDER, service, job.ledger, job.folder, job.line)
        next(events)
        job.ledger.claim("cancel", {})
        there.states = []
        list(events)
        assert standing(job.ledger) == "done"
        assert there.count("DELETE", ".*") == 0


class TestLinks:
    def test_one_that_is_gone_is_asked_for_again(self, there, job):
        there.trouble("GET", "/files/.*", Answer(403, b""))
        outcome = job.done()
        assert outcome.outputs
        assert there.jobs[outcome.ticket.id].fetched == [f"/files/{outcome.ticket.id}/film.mp4?_jwt=4"]

    def test_one_that_stays_gone_is_told(self, there, job):
        there.links = 0
        with pytest.raises(LinkGoneError):
            job.done()
        assert standing(job.ledger) == "fetching"


class TestTheWholeRoad:
    @pytest.fixture
    def film(self, tmp_path):
        """Three seconds in 96 × 64."""
        path = tmp_path / "film.mp4"
        pictures = np.random.default_rng(0).integers(0, 255, (24, 64, 96, 3), dtype=np.uint8)
        Clip(pictures, rate=8).save(path)
        return path

    def done(self, there, line, folder, kind, **fields):
        asked = request(kind, {"output": folder / "out.mp4"} | fields)
        *_, last = host(asked, MemoryLedger(), folder / "job", line, clock=line.clock)
        assert isinstance(last, Result)
        (job,) = there.jobs.values()
        return last.value, job

    def test_a_picture_becomes_a_video(self, there, line, tmp_path, film):
        there.film = film.read_bytes()
        Image.new("RGB", (96, 64)).save(tmp_path / "lake.png")
        result, job = self.done(
            there, line, tmp_path, Generate, prompt="a lake", model=there.model, image=tmp_path / "lake.png"
        )
        assert (result.frames, result.width, result.recipe["cost_usd"]) == (24, 96, "0.60")
        assert job.body["promptImage"] == [{"uri": "runway://0-lake.png", "position": "first"}]

    def test_a_performance_becomes_a_characters(self, there, line, tmp_path, film):
        there.film = film.read_bytes()
        Image.new("RGB", (96, 64)).save(tmp_path / "face.png")
        _, job = self.done(
            there, line, tmp_path, Edit, video=film, model="runway/act_two", reference=tmp_path / "face.png"
        )
        assert job.body["character"]["uri"].endswith("face.png")
        assert job.body["reference"]["uri"].endswith("film.mp4")

    def test_a_video_that_is_too_short_is_not_sent(self, there, line, tmp_path, film):
        asked = request(Edit, {"video": film, "model": "runway/aleph2", "prompt": "snow", "range": "0s..1s"})
        with pytest.raises(InputError, match="too short, runway/aleph2 takes from 2 s"):
            list(host(asked, MemoryLedger(), tmp_path / "job", line))
        assert not there.asked

    def test_a_prompt_is_counted_as_runway_counts(self, there, line, tmp_path):
        asked = request(Generate, {"prompt": "🏔" * 501, "model": there.model})
        with pytest.raises(RequestError, match=r"1002 characters.*reads up to 1000"):
            list(host(asked, MemoryLedger(), tmp_path / "job", line))
        assert not there.asked


def test_without_permission_the_real_runway_is_not_asked(line, monkeypatch):
    monkeypatch.delenv("MOVIOLA_RUNWAY_URL", raising=False)
    monkeypatch.setenv("RUNWAYML_API_SECRET", "k")
    with pytest.raises(RequestError, match=r"api\.dev\.runwayml\.com is not asked"):
        runway.service(ORDER, line).create(ORDER)


def test_an_id_cannot_lead_elsewhere(there, service):
    with pytest.raises(HostedError):
        service.look(Ticket("../organization?x="))
    assert there.asked[-1].place.startswith("/v1/tasks/")

"""fal's queue, with every trap that is known of it."""

import hashlib
import socket
from dataclasses import replace

import pytest

from fake_fal import FakeFal
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
from moviola.hosted.providers import fal_queue
from moviola.hosted.service import Order, Ticket, Upload
from moviola.hosted.working import standing, work
from moviola.model import Note

APP = "fal-ai/pika/v2.2/text-to-video"
ORDER = Order("fal", APP, "text-to-video", {"prompt": "a lake"})


@pytest.fixture
def fal(known):
    with FakeFal() as there:
        yield known(there)


@pytest.fixture
def queue(fal, line):
    return fal_queue.service(ORDER, line)


@pytest.fixture
def ticket(queue):
    return queue.create(ORDER)


@pytest.fixture
def job(queue, line, tmp_path):
    return Job(queue, line, tmp_path / "results", ORDER)


def test_a_job_goes_through_the_queue_to_a_file(fal, job):
    outcome = job.done()
    assert outcome.ticket.id == "r-1"
    assert (job.folder / "0.mp4").read_bytes() == b"a film"
    assert fal.jobs["r-1"].body == {"prompt": "a lake"}
    assert Note("fal: position 2 in the queue") in job.told
    assert fal.count("POST", f"/{APP}") == 1


def test_it_is_told_where_to_call(fal, queue):
    address = "https://my.host/webhooks/fal"
    queue.create(replace(ORDER, webhook=address))
    assert fal.jobs["r-1"].webhook == address
    assert fal.jobs["r-1"].body == {"prompt": "a lake"}


def test_addresses_are_taken_as_they_are_given_for_a_deep_path(fal, ticket, queue):
    assert ticket.urls["status_url"] == f"{fal.url}/fal-ai/pika/requests/r-1/status"
    queue.look(ticket)
    assert fal.count("GET", "/fal-ai/pika/requests/r-1/status") == 1


def test_an_address_elsewhere_gets_no_key(queue, ticket):
    with FakeFal() as other:
        astray = Ticket(
            "r-1", {name: url.replace(queue.queue, other.url) for name, url in ticket.urls.items()}
        )
        for ask in (queue.look, queue.cancel):
            with pytest.raises(HostedError, match="gets no key"):
                ask(astray)
        assert not other.asked


class TestTheOtherHost:
    @pytest.fixture
    def two(self, fal, queue):
        """The queue where nobody is at the first host."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
        return replace(queue, queue=nobody, backup=fal.url)

    def test_a_job_is_created_there_where_the_first_cannot_be_reached(self, fal, two, line, tmp_path):
        assert Job(two, line, tmp_path / "results", ORDER).done().outputs
        assert fal.count("POST", ".*") == 1

    def test_what_was_created_at_the_first_is_asked_for_there(self, fal, two, ticket):
        moved = {name: url.replace(fal.url, two.queue) for name, url in ticket.urls.items()}
        two.look(Ticket(ticket.id, moved))
        two.cancel(Ticket(ticket.id, moved))
        assert fal.jobs["r-1"].cancelled

    def test_what_was_created_there_is_asked_for_at_the_first_when_it_goes(self, fal, queue, ticket):
        with FakeFal() as other:
            both = replace(queue, backup=other.url)
            other.trouble("GET", ".*", DROP)
            moved = {name: url.replace(fal.url, other.url) for name, url in ticket.urls.items()}
            assert both.look(Ticket(ticket.id, moved)).state == "waiting"

    @pytest.mark.parametrize("trouble", [DROP, LOSE, Answer(502, b""), Answer(503, b"")])
    def test_what_may_have_arrived_is_not_created_there(self, fal, queue, trouble):
        with FakeFal() as other:
            fal.trouble("POST", ".*", trouble)
            with pytest.raises(UnknownOutcomeError):
                replace(queue, backup=other.url).create(ORDER)
            assert not other.asked

    def test_it_is_fals_own_alone(self, line, monkeypatch):
        monkeypatch.setenv("FAL_KEY", "k")
        monkeypatch.setenv("MOVIOLA_FAL_URL", "http://127.0.0.1:1")
        assert fal_queue.service(ORDER, line).backup == ""
        monkeypatch.delenv("MOVIOLA_FAL_URL")
        assert fal_queue.service(ORDER, line).backup == "https://queue.falrun.com"

    def test_where_neither_can_be_reached_nothing_was_made(self, two):
        with pytest.raises(ProviderDownError, match="cannot be reached"):
            replace(two, backup=two.queue).create(ORDER)


def test_files_are_fetched_without_the_key(fal, job):
    job.done()
    fetches = [asked for asked in fal.asked if asked.path.startswith("/files/")]
    assert fetches
    assert all("authorization" not in asked.headers for asked in fetches)


class TestCompletedIsNotDone:
    """There is no state for what failed."""

    def test_an_error_beside_it_is_a_failure(self, fal, job):
        fal.error = {"error": "the app fell over", "error_type": "internal"}
        with pytest.raises(HostedError, match="the app fell over"):
            job.done()
        assert standing(job.ledger) == "failed"

    def test_a_refusal_of_the_result_is_a_failure(self, fal, job):
        fal.result = Answer(
            422, {"detail": [{"loc": ["body", "seed"], "msg": "not a number", "type": "int"}]}
        )
        with pytest.raises(InvalidInputError, match="does not take seed: not a number") as caught:
            job.done()
        assert caught.value.field == "seed"
        assert standing(job.ledger) == "failed"

    def test_both_together_are_one_failure(self, fal, job):
        fal.error = {"error": "the app fell over"}
        fal.result = Answer(500, {"detail": "the app fell over"})
        with pytest.raises(ProviderDownError, match="fell over"):
            job.done()
        assert standing(job.ledger) == "failed"

    def test_trouble_with_telling_the_result_is_none_of_the_job(self, fal, job):
        fal.trouble("GET", r"/fal-ai/pika/requests/r-1", Answer(502, b"<html>nginx</html>"), DROP)
        assert job.done().outputs

    def test_an_app_that_did_not_start_in_time_is_not_waited_for(self, fal, job):
        fal.result = Answer(504, {"detail": "timed out"}, {"X-Fal-Request-Timeout-Type": "user"})
        with pytest.raises(ProviderDownError, match="did not start in the time"):
            job.done()
        assert standing(job.ledger) == "failed"
        assert fal.count("GET", r"/fal-ai/pika/requests/r-1") == 1


class TestModeration:
    def flagged(self, *locs):
        kind = "content_policy_violation"
        msg = "The content could not be processed because it was flagged by a content checker."
        return {"detail": [{"loc": list(loc), "msg": msg, "type": kind} for loc in locs]}

    def test_it_says_which_inputs_were_flagged(self, fal, job):
        fal.result = Answer(422, self.flagged(("body", "prompt"), ("body", "images", 0, "image_url")))
        with pytest.raises(ModeratedError, match=r"in prompt, images\.0\.image_url") as caught:
            job.done()
        assert caught.value.stage == "input"
        assert caught.value.which == ("prompt", "images.0.image_url")

    def test_it_may_come_at_once(self, fal, job):
        fal.trouble("POST", ".*", Answer(422, self.flagged(("body", "prompt"))))
        with pytest.raises(ModeratedError):
            job.done()
        assert standing(job.ledger) == "ready"

    def test_without_a_field_nobody_knows_what_it_was(self, fal, job):
        fal.result = Answer(422, {"detail": "no"}, {"X-Fal-Error-Type": "content_policy_violation"})
        with pytest.raises(ModeratedError) as caught:
            job.done()
        assert (caught.value.stage, caught.value.which) == (None, ())


class TestRefusals:
    @pytest.mark.parametrize(
        ("answer", "kind", "words"),
        [
            (Answer(401, {"detail": "no such key"}), NotAuthorizedError, "no such key"),
            (Answer(403, {"detail": "not your app"}), NotAuthorizedError, "not your app"),
            (Answer(403, {"detail": "User is locked. Reason: Exhausted balance."}), QuotaError, "balance"),
            (Answer(404, {"detail": "Application not found"}), ModelRetiredError, "has no app"),
            (Answer(400, {"detail": "bad body"}), InvalidInputError, "bad body"),
        ],
    )
    def test_nothing_is_made_and_nothing_tried_again(self, fal, job, answer, kind, words):
        fal.trouble("POST", ".*", answer)
        with pytest.raises(kind, match=words):
            job.done()
        assert fal.count("POST", ".*") == 1
        assert standing(job.ledger) == "ready"

    def test_too_much_at_once_is_tried_again_when_it_says(self, fal, job):
        fal.trouble("POST", ".*", Answer(429, {"detail": "slowly"}, {"Retry-After": "7"}))
        job.done()
        assert fal.count("POST", ".*") == 2
        assert any("trying again in 7 s" in event.text for event in job.told if isinstance(event, Note))

    def test_too_much_for_ever_is_told(self, fal, job):
        fal.trouble("POST", ".*", *[Answer(429, {"detail": "slowly"})] * 9)
        with pytest.raises(RateLimitedError):
            job.done()

    def test_a_key_that_is_sent_back_is_shown_to_nobody(self, fal, job, monkeypatch):
        fal.key = "another"
        with pytest.raises(NotAuthorizedError) as caught:
            job.done()
        assert "fal-key-of-the-tests" not in str(caught.value)
        assert "fal-key-of-the-tests" not in repr(job.ledger.entries)


class TestLostReplies:
    """The reason for all this: other clients send it again, and pay again."""

    @pytest.mark.parametrize("trouble", [DROP, LOSE, Answer(502, b""), Answer(504, b""), Answer(200, b"{")])
    def test_it_is_unknown_and_never_sent_again(self, fal, job, trouble):
        fal.trouble("POST", ".*", trouble)
        for _ in range(2):
            with pytest.raises(UnknownOutcomeError, match="list of requests at fal"):
                job.done()
        assert fal.count("POST", ".*") == 1
        assert standing(job.ledger) == "unknown"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"request_id": "r-1"},
            {"request_id": "r", "status_url": "http://x"},
            dict.fromkeys(("request_id", "status_url", "response_url", "cancel_url"), "http://[x"),
        ],
    )
    def test_a_reply_that_makes_no_sense_is_as_good_as_lost(self, fal, job, body):
        fal.trouble("POST", ".*", Answer(200, body))
        with pytest.raises(UnknownOutcomeError):
            job.done()
        assert fal.count("POST", ".*") == 1


class TestPolling:
    @pytest.mark.parametrize(
        "trouble",
        [DROP, Answer(500, b""), Answer(503, b""), Answer(429, {}), Answer(200, b"[]"), Answer(200, {})],
    )
    def test_trouble_with_a_look_loses_no_job(self, fal, job, trouble):
        fal.trouble("GET", ".*/status", trouble, trouble)
        assert job.done().outputs

    def test_it_is_asked_no_faster_than_the_rule(self, fal, job):
        fal.states = [{"status": "IN_PROGRESS"}] * 20
        waiting = job.line.clock.sleep.__self__
        job.done()
        assert fal.jobs["r-1"].looks == 21
        assert min(waiting.slept) >= job.service.rules.poll_seconds


class TestCancelling:
    def test_it_reaches_fal(self, fal, job, queue):
        events = work(ORDER, queue, job.ledger, job.folder, job.line)
        next(events)
        job.ledger.claim("cancel", {})
        with pytest.raises(WithdrawnError, match="may be paid for"):
            list(events)
        assert fal.jobs["r-1"].cancelled

    @pytest.mark.parametrize("status", [400, 404, 409])
    def test_what_has_ended_cannot_be_cancelled(self, fal, queue, ticket, status):
        fal.trouble("PUT", ".*/cancel", Answer(status, {"status": "ALREADY_COMPLETED"}))
        with pytest.raises(CannotCancelError):
            queue.cancel(ticket)

    def test_what_ended_meanwhile_is_kept(self, fal, job, queue):
        fal.trouble("PUT", ".*/cancel", Answer(409, {"status": "ALREADY_COMPLETED"}))
        events = work(ORDER, queue, job.ledger, job.folder, job.line)
        next(events)
        job.ledger.claim("cancel", {})
        list(events)
        assert standing(job.ledger) == "done"


class TestOutputs:
    @pytest.mark.parametrize(
        ("result", "names"),
        [
            ({"video": {"url": "https://x/a.mp4"}}, ["a.mp4"]),
            ({"videos": [{"url": "https://x/a.mp4"}, {"url": "https://x/b.webm"}]}, ["a.mp4", "b.webm"]),
            (
                {
                    "video": {"url": "https://x/a", "content_type": "video/mp4"},
                    "image": {"url": "https://x/b.png"},
                },
                ["a"],
            ),
            ({"image": {"url": "https://x/b.png"}}, ["b.png"]),
            (
                {
                    "video": {
                        "url": "https://x/a",
                        "content_type": "application/octet-stream",
                        "file_name": "a.mp4",
                    }
                },
                ["a"],
            ),
            ({"seed": 1}, []),
        ],
    )
    def test_videos_are_found_wherever_an_app_puts_them(self, fal, queue, ticket, result, names):
        fal.states, fal.result = [], Answer(200, result)
        assert [output.url.rpartition("/")[2] for output in queue.look(ticket).outputs] == names

    def test_a_link_that_is_gone_is_asked_for_again(self, fal, job):
        fal.trouble("GET", "/files/.*", Answer(404, b""))
        assert job.done().outputs
        assert len(fal.jobs["r-1"].fetched) == 1

    def test_links_that_stay_gone_are_told(self, fal, job):
        fal.trouble("GET", "/files/.*", *[Answer(404, b"")] * 9)
        with pytest.raises(LinkGoneError):
            job.done()
        assert standing(job.ledger) == "fetching"


def test_a_file_is_brought_without_showing_the_key_to_its_place(fal, job, tmp_path):
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"picture")
    digest = hashlib.sha256(b"picture").hexdigest()
    upload = Upload(str(picture), digest, "image/png", 7)
    job.done(Order("fal", APP, "image-to-video", {"image_url": f"asset:{digest}"}, uploads=(upload,)))
    assert fal.kept == {"0-picture.png": b"picture"}
    assert fal.jobs["r-1"].body == {"image_url": f"{fal.url}/kept/0-picture.png"}
    put = next(asked for asked in fal.asked if asked.method == "PUT")
    assert "authorization" not in put.headers
    assert put.headers["content-type"] == "image/png"


@pytest.mark.parametrize("path", ["", "app", "../x/y", "a/../b", "a b/c", "https://x/y", "a//b"])
def test_what_is_no_path_of_an_app_is_refused(path):
    with pytest.raises(InvalidInputError):
        fal_queue.check_app(path)


def test_without_permission_the_real_queue_is_not_asked(line, monkeypatch):
    monkeypatch.delenv("MOVIOLA_FAL_URL", raising=False)
    monkeypatch.setenv("FAL_KEY", "k")
    with pytest.raises(RequestError, match=r"queue\.fal\.run is not asked"):
        fal_queue.service(ORDER, line).create(ORDER)

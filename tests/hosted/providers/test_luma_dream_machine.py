"""Luma's older API, where it differs from the newer one."""

from dataclasses import replace

import pytest

from fake_luma import FakeDreamMachine
from fake_provider import LOSE, Answer
from ledgers import Job
from moviola.errors import (
    CannotCancelError,
    HostedError,
    InvalidInputError,
    ModelRetiredError,
    ModeratedError,
    NotAuthorizedError,
    QuotaError,
    UnknownOutcomeError,
)
from moviola.hosted.providers import luma_dream_machine
from moviola.hosted.service import Order, Ticket, Upload
from moviola.hosted.working import standing

BODY = {"model": "ray-2", "prompt": "a lake", "generation_type": "video"}
FIRST = "00000000-0000-4000-8000-000000000001"
CREATE = "/generations/video"


def ordered(action="video", **body):
    return Order("luma-dream-machine", "ray-2", action, BODY | body)


@pytest.fixture
def luma(known):
    with FakeDreamMachine() as there:
        yield known(there)


@pytest.fixture
def machine(luma, line):
    return luma_dream_machine.service(ordered(), line)


@pytest.fixture
def job(machine, line, tmp_path):
    return Job(machine, line, tmp_path / "results", ordered())


@pytest.mark.parametrize("action", ["video", "video/modify", "video/reframe"])
def test_a_job_goes_through_to_a_file(luma, job, action, tmp_path):
    outcome = job.done(ordered(action))
    assert outcome.ticket.id == FIRST
    assert (tmp_path / "results" / "0.mp4").read_bytes() == b"a film"
    assert (luma.jobs[FIRST].action, luma.jobs[FIRST].body) == (action, BODY)
    assert luma.count("POST", f"/generations/{action}") == 1


def test_a_link_that_is_gone_is_asked_for_again(luma, job):
    luma.trouble("GET", "/films/.*", Answer(404, b""))
    assert job.done().outputs
    assert len(luma.jobs[FIRST].fetched) == 1


@pytest.mark.parametrize(
    ("reason", "kind", "stage", "which"),
    [
        ("Contains blacklisted words", ModeratedError, "input", ("prompt",)),
        ("Advanced prompt moderation failed", ModeratedError, "input", ("prompt",)),
        ("Frame moderation failed", ModeratedError, "input", ("keyframes",)),
        ("Moderation failed", ModeratedError, None, ()),
        ("Failed to read user input frames", InvalidInputError, None, None),
        ("Out of credits", QuotaError, None, None),
        ("Prompt processing failed", HostedError, None, None),
        (None, HostedError, None, None),
        ({"odd": 1}, HostedError, None, None),
    ],
)
def test_why_it_failed_is_read_from_its_words(luma, job, reason, kind, stage, which):
    luma.failure = {"failure_reason": reason}
    with pytest.raises(HostedError) as caught:
        job.done()
    assert type(caught.value) is kind
    assert getattr(caught.value, "stage", None) == stage
    assert getattr(caught.value, "which", None) == which
    assert standing(job.ledger) == "failed"


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (
            Answer(400, {"detail": "Prompt is too long, maximum length is 5000"}),
            InvalidInputError,
            "too long",
        ),
        (Answer(400, {"detail": "Insufficient credits"}), QuotaError, "credits"),
        (Answer(403, {"detail": "Not authenticated"}), NotAuthorizedError, "Not authenticated"),
        (Answer(400, {"detail": "Model ray-2 is not supported"}), ModelRetiredError, r"use luma/ray-3\.2"),
    ],
)
def test_refusals_make_nothing(luma, job, answer, kind, words):
    luma.trouble("POST", CREATE, answer)
    with pytest.raises(kind, match=words):
        job.done()
    assert luma.count("POST", CREATE) == 1
    assert standing(job.ledger) == "ready"


def test_the_field_that_is_wrong_is_named(luma, machine):
    luma.trouble("POST", CREATE, Answer(400, {"detail": "Loop is not supported for end frame"}))
    with pytest.raises(InvalidInputError) as caught:
        machine.create(ordered())
    assert caught.value.field == "loop"


def test_the_successor_of_a_model_that_is_gone_is_named(machine):
    gone = Order("luma-dream-machine", "ray-1-6", "video", BODY | {"model": "ray-1-6"})
    with pytest.raises(ModelRetiredError, match="no ray-1-6 any more") as caught:
        machine.create(gone)
    assert caught.value.successor == "luma/ray-3.2"


def test_a_lost_reply_is_unknown_though_there_is_a_list(luma, job):
    luma.trouble("POST", CREATE, LOSE)
    for _ in range(2):
        with pytest.raises(UnknownOutcomeError, match="in your list of generations"):
            job.done()
    assert luma.count("POST", CREATE) == 1


@pytest.mark.parametrize(
    "assets", [None, [], {}, {"video": None}, {"video": 5}, {"image": "https://x/a.png"}]
)
def test_a_job_that_is_done_and_names_no_film_is_asked_again(luma, job, assets):
    luma.trouble("GET", "/generations/.*", Answer(200, {"state": "completed", "assets": assets}))
    assert job.done().outputs


def test_nothing_is_deleted_for_cancelling(luma, machine):
    with pytest.raises(CannotCancelError, match="can only delete it"):
        machine.cancel(Ticket(FIRST))
    assert not luma.asked


def test_files_are_not_brought(luma, machine):
    with pytest.raises(InvalidInputError, match="https addresses alone"):
        machine.upload(Upload("a.png", "0" * 64, "image/png", 7))
    assert not luma.asked


def test_it_is_told_where_to_call(luma, machine):
    address = "https://my.host/webhooks/luma"
    machine.create(replace(ordered(), webhook=address))
    assert luma.asked[-1].json == BODY | {"callback_url": address}

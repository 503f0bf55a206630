"""Kling's API, with every trap that is known of it."""

import base64
import hashlib
import json
from dataclasses import replace

import jwt
import pytest

from fake_kling import FakeKling, said
from fake_provider import DROP, LOSE, Answer
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
    RateLimitedError,
    RequestError,
    UnknownOutcomeError,
)
from moviola.hosted.providers import kling
from moviola.hosted.service import Order, Rules, Ticket, Upload
from moviola.hosted.working import standing, work

BODY = {"model_name": "kling-v3", "prompt": "a lake", "duration": "5", "mode": "std", "aspect_ratio": "16:9"}
ORDER = Order("kling", "kling-v3", "text2video", BODY, reference="job-1")
TASK = "860000000000000001"
CREATE, LOOK = ("POST", r"/v1/videos/text2video"), ("GET", r"/v1/videos/text2video/8\d+")


@pytest.fixture
def there(monkeypatch, known, waiting):
    monkeypatch.setattr(kling.Kling, "rules", Rules(attempts=4))
    with FakeKling() as fake:
        fake.now = lambda: waiting.time
        yield known(fake)


@pytest.fixture
def api(there, line):
    return kling.service(ORDER, line)


@pytest.fixture
def ticket(api):
    return api.create(ORDER)


@pytest.fixture
def job(api, line, tmp_path):
    return Job(api, line, tmp_path / "results", ORDER)


def test_a_job_becomes_a_file(there, job):
    outcome = job.done()
    assert outcome.ticket == Ticket(TASK, {"task": f"/v1/videos/text2video/{TASK}"})
    assert (job.folder / "0.mp4").read_bytes() == b"a film"
    assert there.jobs[TASK].body == BODY | {"external_task_id": "job-1"}
    assert there.count(*CREATE) == 1
    assert outcome.cost_usd is None
    assert job.ledger.read("seen")["words"] == "3 units"


def test_links_are_fetched_without_a_token(there, job):
    job.done()
    fetches = [asked for asked in there.asked if asked.path.startswith("/files/")]
    assert fetches
    assert all("authorization" not in asked.headers for asked in fetches)


class TestTokens:
    def test_they_are_good_for_half_an_hour_from_just_before_now(self, there, api, waiting):
        token = api.secrets["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, there.secret, algorithms=["HS256"], options={"verify_exp": False})
        now = int(waiting.time)
        assert claims == {"iss": there.access, "exp": now + 1800, "nbf": now - 5}

    def test_a_job_outlives_many_of_them(self, there, job, monkeypatch, waiting):
        monkeypatch.setattr(kling.Kling, "rules", Rules(poll_seconds=1000.0))
        there.states, began = ["processing"] * 5, waiting.time
        job.done()
        assert waiting.time - began > 3 * 1800

    def test_an_expired_one_to_a_creation_made_nothing_and_is_signed_anew(self, there, job):
        there.trouble(*CREATE, said(1004, "Authorization has expired", status=401))
        job.done()
        assert there.count(*CREATE) == 2
        assert len(there.jobs) == 1
        assert any("is the clock of this machine right?" in note for note in job.notes)

    def test_an_expired_one_to_a_look_loses_no_job(self, there, job):
        there.trouble(*LOOK, said(1004, "Authorization has expired", status=401))
        assert job.done().outputs
        assert there.count(*CREATE) == 1

    def test_a_clock_that_is_ahead_is_told(self, there, job, waiting):
        there.now = lambda: waiting.time - 60
        with pytest.raises(NotAuthorizedError, match=r"not yet valid.*clock"):
            job.done()

    @pytest.mark.parametrize("missing", ["KLING_ACCESS_KEY", "KLING_SECRET_KEY"])
    def test_both_keys_are_wanted(self, there, line, monkeypatch, tmp_path, missing):
        monkeypatch.delenv(missing)
        monkeypatch.setenv("MOVIOLA_KEYS", str(tmp_path / "keys.toml"))
        with pytest.raises(NotAuthorizedError, match=missing):
            kling.service(ORDER, line)

    def test_both_may_lie_in_the_file_of_keys(self, there, line, monkeypatch, tmp_path):
        for name in ("KLING_ACCESS_KEY", "KLING_SECRET_KEY"):
            monkeypatch.delenv(name)
        path = tmp_path / "keys.toml"
        path.write_text(f'kling_access = "{there.access}"\nkling_secret = "{there.secret}"\n')
        path.chmod(0o600)
        monkeypatch.setenv("MOVIOLA_KEYS", str(path))
        assert kling.service(ORDER, line).create(ORDER).id == TASK

    def test_nobody_is_shown_a_key_or_a_token(self, there, job, api):
        there.secret = "another-secret-key-of-0123456789-0"
        with pytest.raises(NotAuthorizedError) as caught:
            job.done()
        echoed = said(1000, f"no pair: {api.access.secret}, {api.secret.secret}", status=401)
        there.trouble(*CREATE, echoed)
        with pytest.raises(NotAuthorizedError) as repeated:
            job.done()
        shown = f"{caught.value} {repeated.value} {job.ledger.entries} {api!r} {job.notes}"
        token = next(asked for asked in there.asked).headers["authorization"].removeprefix("Bearer ")
        for hidden in (api.access.secret, api.secret.secret, token):
            assert hidden not in shown
        assert "•••" in shown


class TestRefusals:
    """Status 200 says nothing; the code does, and wins over the status."""

    @pytest.mark.parametrize("status", [None, 200])
    @pytest.mark.parametrize(
        ("code", "usual", "kind"),
        [
            (1000, 401, NotAuthorizedError),
            (1001, 401, NotAuthorizedError),
            (1002, 401, NotAuthorizedError),
            (1003, 401, NotAuthorizedError),
            (1100, 429, NotAuthorizedError),
            (1101, 429, QuotaError),
            (1102, 429, QuotaError),
            (1103, 403, NotAuthorizedError),
            (1200, 400, InvalidInputError),
            (1201, 400, InvalidInputError),
            (1202, 404, InvalidInputError),
            (1203, 404, ModelRetiredError),
            (1300, 400, ModeratedError),
            (1301, 400, ModeratedError),
            (1304, 429, NotAuthorizedError),
            (1999, 400, HostedError),
        ],
    )
    def test_nothing_is_made_and_nothing_tried_again(self, there, job, code, usual, kind, status):
        there.trouble(*CREATE, said(code, "so it is", status=status or usual))
        with pytest.raises(kind, match=rf"so it is \(code {code}\)") as caught:
            job.done()
        assert type(caught.value) is kind
        assert there.count(*CREATE) == 1
        assert standing(job.ledger) == "ready"

    @pytest.mark.parametrize("code", [1302, 1303])
    @pytest.mark.parametrize("status", [429, 200])
    def test_too_much_at_once_is_tried_again(self, there, job, code, status):
        there.trouble(*CREATE, said(code, "parallel task over resource pack limit", status=status))
        job.done()
        assert there.count(*CREATE) == 2
        assert any("nothing was made, trying again" in note for note in job.notes)

    def test_too_much_for_ever_is_told(self, there, job):
        there.trouble(*CREATE, *[said(1303, "parallel task over resource pack limit", status=429)] * 9)
        with pytest.raises(RateLimitedError):
            job.done()

    def test_it_is_said_which_field_it_was(self, there, api):
        there.trouble(*CREATE, said(1201, "aspect_ratio value '4:3' is invalid", status=400))
        with pytest.raises(InvalidInputError) as caught:
            api.create(ORDER)
        assert caught.value.field == "aspect_ratio"

    def test_moderation_of_what_is_sent_is_one_of_the_input(self, there, api):
        there.trouble(*CREATE, said(1301, "content security policy"))
        with pytest.raises(ModeratedError) as caught:
            api.create(ORDER)
        assert caught.value.stage == "input"

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (Answer(403, b"<html>blocked</html>"), NotAuthorizedError),
            (Answer(413, b"too large"), InvalidInputError),
            (Answer(429, b""), RateLimitedError),
            (Answer(404, {"code": "none"}), HostedError),
        ],
    )
    def test_a_page_of_somebody_else_is_read_by_its_status(self, there, api, answer, kind):
        there.trouble(*CREATE, answer)
        with pytest.raises(kind) as caught:
            api.create(ORDER)
        assert not isinstance(caught.value, UnknownOutcomeError)


LOST = [
    LOSE,
    said(5000, "internal error"),
    said(5001, "unavailable", status=503),
    said(5002, "timed out", status=504),
    said(5000, "internal error", status=400),
    said(0),
    said(0, data=[]),
    said(0, data={"task_id": None}),
    said(0, data={"task_id": "../../account"}),
    said(7777, "what is this"),
    Answer(200, b"{"),
    Answer(200, []),
    Answer(200, {"code": True}),
    Answer(502, b"<html>"),
]


class TestLostReplies:
    @pytest.mark.parametrize("trouble", LOST)
    def test_nobody_sends_it_again(self, there, job, trouble):
        there.trouble(*CREATE, trouble)
        there.by_reference = there.listed = False
        for _ in range(2):
            with pytest.raises(UnknownOutcomeError):
                job.done()
        assert there.count(*CREATE) == 1
        assert standing(job.ledger) == "unknown"

    @pytest.mark.parametrize("way", ["by_reference", "listed"])
    def test_it_is_found_by_our_own_name_of_it_or_in_the_list(self, there, job, way):
        there.by_reference, there.listed = way == "by_reference", way == "listed"
        there.trouble(*CREATE, LOSE)
        assert job.done().ticket.id == TASK
        assert there.count(*CREATE) == 1

    def test_a_broken_look_for_it_is_tried_again(self, there, job):
        there.listed = False
        there.trouble(*CREATE, LOSE)
        there.trouble("GET", "/v1/videos/text2video/job-1", DROP, said(5000, "internal error"))
        assert job.done().ticket.id == TASK

    def test_a_kling_that_stays_away_leaves_it_unknown(self, there, job):
        there.trouble(*CREATE, LOSE)
        there.trouble("GET", ".*", *[DROP] * 99)
        with pytest.raises(UnknownOutcomeError, match="could not be asked"):
            job.done()
        assert standing(job.ledger) == "unknown"

    @pytest.mark.parametrize(
        "data",
        [
            {"task_id": "7"},
            {"task_id": "7", "task_info": None},
            {"task_id": "7", "task_info": {"external_task_id": "job-2"}},
            {"task_id": "", "task_info": {"external_task_id": "job-1"}},
            [None, 3, {"task_id": "7", "task_info": []}],
            "job-1",
            None,
        ],
    )
    def test_only_a_task_of_our_name_is_ours(self, there, api, data):
        there.trouble("GET", ".*", said(0, data=data), said(0, data=data))
        with pytest.raises(UnknownOutcomeError, match="list of tasks"):
            api.find(ORDER)

    def test_without_a_name_of_ours_nothing_is_asked(self, there, api):
        with pytest.raises(UnknownOutcomeError):
            api.find(replace(ORDER, reference=""))
        assert not there.asked


class TestLooks:
    @pytest.mark.parametrize(
        "trouble",
        [
            DROP,
            said(5000, "internal error"),
            said(5001, "unavailable", status=503),
            said(1302, "too fast", status=429),
            said(0, data=[]),
            said(0),
            said(7777, "what is this"),
            said(0, data={"task_status": "succeed"}),
            said(0, data={"task_status": "succeed", "task_result": {"videos": [None, {"url": None}]}}),
            said(0, data={"task_status": None}),
            said(0, data={"task_status": ["succeed"]}),
            Answer(200, b"[]"),
            Answer(200, b"{"),
            Answer(502, b"<html>"),
        ],
    )
    def test_trouble_loses_no_job(self, there, job, trouble):
        there.trouble(*LOOK, trouble, trouble)
        assert job.done().outputs
        assert there.count(*CREATE) == 1

    def test_a_state_that_is_not_known_is_waited_out(self, there, job):
        there.states = ["submitted", "polishing"]
        job.done()
        assert "kling: it says 'polishing' of the job, which is not known here" in job.notes

    def test_it_is_asked_no_faster_than_the_rule(self, there, job, waiting):
        there.states = ["processing"] * 20
        job.done()
        assert there.jobs[TASK].looks == 21
        assert min(waiting.slept) >= job.service.rules.poll_seconds

    def test_a_task_that_is_gone_is_told_and_the_job_kept(self, there, job):
        there.trouble(*LOOK, said(1203, "no task", status=404))
        with pytest.raises(HostedError, match="no task"):
            job.done()
        assert standing(job.ledger) == "open"


class TestFailures:
    def test_the_words_are_told(self, there, job):
        there.end = {"task_status": "failed", "task_status_msg": "image too dark"}
        with pytest.raises(HostedError, match="kling: image too dark") as caught:
            job.done()
        assert type(caught.value) is HostedError
        assert standing(job.ledger) == "failed"

    @pytest.mark.parametrize(
        "words",
        [
            "Failure to pass the risk control system",
            "Content policy violation",
            "sensitive words",
            "内容违规",
        ],
    )
    def test_moderation_is_known_by_its_words(self, there, job, words):
        there.end = {"task_status": "failed", "task_status_msg": words}
        with pytest.raises(ModeratedError, match=words) as caught:
            job.done()
        assert caught.value.stage is None

    def test_moderation_may_come_as_a_code_too(self, there, job):
        there.trouble(*LOOK, said(1301, "content security policy"))
        with pytest.raises(ModeratedError):
            job.done()
        assert standing(job.ledger) == "failed"

    def test_there_need_be_no_words(self, there, job):
        there.end = {"task_status": "failed", "task_status_msg": None}
        with pytest.raises(HostedError, match="no reason given"):
            job.done()


class TestPictures:
    @pytest.fixture
    def upload(self, tmp_path):
        path = tmp_path / "lake.png"
        path.write_bytes(b"picture")
        return Upload(str(path), hashlib.sha256(b"picture").hexdigest(), "image/png", 7)

    @pytest.fixture
    def order(self, upload):
        body = BODY | {
            "image": f"asset:{upload.sha256}",
            "image_list": [{"image_url": f"asset:{upload.sha256}"}],
        }
        return Order("kling", "kling-v3", "image2video", body, uploads=(upload,))

    def test_they_go_within_the_request_and_are_kept_nowhere_else(self, there, job, order):
        job.done(order)
        body, content = there.jobs[TASK].body, base64.b64encode(b"picture").decode()
        assert (body["image"], body["image_list"]) == (content, [{"image_url": content}])
        assert content not in json.dumps(job.ledger.entries)
        assert there.count("POST", ".*") == 1

    @pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_bytes(b"other")])
    def test_one_that_has_changed_is_not_sent(self, there, job, order, tmp_path, change):
        change(tmp_path / "lake.png")
        with pytest.raises(InputError, match=r"lake\.png"):
            job.done(order)
        assert not there.asked


class TestLinks:
    def test_one_that_is_gone_is_asked_for_again(self, there, job):
        there.trouble(*there.file, Answer(403, b"expired"))
        assert job.done().outputs
        assert there.jobs[TASK].fetched == [f"/files/{TASK}/4.mp4"]

    def test_links_that_stay_gone_are_told(self, there, job):
        there.trouble(*there.file, *[Answer(404, b"")] * 9)
        with pytest.raises(LinkGoneError):
            job.done()
        assert standing(job.ledger) == "fetching"


def test_there_is_no_way_to_cancel(there, api, ticket):
    with pytest.raises(CannotCancelError):
        api.cancel(ticket)


def test_what_is_cancelled_goes_on_and_is_kept(there, job, api, line):
    events = work(ORDER, api, job.ledger, job.folder, line)
    next(events)
    job.ledger.claim("cancel", {})
    list(events)
    assert standing(job.ledger) == "done"


def test_no_network_made_nothing(there, job):
    with FakeKling() as gone:
        pass
    job.service = replace(job.service, address=gone.url)
    with pytest.raises(ProviderDownError):
        job.done()
    assert standing(job.ledger) == "ready"


def test_without_permission_kling_is_not_asked(line, there, monkeypatch):
    monkeypatch.delenv("MOVIOLA_KLING_URL")
    with pytest.raises(RequestError, match=r"api-singapore\.klingai\.com is not asked"):
        kling.service(ORDER, line).create(ORDER)

"""OpenAI's videos API, with the habits of every kind of server that speaks it."""

import hashlib

import pytest

from fake_provider import DROP, LOSE, Answer
from fake_videos import FLAVOURS, FakeVideos, File
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
    WithdrawnError,
)
from moviola.hosted.providers import openai_videos
from moviola.hosted.providers.openai_videos import EDITS, EXTENSIONS, NAME, address, remix
from moviola.hosted.servers import KEYS
from moviola.hosted.service import Order, Output, Ticket, Upload
from moviola.hosted.working import standing
from moviola.model import Note

MODEL = "acme/video-1"
BODY = {"model": MODEL, "prompt": "a lake", "seconds": "4", "size": "1280x720"}
PLACE = r"/v1/videos/[^/]+"


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server(monkeypatch):
    with FakeVideos() as there:
        monkeypatch.setenv("MOVIOLA_SERVER_KEY", there.key)
        yield there


@pytest.fixture(params=FLAVOURS)
def any_server(monkeypatch, request):
    with FakeVideos(flavour=request.param) as there:
        monkeypatch.setenv("MOVIOLA_SERVER_KEY", there.key)
        yield there


def made(server, body=BODY, action="/videos", uploads=()):
    return Order(NAME, MODEL, action, body, uploads, server=f"{server.url}/v1")


def begun_at(server, line, folder, order=None):
    order = order or made(server)
    return Job(openai_videos.service(order, line), line, folder, order)


@pytest.fixture
def job(server, line, tmp_path):
    return begun_at(server, line, tmp_path / "results")


@pytest.fixture
def service(server, line):
    return openai_videos.service(made(server), line)


def picture(folder, content=b"\x89PNG\r\n\x1a\n\r\r\n picture"):
    path = folder / "lake.png"
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return path, f"asset:{digest}", Upload(str(path), digest, "image/png", len(content))


class TestEveryKindOfServer:
    def test_a_prompt_becomes_a_file(self, any_server, line, tmp_path):
        job = begun_at(any_server, line, tmp_path / "results")
        outcome = job.done()
        assert (job.folder / "0.mp4").read_bytes() == b"a film"
        assert any_server.jobs[outcome.ticket.id].body == BODY
        assert any_server.count("POST", "/v1/videos") == 1

    def test_a_picture_goes_with_it(self, any_server, line, tmp_path):
        path, asset, upload = picture(tmp_path)
        order = made(any_server, BODY | {"input_reference": asset}, uploads=(upload,))
        outcome = begun_at(any_server, line, tmp_path / "results", order).done()
        sent = any_server.jobs[outcome.ticket.id].body["input_reference"]
        assert sent == File("lake.png", "image/png", path.read_bytes())
        assert any_server.count("POST", ".*") == 1

    def test_nothing_is_shown_of_the_key(self, any_server, line, tmp_path):
        job = begun_at(any_server, line, tmp_path / "results")
        any_server.key = "another"
        with pytest.raises(
            NotAuthorizedError, match="does not accept the key in MOVIOLA_SERVER_KEY"
        ) as caught:
            job.done()
        secret = "server-key-of-the-tests"
        assert secret not in f"{caught.value} {caught.value.facts} {job.service!r} {job.ledger.entries}"

    def test_what_it_refuses_names_the_field_where_it_says_so(self, any_server, line, tmp_path):
        job = begun_at(any_server, line, tmp_path, made(any_server, {"model": MODEL, "prompt": ""}))
        with pytest.raises(InvalidInputError, match="prompt is required") as caught:
            job.done()
        assert caught.value.field == (None if any_server.flavour == "sglang" else "prompt")
        assert (standing(job.ledger), any_server.count("POST", ".*")) == ("ready", 1)

    def test_a_job_that_failed_has_failed(self, any_server, line, tmp_path):
        any_server.ends = "failed"
        any_server.error = {
            "openai": {"code": "server_error", "message": "out of memory"},
            "vllm": {"code": 500, "message": "out of memory"},
            "trtllm": "out of memory",
        }.get(any_server.flavour, {"message": "out of memory"})
        job = begun_at(any_server, line, tmp_path / "results")
        with pytest.raises(HostedError, match="out of memory"):
            job.done()
        assert standing(job.ledger) == "failed"

    def test_a_job_that_is_forgotten_is_told_of(self, any_server, line):
        service = openai_videos.service(made(any_server), line)
        with pytest.raises(HostedError, match="knows the job no more"):
            service.look(Ticket("video_9"))

    def test_cancelling_does_what_it_can(self, any_server, line, tmp_path):
        job = begun_at(any_server, line, tmp_path / "results")
        events = job.begun()
        next(events)
        job.ledger.claim("cancel", {})
        if any_server.flavour in ("openai", "litellm"):
            # The official one deletes only what has ended; LiteLLM has no such call at all.
            notes = [event.text for event in list(events) if isinstance(event, Note)]
            assert any("cannot give the job up" in note for note in notes)
            assert standing(job.ledger) == "done"
        else:
            with pytest.raises(WithdrawnError, match="gives the job up") as caught:
                list(events)
            assert ("go on computing" in str(caught.value)) == (any_server.flavour == "sglang")
            assert any_server.jobs["video_1="].deleted


class TestCreating:
    def test_a_form_is_sent_even_without_a_file(self, server, job):
        job.done()
        assert server.asked[0].headers["content-type"].startswith("multipart/form-data; boundary=")

    def test_values_are_written_as_forms_have_them(self, server, service):
        values = {"seed": 7, "guidance_scale": 4.5, "generate_sound": True, "extra_params": {"a": [1]}}
        service.create(made(server, BODY | values))
        body = server.jobs["video_1="].body
        told = {"seed": "7", "guidance_scale": "4.5", "generate_sound": "true", "extra_params": '{"a": [1]}'}
        assert body == BODY | told

    def test_a_file_that_has_changed_is_not_sent(self, server, line, tmp_path):
        path, asset, upload = picture(tmp_path)
        job = begun_at(
            server, line, tmp_path / "r", made(server, BODY | {"input_reference": asset}, uploads=(upload,))
        )
        server.trouble("POST", ".*", Answer(429, {"error": {"message": "slowly"}}))
        events = job.begun()
        while not server.asked:
            next(events)
        path.write_bytes(b"something else")
        with pytest.raises(InputError, match="has changed"):
            list(events)
        assert (server.count("POST", ".*"), standing(job.ledger)) == (1, "ready")

    def test_a_file_that_cannot_be_read_is_told_before_anything_is_sent(self, server, service, tmp_path):
        path, asset, upload = picture(tmp_path)
        path.unlink()
        with pytest.raises(InputError, match=r"cannot read .*lake\.png"):
            service.create(made(server, {"prompt": "x", "input_reference": asset}, uploads=(upload,)))
        assert not server.asked

    @pytest.mark.parametrize(
        ("action", "body"),
        [
            (EDITS, {"prompt": "snow", "video": {"id": "video_7"}}),
            (EXTENSIONS, {"prompt": "on", "seconds": "8", "video": {"id": "video_7"}}),
            (remix("video_7"), {"prompt": "again"}),
        ],
    )
    @pytest.mark.parametrize("flavour", ["openai", "litellm"])
    def test_a_video_of_the_server_is_named_in_json(self, line, monkeypatch, flavour, action, body):
        with FakeVideos(flavour=flavour, key="") as there:
            openai_videos.service(made(there), line).create(made(there, body, action))
            assert there.asked[0].json == body
            assert there.asked[0].place == f"/v1{action}"

    @pytest.mark.parametrize("flavour", ["openai", "litellm"])
    def test_a_video_of_ones_own_is_edited_as_a_file(self, line, tmp_path, flavour):
        _, asset, upload = picture(tmp_path)
        with FakeVideos(flavour=flavour, key="") as there:
            order = made(there, {"prompt": "snow", "video": asset}, EDITS, (upload,))
            openai_videos.service(order, line).create(order)
            assert there.jobs["video_1="].body["video"].content == (tmp_path / "lake.png").read_bytes()

    @pytest.mark.parametrize("flavour", ["vllm", "sglang", "trtllm"])
    def test_who_has_no_such_call_is_told_of_with_another_way(self, line, tmp_path, flavour):
        _, asset, upload = picture(tmp_path)
        with FakeVideos(flavour=flavour, key="") as there:
            order = made(there, {"prompt": "snow", "video": asset}, EDITS, (upload,))
            with pytest.raises(InvalidInputError, match=r"no call /v1/videos/edits.*input_reference=@video"):
                openai_videos.service(order, line).create(order)

    def test_an_address_that_is_off_is_told_of(self, server, line):
        order = Order(NAME, MODEL, "/videos", BODY, server=f"{server.url}/other")
        with pytest.raises(InvalidInputError, match=r"no call /other/videos.*below /v1"):
            openai_videos.service(order, line).create(order)


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "error", "kind", "words"),
        [
            (400, {"message": "no", "param": "size"}, InvalidInputError, "no"),
            (400, {"message": "flagged", "code": "moderation_blocked"}, ModeratedError, "flagged"),
            (400, {"message": "no", "code": "content_policy_violation"}, ModeratedError, "refuses what it"),
            (400, {"message": "litellm.ContentPolicyViolationError: x", "code": "400"}, ModeratedError, "x"),
            (400, {"message": "no", "misalignment": {"category": "people"}}, ModeratedError, "no"),
            (429, {"message": "used up", "code": "insufficient_quota"}, QuotaError, "used up"),
            (400, {"message": "limit", "code": "billing_hard_limit_reached"}, QuotaError, "limit"),
            (402, {"message": "pay"}, QuotaError, "pay"),
            (403, {"message": "not yours"}, NotAuthorizedError, "not yours"),
            (400, {"message": "No connected db.", "type": "no_db_connection"}, NotAuthorizedError, "the key"),
            (
                404,
                {"message": "no such model", "code": "model_not_found"},
                ModelRetiredError,
                "no such model",
            ),
            (410, {"message": "The Videos API is gone"}, ModelRetiredError, "is gone"),
            (413, None, InvalidInputError, "no reason given"),
        ],
    )
    def test_nothing_is_made_and_nothing_tried_again(self, server, job, status, error, kind, words):
        server.trouble("POST", ".*", Answer(status, b"" if error is None else {"error": error}))
        with pytest.raises(kind, match=words) as caught:
            job.done()
        assert (server.count("POST", ".*"), standing(job.ledger)) == (1, "ready")
        assert getattr(caught.value, "stage", "input") == "input"
        assert getattr(caught.value, "field", None) in (None, "size")

    @pytest.mark.parametrize(
        ("detail", "field"),
        [
            ([{"loc": ["body", "seconds"], "msg": "not whole", "type": "int"}], "seconds"),
            ([{"loc": None, "msg": "not whole"}], None),
            (["not whole"], None),
            ("not whole", None),
        ],
    )
    def test_fastapi_says_it_in_its_own_way(self, server, job, detail, field):
        server.trouble("POST", ".*", Answer(422, {"detail": detail}))
        with pytest.raises(InvalidInputError, match="not whole") as caught:
            job.done()
        assert caught.value.field == field

    def test_another_model_than_the_servers_is_refused_by_it(self, server, line, tmp_path):
        with pytest.raises(InvalidInputError, match="Model mismatch"):
            begun_at(server, line, tmp_path, made(server, BODY | {"model": "other"})).done()

    def test_too_much_at_once_is_tried_again_when_it_says(self, server, job):
        server.trouble("POST", ".*", Answer(429, {"error": {"message": "slowly"}}, {"Retry-After": "7"}))
        job.done()
        assert server.count("POST", ".*") == 2
        assert any("trying again in 7 s" in note for note in job.notes)

    def test_too_much_for_ever_is_told(self, server, job):
        server.trouble("POST", ".*", *[Answer(429, {"error": None})] * 9)
        with pytest.raises(RateLimitedError):
            job.done()


class TestKeys:
    def test_a_server_that_wants_none_needs_none(self, server, line, tmp_path, monkeypatch):
        monkeypatch.delenv("MOVIOLA_SERVER_KEY")
        server.key = ""
        begun_at(server, line, tmp_path / "r").done()
        assert all("authorization" not in asked.headers for asked in server.asked)

    def test_one_that_is_missing_is_told_with_where_to_put_it(self, server, line, tmp_path, monkeypatch):
        monkeypatch.delenv("MOVIOLA_SERVER_KEY")
        with pytest.raises(NotAuthorizedError, match="environment variable MOVIOLA_SERVER_KEY"):
            begun_at(server, line, tmp_path / "r").done()

    def test_openais_own_goes_to_this_machine_and_over_https_only(self, line, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "sk-1")

        def sent(url):
            return openai_videos.service(Order(NAME, "", "/videos", {}, server=url), line).secrets

        assert sent("http://localhost:8000") == {"Authorization": "Bearer sk-1"}
        assert sent("https://gpu.example") == {"Authorization": "Bearer sk-1"}
        assert sent("http://gpu.example") == {}
        monkeypatch.setenv("MOVIOLA_SERVER_KEY", "own")
        assert sent("http://gpu.example") == {"Authorization": "Bearer own"}

    def test_content_wants_it_too(self, server, job):
        job.done()
        assert server.count("GET", f"{PLACE}/content") == 1
        assert all(asked.headers["authorization"] == f"Bearer {server.key}" for asked in server.asked)


class TestLostReplies:
    @pytest.mark.parametrize(
        "trouble",
        [
            DROP,
            LOSE,
            *(Answer(status) for status in (408, 500, 502, 503, 504)),
            *(Answer(200, body) for body in (b"{", b"", [], {}, {"id": None}, {"id": 7}, {"id": ""})),
        ],
    )
    def test_it_is_unknown_and_never_sent_again(self, server, job, trouble):
        server.trouble("POST", ".*", trouble)
        for _ in range(2):
            with pytest.raises(UnknownOutcomeError, match="/v1/videos"):
                job.done()
        assert (server.count("POST", ".*"), standing(job.ledger)) == (1, "unknown")

    def test_the_list_is_not_guessed_from(self, server, job):
        server.trouble("POST", ".*", LOSE)
        with pytest.raises(UnknownOutcomeError, match="could be told from others"):
            job.done()
        assert server.jobs
        assert server.count("GET", ".*") == 0


class TestLooking:
    @pytest.mark.parametrize(
        "trouble", [DROP, Answer(500), Answer(503), Answer(429, {}), Answer(200, b"[]"), Answer(200, {})]
    )
    def test_trouble_with_a_look_loses_no_job(self, server, job, trouble):
        server.trouble("GET", PLACE, trouble, trouble)
        assert job.done().outputs

    @pytest.mark.parametrize(
        "fields", [{"status": None}, {"status": 3}, {"progress": "half", "error": [], "usage": 3, "urls": {}}]
    )
    def test_null_and_strange_fields_lose_no_job(self, server, job, fields):
        strange = {"id": "video_1=", "status": "in_progress", **fields}
        server.trouble("GET", PLACE, Answer(200, strange), Answer(200, strange))
        assert job.done().outputs

    @pytest.mark.parametrize("word", ["processing", "generating", "encoding", "thinking\x1b[2J"])
    def test_words_of_its_own_mean_that_it_runs(self, server, service, word):
        ticket = service.create(made(server))
        server.states = [word]
        seen = service.look(ticket)
        assert (seen.state, seen.words) == ("running", word.replace("\x1b", " "))

    @pytest.mark.parametrize("word", ["deleted", "cancelled", "canceled"])
    def test_what_somebody_else_took_away_is_cancelled(self, server, job, word):
        server.states = [word]
        with pytest.raises(WithdrawnError, match=f"the job is {word}"):
            job.done()
        assert standing(job.ledger) == "cancelled"

    @pytest.mark.parametrize(
        ("said", "share"), [(40, 0.4), (400, 1.0), (-3, 0.0), ("40", None), (True, None)]
    )
    def test_progress_is_a_share(self, server, service, said, share):
        ticket = service.create(made(server))
        server.states, server.fields = ["in_progress"], {"progress": said}
        assert service.look(ticket).progress == share

    @pytest.mark.parametrize(
        ("said", "seconds"), [("2500", 2.5), ("soon", None), ("", None), ("9" * 9, 600.0)]
    )
    def test_it_may_say_when_to_come_again(self, server, service, said, seconds):
        ticket = service.create(made(server))
        server.headers = {"openai-poll-after-ms": said}
        assert service.look(ticket).poll_after_seconds == seconds

    def test_it_is_asked_no_faster_than_the_rule_and_the_server_say(self, server, job):
        server.states = ["in_progress"] * 20
        server.headers = {"openai-poll-after-ms": "4500"}
        waiting = job.line.clock.sleep.__self__
        job.done()
        assert server.jobs["video_1="].looks == 21
        assert waiting.slept[0] >= job.service.rules.poll_seconds
        assert min(waiting.slept[1:]) >= 4.5

    def test_what_it_cost_is_kept_where_it_is_said(self, line, tmp_path):
        with FakeVideos(flavour="litellm", key="") as there:
            assert float(begun_at(there, line, tmp_path).done().cost_usd) == 0.4


class TestFailing:
    """vLLM-Omni answers with the status of the error, and with the job all the same."""

    @pytest.mark.parametrize("status", [400, 404, 422, 500, 503, 504])
    def test_the_status_of_the_reply_is_the_jobs(self, server, job, status):
        server.ends, server.error_status = "failed", status
        server.error = {"code": status, "message": "the engine fell over"}
        with pytest.raises(HostedError, match="the engine fell over"):
            job.done()
        assert standing(job.ledger) == "failed"
        assert server.jobs["video_1="].looks == 3

    @pytest.mark.parametrize(
        ("error", "kind", "words"),
        [
            ({"code": 400, "message": "too many frames"}, InvalidInputError, "too many frames"),
            ({"code": "moderation_blocked", "message": "flagged"}, ModeratedError, "flagged"),
            ({"code": "insufficient_quota", "message": "used up"}, QuotaError, "used up"),
            ({"message": "no memory"}, HostedError, "no memory"),
            ("no memory", HostedError, "no memory"),
            (None, HostedError, "why is not said"),
            ({}, HostedError, "why is not said"),
            ({"code": None, "message": None}, HostedError, "why is not said"),
            (["no"], HostedError, "no"),
        ],
    )
    def test_why_is_told(self, server, job, error, kind, words):
        server.ends, server.fields = "failed", {"error": error}
        with pytest.raises(kind, match=words) as caught:
            job.done()
        assert standing(job.ledger) == "failed"
        assert getattr(caught.value, "stage", None) is None

    def test_completed_with_an_error_has_failed(self, line, tmp_path):
        with FakeVideos(flavour="litellm", key="") as there:
            there.error = {"message": "Gemini made nothing"}
            job = begun_at(there, line, tmp_path)
            with pytest.raises(HostedError, match="Gemini made nothing"):
                job.done()
            assert standing(job.ledger) == "failed"

    @pytest.mark.parametrize("error", [None, {}, "", {"message": None, "code": None}])
    def test_an_error_that_is_none_is_none(self, server, job, error):
        server.fields = {"error": error}
        assert job.done().outputs


class TestOutputs:
    def outputs(self, server, service, **fields):
        ticket = service.create(made(server))
        server.states, server.fields = [], fields
        return service.look(ticket).outputs

    def test_it_lies_at_the_server_and_wants_the_key(self, server, service):
        content = f"{server.url}/v1/videos/video_1%3D/content"
        assert self.outputs(server, service, expires_at=2e9) == (Output(content, expires=2e9, locked=True),)

    def test_several_are_numbered(self, server, line, tmp_path):
        server.fields = {"num_outputs": 3, "urls": [None, None, None]}
        job = begun_at(server, line, tmp_path / "r")
        paths = [tmp_path / "r" / f"{number}.mp4" for number in range(3)]
        assert len(job.done().outputs) == 3
        assert [path.read_bytes() for path in paths] == [b"a film", b"a film, take 1", b"a film, take 2"]

    def test_what_lies_elsewhere_is_fetched_there_without_the_key(self, server, service):
        (output,) = self.outputs(server, service, url="https://bucket.example/a.mp4?sig=1")
        assert output == Output("https://bucket.example/a.mp4?sig=1", locked=False)

    def test_what_is_the_servers_own_gets_the_key(self, server, service):
        (output,) = self.outputs(server, service, url=f"{server.url}/static/a.mp4")
        assert output == Output(f"{server.url}/static/a.mp4", locked=True)

    @pytest.mark.parametrize("url", ["outputs/a.mp4", "/v1/a.mp4", "http://10.0.0.1/a.mp4", 7, {"a": 1}, ""])
    def test_what_is_no_place_to_fetch_from_is_not(self, server, service, url):
        (output,) = self.outputs(server, service, url=url)
        assert output == Output(f"{server.url}/v1/videos/video_1%3D/content", locked=True)

    @pytest.mark.parametrize("said", [0, -1, 10**9, "3", None, True])
    def test_strange_counts_are_kept_in_bounds(self, server, service, said):
        assert 1 <= len(self.outputs(server, service, num_outputs=said)) <= 100

    def test_a_file_that_is_not_there_yet_is_asked_for_again(self, server, job):
        server.trouble("GET", f"{PLACE}/content", Answer(404, {"detail": "Generation is still in-progress"}))
        assert job.done().outputs

    def test_a_file_that_stays_away_leaves_the_job_open(self, server, job):
        server.trouble("GET", f"{PLACE}/content", *[Answer(404)] * 9)
        with pytest.raises(LinkGoneError):
            job.done()
        assert standing(job.ledger) == "fetching"


class TestCancelling:
    @pytest.mark.parametrize("status", [400, 404, 405, 422, 501])
    def test_what_cannot_be_given_up_goes_on(self, server, job, status):
        server.trouble("DELETE", PLACE, Answer(status, {"error": {"message": "no"}}))
        events = job.begun()
        next(events)
        job.ledger.claim("cancel", {})
        list(events)
        assert standing(job.ledger) == "done"

    def test_what_is_being_given_up_is_waited_for(self, server, job):
        server.trouble("DELETE", PLACE, Answer(409, {"error": {"message": "draining"}}))
        events = job.begun()
        next(events)
        job.ledger.claim("cancel", {})
        with pytest.raises(WithdrawnError, match="gives the job up"):
            list(events)
        assert server.count("DELETE", PLACE) == 2

    def test_what_it_did_not_delete_is_told(self, server, service):
        ticket = service.create(made(server))
        server.trouble("DELETE", PLACE, Answer(200, {"deleted": False}), Answer(500), Answer(204))
        with pytest.raises(CannotCancelError, match="did not"):
            service.cancel(ticket)
        with pytest.raises(ProviderDownError):
            service.cancel(ticket)
        assert "gives the job up" in service.cancel(ticket)


class TestAddresses:
    @pytest.mark.parametrize(
        ("given", "base"),
        [
            ("http://localhost:8000", "http://localhost:8000/v1"),
            ("http://localhost:8000/", "http://localhost:8000/v1"),
            ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
            ("http://localhost:8000/v1/videos", "http://localhost:8000/v1"),
            (" https://gpu.example/openai/v1 ", "https://gpu.example/openai/v1"),
        ],
    )
    def test_v1_is_meant_where_nothing_else_is_said(self, given, base):
        assert str(address(given)) == base

    @pytest.mark.parametrize("given", ["", "localhost:8000", "ftp://x", "http://", "http://[::1"])
    def test_what_is_none_is_refused(self, given):
        with pytest.raises(RequestError, match="is no address"):
            address(given)

    def test_a_password_in_it_would_be_kept_with_the_job(self):
        with pytest.raises(RequestError, match="MOVIOLA_SERVER_KEY") as caught:
            address("https://me:secret@gpu.example/v1")
        assert "secret" not in str(caught.value)


def test_offline_no_server_but_of_this_machine_is_asked(line, monkeypatch):
    monkeypatch.setenv("MOVIOLA_OFFLINE", "1")
    order = Order(NAME, "", "/videos", {"prompt": "x"}, server="http://gpu.example:8000/v1")
    with pytest.raises(RequestError, match=r"gpu\.example is not asked"):
        openai_videos.service(order, line).create(order)

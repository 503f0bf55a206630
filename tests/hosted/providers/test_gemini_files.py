"""Files brought to Google once, however often it is asked for."""

import hashlib

import pytest

from fake_gemini_files import FakeFiles
from fake_provider import DROP, LOSE, Answer, FakeProvider
from moviola.errors import (
    HostedError,
    InputError,
    InvalidInputError,
    NotAuthorizedError,
    ProviderDownError,
    QuotaError,
)
from moviola.hosted.keys import Key
from moviola.hosted.patience import passes, patiently
from moviola.hosted.providers.gemini_files import GeminiFiles
from moviola.hosted.service import Rules, Upload
from moviola.hosted.transport import Transport

KEY = "google-key-of-the-tests"
STARTS = "/upload/v1beta/files"


class Server(FakeProvider):
    def __init__(self):
        super().__init__()
        self.files = FakeFiles(self.url)

    def handle(self, asked):
        if not asked.place.startswith("/room/"):
            assert asked.headers["x-goog-api-key"] == KEY
        return self.files.handle(asked)


@pytest.fixture
def server():
    with Server() as there:
        yield there


@pytest.fixture
def files(server, waiting):
    with Transport(clock=waiting.clock, silence=2.0) as line:
        yield GeminiFiles(line, Key("tests", KEY), server.url)


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"a clip")
    return Upload(str(path), hashlib.sha256(b"a clip").hexdigest(), "video/mp4", 6)


def brought(files, video, attempts=5):
    asking = patiently(lambda: files.upload(video), Rules(attempts=attempts), files.transport.clock)
    while True:
        try:
            next(asking)
        except StopIteration as stop:
            return stop.value


def test_a_file_is_brought_and_waited_for(server, files, video):
    server.files.prepared_after = 3
    uploaded = brought(files, video)
    (held,) = server.files.held.values()
    assert uploaded.url == f"{server.url}/v1beta/{held.name}"
    assert uploaded.expires == pytest.approx(2_000_000_000.123456)
    assert (held.content, held.kind, held.title) == (b"a clip", "video/mp4", "clip.mp4")
    assert server.count("POST", STARTS) == 1


def test_what_is_there_is_not_brought_again(server, files, video):
    assert brought(files, video) == brought(files, video)
    assert server.count("POST", STARTS) == 1


def test_after_a_day_it_is(server, files, video, waiting):
    brought(files, video)
    waiting.time += 24 * 3600
    brought(files, video)
    assert len(server.files.held) == 2


def test_another_key_another_file(server, files, video):
    assert files._id(video) != GeminiFiles(files.transport, Key("", "other"))._id(video)
    assert len(files._id(video)) == 40
    assert KEY not in files._id(video)


@pytest.mark.parametrize("path", [STARTS, "/room/.*", "/v1beta/files/.*"])
@pytest.mark.parametrize("trouble", [DROP, LOSE, Answer(503, b""), Answer(200, b"[]"), Answer(429, {})])
def test_trouble_brings_it_no_second_time(server, files, video, path, trouble):
    server.trouble("GET" if "v1beta/files/" in path else "POST", path, trouble)
    brought(files, video)
    (held,) = server.files.held.values()
    assert held.content == b"a clip"
    assert server.count("POST", "/room/.*") <= 2


def test_a_lost_answer_to_the_bytes_is_found_again(server, files, video):
    server.trouble("POST", "/room/.*", LOSE)
    brought(files, video)
    assert server.count("POST", "/room/.*") == 1


def test_what_another_process_brings_is_waited_for(server, files, video):
    server.trouble("POST", STARTS, Answer(409, {"error": {"code": 409, "message": "it is there"}}))
    with pytest.raises(ProviderDownError, match="another process") as caught:
        files.upload(video)
    assert passes(caught.value)


def test_what_google_cannot_read_is_no_passing_trouble(server, files, video):
    server.files.broken = True
    with pytest.raises(InvalidInputError, match=r"nothing of clip\.mp4: it is no video"):
        brought(files, video)


def test_what_is_never_ready_is_told(server, files, video):
    server.files.prepared_after = 99
    with pytest.raises(ProviderDownError, match=r"still prepares clip\.mp4"):
        brought(files, video)
    assert server.count("POST", STARTS) == 1


def test_a_file_that_is_gone_here(server, files, video, tmp_path):
    (tmp_path / "clip.mp4").unlink()
    with pytest.raises(InputError, match="cannot read"):
        files.upload(video)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (
            400,
            {"message": "API key not valid.", "details": [{"reason": "API_KEY_INVALID"}]},
            NotAuthorizedError,
        ),
        (403, {"message": "not allowed", "status": "PERMISSION_DENIED"}, NotAuthorizedError),
        (429, {"message": "storage: your prepayment credits are depleted"}, QuotaError),
        (418, {"message": "a teapot"}, HostedError),
    ],
)
def test_refusals_are_told_and_not_tried_again(server, files, video, status, error, kind):
    server.trouble("POST", STARTS, Answer(status, {"error": {"code": status, **error}}))
    with pytest.raises(kind):
        brought(files, video)
    assert server.count("POST", STARTS) == 1


def test_a_start_without_room_may_be_tried_again(server, files, video):
    server.trouble("POST", STARTS, Answer(200, {}))
    brought(files, video)
    assert server.count("POST", STARTS) == 2


@pytest.mark.parametrize("said", [None, 7, "soon"])
def test_a_time_that_makes_no_sense_is_two_days(server, files, video, said, waiting):
    whole = server.files.said
    server.files.said = lambda held: whole(held) | {"expirationTime": said}
    assert brought(files, video).expires == pytest.approx(waiting.time + 2 * 24 * 3600, abs=60)

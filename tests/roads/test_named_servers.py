"""A request to a server that the user names becomes a file, whatever the server's kind."""

import numpy as np
import pytest
from PIL import Image

import moviola
from fake_provider import LOSE
from fake_videos import FakeVideos
from moviola.clip import Clip
from moviola.errors import RequestError, UnknownOutcomeError
from moviola.hosted.providers.openai_videos import OpenAIVideos
from moviola.hosted.service import Rules

pytest.importorskip("dbos")

from moviola import jobs


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    pictures = np.random.default_rng(0).integers(0, 255, (8, 64, 96, 3), dtype=np.uint8)
    Clip(pictures, rate=32).save(path)
    return path.read_bytes()


@pytest.fixture
def server(monkeypatch, tmp_path, film):
    monkeypatch.setenv("MOVIOLA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(OpenAIVideos, "rules", Rules(poll_seconds=0.02, first_poll_seconds=0.02))
    monkeypatch.chdir(tmp_path)
    with FakeVideos(film) as there:
        monkeypatch.setenv("MOVIOLA_SERVER_KEY", there.key)
        yield there


def test_a_prompt_becomes_a_file_that_says_where_it_was_made(server):
    address = f"{server.url}/v1"
    result = moviola.generate("a lake", model=server.model, server=address, seed=4, steps=20)
    assert (result.frames, result.width, result.height) == (8, 96, 64)
    said = moviola.probe(result.output).recipe
    assert (said["provider"], said["provider_model"]) == ("openai-videos", "acme/video-1")
    assert (said["request"]["server"], said["request"]["steps"]) == (address, 20)
    assert server.key.encode() not in result.output.read_bytes()


def test_the_variables_are_enough(server, monkeypatch):
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    assert moviola.generate("a lake", model=server.model).frames == 8


def test_a_picture_goes_with_the_request(server):
    Image.new("RGB", (96, 64)).save("lake.png")
    moviola.generate("a lake", model=server.model, server=server.url, image="lake.png")
    assert server.jobs["video_1="].body["input_reference"].name == "lake.png"


def test_a_video_is_edited_as_a_reference(server, film, tmp_path):
    (tmp_path / "in.mp4").write_bytes(film)
    options = {"input_reference": "@video"}
    edited = moviola.edit("in.mp4", "make it snow", model=server.model, server=server.url, options=options)
    assert edited.output.name == "in-edit.mp4"
    sent = server.jobs["video_1="].body["input_reference"]
    assert (sent.kind, sent.content) == ("video/mp4", film)


def test_without_a_server_no_job_is_kept(server):
    with pytest.raises(RequestError, match="name the one that runs"):
        moviola.generate("a lake", model=server.model)
    assert not jobs.listed()


def test_a_lost_reply_leaves_a_job_that_is_unknown(server):
    server.trouble("POST", ".*", LOSE)
    with pytest.raises(UnknownOutcomeError):
        moviola.generate("a lake", model=server.model, server=server.url)
    assert jobs.listed()[0].state == "unknown"
    assert server.count("POST", ".*") == 1

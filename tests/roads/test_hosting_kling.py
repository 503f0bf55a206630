"""Jobs at a provider that knows them by our own name, and takes pictures within the request."""

import base64

import numpy as np
import pytest
from PIL import Image

import moviola
from fake_kling import FakeKling, said
from fake_provider import LOSE
from moviola.clip import Clip
from moviola.errors import RequestError, UnknownOutcomeError
from moviola.hosted.providers import kling
from moviola.hosted.service import Rules

pytest.importorskip("dbos")

from moviola import jobs


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    Clip(np.random.default_rng(0).integers(0, 255, (8, 64, 96, 3), dtype=np.uint8), rate=32).save(path)
    return path.read_bytes()


@pytest.fixture
def there(monkeypatch, tmp_path, film):
    monkeypatch.setenv("MOVIOLA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOVIOLA_KEYS", str(tmp_path / "keys.toml"))
    quick = Rules(poll_seconds=0.02, first_poll_seconds=0.02, attempts=3, pause_seconds=0.02)
    monkeypatch.setattr(kling.Kling, "rules", quick)
    monkeypatch.chdir(tmp_path)
    with FakeKling(film) as fake:
        for name, value in fake.environment.items():
            monkeypatch.setenv(name, value)
        yield fake


def only(there):
    (job,) = there.jobs.values()
    return job


def test_a_prompt_becomes_a_file_under_the_job_s_own_name(there):
    result = moviola.generate("a lake", model=there.model)
    (job,) = jobs.listed()
    assert (job.state, only(there).body["external_task_id"]) == ("done", job.id)
    assert (result.frames, result.recipe["provider_model"]) == (8, "kling-v3")


def test_a_job_whose_reply_is_lost_is_found_and_not_paid_twice(there):
    there.trouble(*there.create, LOSE)
    moviola.generate("a lake", model=there.model)
    assert jobs.listed()[0].state == "done"
    assert there.count(*there.create) == 1


def test_one_that_is_not_found_is_unknown(there):
    there.trouble(*there.create, said(5000, "internal error"))
    with pytest.raises(UnknownOutcomeError):
        moviola.generate("a lake", model=there.model)
    assert jobs.listed()[0].state == "unknown"
    assert there.count(*there.create) == 1


def test_a_picture_goes_within_the_request(there):
    Image.new("RGB", (480, 320)).save("lake.png")
    moviola.generate("a lake", model=there.model, image="lake.png")
    with open("lake.png", "rb") as file:
        assert base64.b64decode(only(there).body["image"]) == file.read()


def test_a_video_is_edited_by_its_address(there):
    edited = moviola.edit(
        "https://x.example/film.mp4", "make it snow", model="kling/v3-omni", output="snow.mp4"
    )
    assert edited.output.name == "snow.mp4"
    assert only(there).body["video_list"][0]["video_url"] == "https://x.example/film.mp4"
    with pytest.raises(RequestError, match="by an https address alone"):
        moviola.edit("snow.mp4", "make it snow", model="kling/v3-omni")
    assert len(jobs.listed()) == 1

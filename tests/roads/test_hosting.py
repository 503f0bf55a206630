"""A request to a hosted model becomes a file with its recipe, whatever comes between."""

import json
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from decimal import Decimal

import numpy as np
import pytest
from PIL import Image

import moviola
from fake_fal import FakeFal
from fake_provider import LOSE, Answer
from moviola.clip import Clip
from moviola.errors import (
    InputError,
    ModeratedError,
    NotAuthorizedError,
    OutputError,
    QuotaError,
    RequestError,
    UnknownOutcomeError,
)
from moviola.hosted.providers import fal_queue
from moviola.hosted.service import Rules
from moviola.hosted.transport import Transport
from moviola.roads import hosting
from moviola.tasks import Generate, request

pytest.importorskip("dbos")

from moviola import jobs
from moviola.jobs.store import Store


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """What fal makes: eight pictures of a quarter of a second together."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    pictures = np.random.default_rng(0).integers(0, 255, (8, 64, 96, 3), dtype=np.uint8)
    Clip(pictures, rate=32).save(path)
    return path.read_bytes()


@pytest.fixture
def fal(monkeypatch, tmp_path, film):
    monkeypatch.setenv("MOVIOLA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOVIOLA_KEYS", str(tmp_path / "keys.toml"))
    monkeypatch.setattr(fal_queue.FalQueue, "rules", Rules(poll_seconds=0.02, first_poll_seconds=0.02))
    monkeypatch.chdir(tmp_path)
    with FakeFal(film) as there:
        monkeypatch.setenv("FAL_KEY", there.key)
        monkeypatch.setenv("MOVIOLA_FAL_URL", there.url)
        yield there


def asked(**fields):
    return request(Generate, {"prompt": "a lake", "model": "pika/2.2"} | fields)


def test_a_prompt_becomes_a_file_that_says_how_it_was_made(fal, film, tmp_path):
    result = moviola.generate("a lake", model="pika/2.2", seed=4)
    assert result.output.name == "a-lake.mp4"
    assert (result.frames, result.width, result.height) == (8, 96, 64)
    said = moviola.probe(result.output).recipe
    assert said == result.recipe
    assert (said["provider"], said["provider_model"]) == ("fal", "fal-ai/pika/v2.2/text-to-video")
    assert (said["model"], said["job"], said["request"]["seed"]) == ("pika/2.2", "r-1", 4)
    everything = result.output.read_bytes() + json.dumps(said).encode()
    assert fal.key.encode() not in everything


def test_where_a_job_is_called_about_is_ordered_once(fal, tmp_path, monkeypatch):
    fal.trouble("POST", "/fal-ai/.*", Answer(402, {"detail": "no balance"}))
    store = Store()
    store.prepare()
    with Transport() as line, closing(store):
        for host in ("my.host", "other.host"):
            monkeypatch.setenv("MOVIOLA_WEBHOOKS", f"https://{host}")
            with suppress(QuotaError):
                list(hosting.host(asked(), store.ledger("job"), tmp_path / "job", line))
    assert fal.count("POST", "/fal-ai/.*") == 2
    assert fal.jobs["r-1"].webhook == "https://my.host/webhooks/fal"


def test_an_address_that_nobody_can_call_is_refused_before_a_job_is_kept(fal, monkeypatch):
    monkeypatch.setenv("MOVIOLA_WEBHOOKS", "my.host")
    with pytest.raises(RequestError, match="MOVIOLA_WEBHOOKS is no address"):
        moviola.generate("a lake", model="pika/2.2")
    assert (jobs.listed(), fal.asked) == ([], [])


def test_no_picture_is_encoded_again(fal, film, tmp_path):
    (tmp_path / "made.mp4").write_bytes(film)
    result = moviola.generate("a lake", model="pika/2.2")
    made, kept = (Clip(path).source.read(start=0, stop=None, chunk=8) for path in ("made.mp4", result.output))
    assert (next(made).data == next(kept).data).all()


def test_another_codec_is_encoded(fal):
    result = moviola.generate("a lake", model="pika/2.2", output="lake.webm", codec="vp9")
    assert moviola.probe(result.output).video.codec == "vp9"


def test_a_picture_is_brought_along(fal):
    Image.new("RGB", (96, 64)).save("lake.png")
    moviola.generate("a lake", model="pika/2.2", image="lake.png")
    assert fal.jobs["r-1"].app.endswith("image-to-video")
    assert next(iter(fal.kept)) == "0-lake.png"


def test_several_pictures_are_brought_along_in_their_order(fal):
    for name, colour in (("cat.png", "white"), ("dog.png", "brown"), ("lake.png", "blue")):
        Image.new("RGB", (96, 64), colour).save(name)
    result = moviola.generate(
        "they meet", model="pika/2.2-scenes", reference="cat.png", references=["dog.png", "lake.png"]
    )
    names = [url.rpartition("-")[2] for url in fal.jobs["r-1"].body["image_urls"]]
    assert names == ["cat.png", "dog.png", "lake.png"]
    assert {"reference", "references.0", "references.1"} <= set(result.recipe["inputs"])


def test_pictures_go_where_an_option_places_them(fal):
    for name in ("cat.png", "dog.png"):
        Image.new("RGB", (96, 64)).save(name)
    options = {"pictures": "@references"}
    moviola.generate("they meet", model="fal/acme/meet", references=["cat.png", "dog.png"], options=options)
    assert len(fal.jobs["r-1"].body["pictures"]) == 2


def test_any_app_edits_by_its_path(fal, film, tmp_path):
    (tmp_path / "in.mp4").write_bytes(film)
    edited = moviola.edit("in.mp4", "make it snow", model="fal/acme/snow", options={"strength": 0.5})
    assert edited.output.name == "in-edit.mp4"
    body = fal.jobs["r-1"].body
    assert (body["prompt"], body["strength"]) == ("make it snow", 0.5)
    assert body["video_url"].endswith("in.mp4")


def test_only_the_stretch_that_is_meant_is_sent(fal, film, tmp_path):
    (tmp_path / "in.mp4").write_bytes(film)
    moviola.edit("in.mp4", "make it snow", model="fal/acme/snow", range="0s..0.125s")
    (tmp_path / "sent.mp4").write_bytes(next(iter(fal.kept.values())))
    assert len(Clip("sent.mp4").timeline()) == 4


def test_the_words_of_a_preset_are_sent_and_told(fal):
    result = moviola.generate("a lake", model="pika/2.2", preset="macro")
    sent = fal.jobs["r-1"].body["prompt"]
    assert sent.startswith("a lake, macro shot")
    assert f"prompt: {sent}" in result.notes


class TestSeveral:
    def test_each_is_a_job_with_a_seed_and_a_file_of_its_own(self, fal):
        result = moviola.generate("a lake", model="pika/2.2", count=3, seed=7)
        made = [result, *result.takes]
        assert [one.output.name for one in made] == ["a-lake-1.mp4", "a-lake-2.mp4", "a-lake-3.mp4"]
        assert sorted(job.body["seed"] for job in fal.jobs.values()) == [7, 8, 9]
        assert {job.estimate_usd for job in jobs.listed()} == {Decimal("0.20")}
        assert all(one.output.exists() for one in made)

    def test_the_limit_is_for_all_together(self, fal):
        with pytest.raises(RequestError, match=r"\$0\.60 for 3 videos.*above the max_cost of \$0\.50"):
            moviola.generate("a lake", model="pika/2.2", count=3, max_cost="0.50")
        assert not fal.asked

    def test_one_that_is_there_already_stops_all(self, fal, tmp_path):
        (tmp_path / "a-lake-2.mp4").touch()
        with pytest.raises(OutputError, match="a-lake-2"):
            moviola.generate("a lake", model="pika/2.2", count=3)
        assert not fal.asked


def test_it_is_made_again_from_its_recipe(fal):
    moviola.generate("a lake", model="pika/2.2", seed=4)
    again = moviola.again("a-lake.mp4", seed=5)
    assert again.output.name == "a-lake-again.mp4"
    first, second = (job.body for job in fal.jobs.values())
    assert second == first | {"seed": 5}
    assert len(jobs.listed()) == 2


def test_it_is_compared_with_its_input(fal, film, tmp_path):
    (tmp_path / "in.mp4").write_bytes(film)
    result = moviola.edit("in.mp4", "snow", model="fal/acme/snow", compare="both.mp4")
    assert result.comparison.name == "both.mp4"
    assert Clip("both.mp4").width > 2 * 90


class TestCosts:
    def test_they_are_told_without_a_key_and_without_asking_anybody(self, fal, monkeypatch):
        monkeypatch.delenv("FAL_KEY")
        assert hosting.prepare(asked(seconds=10)).told.money.usd == Decimal("0.40")
        assert not fal.asked

    def test_above_the_limit_nothing_is_sent_and_no_job_kept(self, fal):
        with pytest.raises(RequestError, match=r"\$0\.20.*above the max_cost of \$0\.10"):
            moviola.generate("a lake", model="pika/2.2", max_cost="0.10")
        assert not fal.asked
        assert not jobs.listed()

    def test_without_a_known_price_no_limit_can_be_kept(self, fal):
        with pytest.raises(RequestError, match="not known"):
            moviola.generate("a lake", model="fal/acme/lake", max_cost=100)
        assert not fal.asked

    def test_the_policys_limits_hold_too(self, fal, tmp_path, monkeypatch):
        monkeypatch.setenv("MOVIOLA_POLICY", str(tmp_path / "policy.toml"))
        decided = (tmp_path / "policy.toml").write_text
        decided("max_cost = 0.19")
        with pytest.raises(RequestError, match=r"above the max_cost of \$0\.19"):
            moviola.generate("a lake", model="pika/2.2", max_cost="5.00")
        decided('hosted = ["runway"]')
        with pytest.raises(RequestError, match="allows of those: runway"):
            moviola.generate("a lake", model="pika/2.2")
        decided("max_cost_a_day = 0.30")
        moviola.generate("a lake", model="pika/2.2", output="first.mp4")
        with pytest.raises(RequestError, match=r"\$0\.20 more make \$0\.40 today, above .* of \$0\.30"):
            moviola.generate("a lake", model="pika/2.2", output="second.mp4")
        assert len(fal.jobs) == len(jobs.listed()) == 1

    def test_the_estimate_is_on_the_job(self, fal):
        moviola.generate("a lake", model="pika/2.2")
        assert jobs.listed()[0].estimate_usd == Decimal("0.20")


class TestNothingIsSent:
    @pytest.mark.parametrize(
        ("fields", "kind"),
        [
            ({"seconds": 7}, RequestError),
            ({"options": {"x": 1}}, RequestError),
            ({"image": "none.png"}, InputError),
            ({"output": "there.mp4"}, OutputError),
        ],
    )
    def test_for_what_cannot_be(self, fal, tmp_path, fields, kind):
        (tmp_path / "there.mp4").touch()
        with pytest.raises(kind):
            moviola.generate("a lake", model="pika/2.2", **fields)
        assert not fal.asked
        assert not jobs.listed()

    def test_without_a_key(self, fal, monkeypatch):
        monkeypatch.delenv("FAL_KEY")
        monkeypatch.setitem(sys.modules, "keyring", None)
        with pytest.raises(NotAuthorizedError, match="FAL_KEY"):
            moviola.generate("a lake", model="pika/2.2")
        assert not fal.asked
        assert not jobs.listed()


def test_what_moderation_stops_is_told_with_the_field(fal):
    entry = {"loc": ["body", "prompt"], "msg": "flagged", "type": "content_policy_violation"}
    fal.result = Answer(422, {"detail": [entry]})
    with pytest.raises(ModeratedError, match="in prompt"):
        moviola.generate("a lake", model="pika/2.2")
    assert jobs.listed()[0].state == "failed"


def test_a_lost_reply_leaves_a_job_that_is_unknown(fal):
    fal.trouble("POST", ".*", LOSE)
    with pytest.raises(UnknownOutcomeError):
        moviola.generate("a lake", model="pika/2.2")
    assert jobs.listed()[0].state == "unknown"
    assert fal.count("POST", ".*") == 1


def test_a_job_that_is_left_is_gone_on_with(fal, tmp_path):
    fal.states = [{"status": "IN_PROGRESS"}] * 10
    id = jobs.submit(asked(output="lake.mp4"))
    events = jobs.follow(id)
    while not fal.jobs:
        next(events)
    events.close()
    assert not (tmp_path / "lake.mp4").exists()
    assert jobs.wait([id])[0].state == "done"
    assert Clip("lake.mp4").info.video.width == 96
    assert fal.count("POST", ".*") == 1


def command(*words):
    return subprocess.run(
        [sys.executable, "-m", "moviola", *words], capture_output=True, text=True, timeout=60
    )


def test_the_command_line_tells_costs_and_makes_the_file(fal, tmp_path):
    told = command("generate", "a lake", "--model", "pika/2.2", "--size", "1920x1080", "--cost")
    assert told.stdout == "pika/2.2: about $0.45 ($0.09 a second, as of 2026-11-26)\n"
    assert not fal.asked
    refused = command("generate", "a lake", "--model", "pika/2.2", "--max-cost", "0.10")
    assert (refused.returncode, fal.asked) == (2, [])
    made = command("generate", "a lake", "--model", "pika/2.2", "-o", "lake.mp4")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "lake.mp4").exists()
    assert fal.key not in made.stdout + made.stderr


def test_stopping_the_command_leaves_a_job_that_is_made_once(fal, tmp_path):
    fal.states = [{"status": "IN_PROGRESS"}] * 2
    words = [sys.executable, "-m", "moviola", "generate", "a lake", "--model", "pika/2.2", "-o", "lake.mp4"]
    running = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    until = time.monotonic() + 30
    while not fal.jobs and time.monotonic() < until:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "moviola jobs resume goes on" in said
    assert not (tmp_path / "lake.mp4").exists()
    gone_on = command("jobs", "resume")
    assert gone_on.returncode == 0, gone_on.stderr
    assert (tmp_path / "lake.mp4").exists()
    assert fal.count("POST", ".*") == 1

"""Gemini Omni: what is sent, what it will cost, and what is refused before anything is."""

from decimal import Decimal

import numpy as np
import pytest

import moviola
from fake_gemini_omni import FakeGeminiOmni
from moviola import registry
from moviola.errors import ModelRetiredError, NotAuthorizedError, RequestError
from moviola.hosted.pricing import estimate
from moviola.hosted.service import Given
from moviola.hosted.shaping import check_offered, settle
from moviola.hosted.transport import Transport
from moviola.tasks import Edit, Generate, request

PNG = Given("asset:1", "image/png")


def order(files=None, verb=Generate, options=None, **fields):
    family, card = registry.find(fields.pop("model", "gemini-omni"), task=verb.verb)
    wanted = {"prompt": "a lake", "model": card.id} | ({"video": "in.mov"} if verb is Edit else {})
    settled, _ = settle(request(verb, wanted | fields), card)
    return family.order(settled, card, family.Options.model_validate(options or {}), files or {})


def edit(options=None, **fields):
    return order({"video": Given("asset:2", "video/quicktime")}, Edit, options, **fields)


def test_a_text_becomes_three_seconds_in_720p():
    made = order()
    assert (made.provider, made.model, made.action) == ("gemini", "gemini-omni-1.1-flash", "text_to_video")
    assert made.body == {
        "model": "gemini-omni-1.1-flash",
        "input": [{"type": "text", "text": "a lake"}],
        "background": True,
        "store": True,
        "response_format": {
            "type": "video",
            "delivery": "uri",
            "resolution": "720p",
            "aspect_ratio": "16:9",
            "duration": "3s",
        },
        "generation_config": {"video_config": {"task": "text_to_video"}},
    }


@pytest.mark.parametrize(
    ("fields", "form"),
    [
        ({"size": "3840x2160"}, ("4k", "16:9", "3s")),
        ({"size": "360x640", "seconds": 10}, ("360p", "9:16", "10s")),
        ({"aspect": "9:16"}, ("720p", "9:16", "3s")),
        ({"model": "gemini-omni/1.2-flash", "seconds": 15, "size": "1920x1080"}, ("1080p", "16:9", "15s")),
    ],
)
def test_size_and_length_are_said_in_googles_words(fields, form):
    said = order(**fields).body["response_format"]
    assert (said["resolution"], said["aspect_ratio"], said["duration"]) == form


@pytest.mark.parametrize(
    ("files", "task"),
    [
        ({"image": PNG}, "image_to_video"),
        ({"reference": PNG}, "reference_to_video"),
        ({"image": PNG, "last_image": PNG}, None),
        ({"image": PNG, "reference": PNG}, None),
    ],
)
def test_pictures_go_before_the_words(files, task):
    body = order(files, **dict.fromkeys(files, "a.png")).body
    picture = {"type": "image", "uri": "asset:1", "mime_type": "image/png"}
    assert body["input"] == [picture] * len(files) + [{"type": "text", "text": "a lake"}]
    assert body.get("generation_config", {}).get("video_config", {}).get("task") == task


def test_an_edit_is_as_long_and_of_the_shape_of_its_video():
    made = edit()
    assert made.body["input"][0] == {"type": "video", "uri": "asset:2", "mime_type": "video/mov"}
    assert made.body["response_format"] == {"type": "video", "delivery": "uri"}
    assert made.body["generation_config"] == {"video_config": {"task": "edit"}}
    assert made.priced == {}


def test_an_extension_has_a_length_of_its_own():
    made = edit({"task": "extend", "seconds": 7}, size="1920x1080")
    assert made.body["response_format"] == {
        "type": "video",
        "delivery": "uri",
        "resolution": "1080p",
        "duration": "7s",
    }
    assert made.action == "extend"


def test_a_turn_goes_on_from_a_job():
    made = order(options={"previous": "v1_x", "delivery": "inline"})
    assert made.body["previous_interaction_id"] == "v1_x"
    assert made.body["response_format"] == {"type": "video", "delivery": "inline", "resolution": "720p"}
    assert (made.action, made.priced) == ("edit", {})


def test_a_seed_is_passed_on():
    assert order(seed=4).body["generation_config"]["seed"] == 4


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: order(aspect="1"), "makes 16:9, 9:16, not"),
        (lambda: order(seconds=2), "makes 3 to 10, not 2"),
        (lambda: order(seconds=11), "not 11"),
        (lambda: order(size="640x480"), "the nearest is 640x360"),
        (lambda: order(fps=30), "not told its fps"),
        (lambda: order(seed=2**31), "at most 2147483647"),
        (lambda: order({"last_image": PNG}, last_image="a.png"), "give image too"),
        (
            lambda: order(
                {"image": PNG, "last_image": PNG},
                model="gemini-omni/1.2-flash",
                image="a.png",
                last_image="b.png",
                seconds=12,
            ),
            "at most 10 from one frame to another",
        ),
        (lambda: order(options={"task": "extend"}), "one of text_to_video, .*, not extend"),
        (lambda: order(options={"seconds": 5}), "of an extension"),
        (lambda: edit({"task": "text_to_video"}), "one of edit, extend, upscale here"),
        (lambda: edit({"seconds": 5}), "of an extension"),
        (lambda: edit(size="100x100"), "the nearest is 640x360"),
    ],
)
def test_what_it_cannot_do_is_said_before_anything_is_sent(make, words):
    with pytest.raises(RequestError, match=words):
        make()


@pytest.mark.parametrize("options", [{"x": 1}, {"task": "dance"}, {"seconds": 2}, {"previous": ""}])
def test_options_are_checked(options):
    with pytest.raises(ValueError, match="validation error"):
        order(options=options)


@pytest.mark.parametrize(
    ("fields", "usd"),
    [
        ({}, "0.3042"),
        ({"seconds": 10}, "1.014"),
        ({"seconds": 10, "size": "360x640"}, "0.338"),
        ({"size": "1920x1080"}, "0.4563"),
        ({"size": "2160x3840"}, "0.9123"),
    ],
)
def test_prices_are_those_of_the_tokens(fields, usd):
    _, card = registry.find("gemini-omni")
    assert estimate(card, order(**fields).priced).money.usd == Decimal(usd)


def test_an_edit_costs_as_its_video_is_long():
    _, card = registry.find("gemini-omni")
    clip = {"video": Given("asset:2", "video/mp4", seconds=4.0)}
    assert estimate(card, order(clip, Edit).priced).money.usd == Decimal("0.4056")
    assert order(clip, Edit, {"task": "extend"}).priced == {}


def test_an_estimate_is_never_below_what_the_tokens_cost():
    _, card = registry.find("gemini-omni")
    told = estimate(card, order(seconds=10).priced).money.usd
    assert told >= Decimal(57920) * Decimal("17.5") / 10**6


def test_the_preview_is_gone_and_its_successor_named():
    _, card = registry.find("gemini-omni/flash-preview")
    with pytest.raises(ModelRetiredError, match=r"ended on 2026-09-30; use gemini-omni/1\.1-flash"):
        check_offered(card)


@pytest.mark.parametrize("name", ["GEMINI_API_KEY", "GOOGLE_API_KEY"])
def test_the_key_is_either_of_two(monkeypatch, tmp_path, name):
    monkeypatch.setenv("MOVIOLA_KEYS", str(tmp_path / "none.toml"))
    for other in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(other, raising=False)
    family, _ = registry.find("gemini-omni")
    with Transport() as line:
        with pytest.raises(NotAuthorizedError, match="GEMINI_API_KEY"):
            family.service(order(), line)
        monkeypatch.setenv(name, "k")
        assert family.service(order(), line).secrets == {"x-goog-api-key": "k"}


def test_nothing_is_loaded():
    family, card = registry.find("gemini-omni")
    with pytest.raises(RequestError, match="not loaded"):
        family.load(card, None)


class TestOnTheRoad:
    @pytest.fixture
    def gemini(self, monkeypatch, tmp_path, film):
        pytest.importorskip("dbos")
        from moviola.hosted.providers.gemini_interactions import GeminiInteractions
        from moviola.hosted.service import Rules

        monkeypatch.setenv("MOVIOLA_HOME", str(tmp_path / "home"))
        quick = Rules(poll_seconds=0.02, first_poll_seconds=0.02, pause_seconds=0.02)
        monkeypatch.setattr(GeminiInteractions, "rules", quick)
        monkeypatch.chdir(tmp_path)
        with FakeGeminiOmni(film) as there:
            for name, value in there.environment.items():
                monkeypatch.setenv(name, value)
            yield there

    @pytest.fixture
    def film(self, tmp_path):
        path = tmp_path / "film.mp4"
        moviola.Clip(np.full((8, 64, 96, 3), 90, np.uint8), rate=24).save(path)
        return path.read_bytes()

    def test_a_prompt_becomes_a_file_that_says_what_it_cost(self, gemini):
        result = moviola.generate("a lake", model="gemini-omni")
        assert (result.width, result.height) == (96, 64)
        assert (result.recipe["job"], result.recipe["cost_usd"]) == ("v1_1", "0.30501")

    def test_a_video_is_edited(self, gemini, film):
        moviola.edit("film.mp4", "make it snow", model="gemini-omni", options={"delivery": "inline"})
        (held,) = gemini.files.held.values()
        assert held.content == film
        assert gemini.jobs["v1_1"].body["input"][0]["uri"].endswith(held.name)

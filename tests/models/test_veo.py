"""Veo on Google Cloud: what is sent, what it will cost, and what is refused before anything is."""

from decimal import Decimal

import numpy as np
import pytest
from PIL import Image

import moviola
from fake_vertex import FakeVertex
from moviola import registry
from moviola.errors import ModelRetiredError, RequestError
from moviola.hosted.pricing import estimate
from moviola.hosted.service import Given
from moviola.hosted.shaping import check_offered, settle
from moviola.roads.synthesis import check_fields
from moviola.tasks import Generate, request

PNG = Given("asset:1", "image/png")
SENT = {"bytesBase64Encoded": "asset:1", "mimeType": "image/png"}


def order(files=None, options=None, **fields):
    family, card = registry.find(fields.pop("model", "veo"), task="generate")
    named = dict.fromkeys(files or {}, "a.png")
    settled, _ = settle(request(Generate, {"prompt": "a lake", "model": card.id} | named | fields), card)
    return family.order(settled, card, family.Options.model_validate(options or {}), files or {})


def test_a_text_becomes_four_seconds_in_720p():
    made = order()
    assert (made.provider, made.model) == ("vertex", "veo-3.1-generate-001")
    assert made.body == {
        "instances": [{"prompt": "a lake"}],
        "parameters": {
            "sampleCount": 1,
            "durationSeconds": 4,
            "aspectRatio": "16:9",
            "resolution": "720p",
            "generateAudio": True,
        },
    }


def test_all_that_it_takes_is_said_in_googles_words():
    options = {
        "person_generation": "allow_adult",
        "compression": "lossless",
        "resize": "crop",
        "storage_uri": "gs://films/lake",
    }
    made = order(
        {"image": PNG, "last_image": PNG},
        options,
        model="veo/3.1-fast",
        negative_prompt="people",
        seed=4,
        size="2160x3840",
        seconds=8,
        audio=False,
    )
    assert made.model == "veo-3.1-fast-generate-001"
    assert made.body["instances"] == [{"prompt": "a lake", "image": SENT, "lastFrame": SENT}]
    assert made.body["parameters"] == {
        "sampleCount": 1,
        "durationSeconds": 8,
        "aspectRatio": "9:16",
        "resolution": "4k",
        "generateAudio": False,
        "negativePrompt": "people",
        "seed": 4,
        "personGeneration": "allow_adult",
        "compressionQuality": "lossless",
        "resizeMode": "crop",
        "storageUri": "gs://films/lake",
    }


def test_a_reference_is_of_a_thing_to_be_seen():
    made = order({"reference": PNG}, seconds=8)
    assert made.body["instances"][0]["referenceImages"] == [{"image": SENT, "referenceType": "asset"}]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: order(seconds=5), "makes 4 or 6 or 8, not 5"),
        (lambda: order(aspect="1"), "makes 16:9, 9:16, not"),
        (lambda: order(model="veo/3.1-lite", size="3840x2160"), "the nearest is 1920x1080"),
        (lambda: order({"last_image": PNG}), "give image too"),
        (lambda: order({"reference": PNG, "image": PNG}, seconds=8), "not both"),
        (lambda: order({"reference": PNG}), "with a reference .* makes 8, not 4"),
        (lambda: order({"image": Given("https://x/y.png")}), "takes a file, not an address"),
        (lambda: order(options={"resize": "pad"}), "of a first frame"),
        (lambda: order(seed=2**32), "at most 4294967295"),
    ],
)
def test_what_it_cannot_do_is_said_before_anything_is_sent(make, words):
    with pytest.raises(RequestError, match=words):
        make()


def test_the_smallest_takes_a_first_frame_alone():
    _, card = registry.find("veo/3.1-lite")
    for field in ("last_image", "reference"):
        wanted = {"prompt": "a lake", "model": card.id, field: "a.png"}
        with pytest.raises(RequestError, match=field):
            check_fields(request(Generate, wanted), card)


@pytest.mark.parametrize(
    "options",
    [
        {"x": 1},
        {"compression": "zip"},
        {"storage_uri": "s3://a/b"},
        {"storage_uri": "gs://"},
        {"storage_uri": "gs://a/b?c"},
    ],
)
def test_options_are_checked(options):
    with pytest.raises(ValueError, match="validation error"):
        order(options=options)


@pytest.mark.parametrize(
    ("fields", "usd"),
    [
        ({}, "1.60"),
        ({"size": "3840x2160", "seconds": 8}, "4.80"),
        ({"model": "veo/3.1-fast", "size": "1080x1920"}, "0.48"),
        ({"model": "veo/3.1-lite", "seconds": 6}, "0.30"),
        ({"model": "veo/3.1-lite", "size": "1920x1080"}, "0.32"),
    ],
)
def test_prices_are_those_of_the_list(fields, usd):
    _, card = registry.find(fields.get("model", "veo"))
    assert estimate(card, order(**fields).priced).money.usd == Decimal(usd)


@pytest.mark.parametrize(
    ("model", "successor"),
    [("veo/2.0", "veo/3.1"), ("veo/3.0", "veo/3.1"), ("veo/3.0-fast", "veo/3.1-fast")],
)
def test_what_is_gone_names_its_successor(model, successor):
    _, card = registry.find(model)
    with pytest.raises(ModelRetiredError) as caught:
        check_offered(card)
    assert caught.value.successor == successor


def test_what_may_be_gone_says_so():
    for model in ("veo/3.1", "veo/3.1-fast"):
        assert "2026-11-17" in registry.find(model)[1].facts["at risk"]


def test_nothing_is_loaded():
    family, card = registry.find("veo")
    with pytest.raises(RequestError, match="not loaded"):
        family.load(card, None)


@pytest.mark.parametrize("options", [{}, {"storage_uri": "gs://bucket/films"}])
def test_a_prompt_and_a_picture_become_a_file(monkeypatch, tmp_path, options):
    pytest.importorskip("dbos")
    from moviola.hosted.providers.vertex import Vertex
    from moviola.hosted.service import Rules

    monkeypatch.setenv("MOVIOLA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(Vertex, "rules", Rules(poll_seconds=0.02, first_poll_seconds=0.02))
    monkeypatch.chdir(tmp_path)
    moviola.Clip(np.full((8, 64, 96, 3), 90, np.uint8), rate=24).save(tmp_path / "film.mp4")
    Image.new("RGB", (96, 64)).save("lake.png")
    with FakeVertex((tmp_path / "film.mp4").read_bytes()) as vertex:
        for name, value in vertex.environment.items():
            monkeypatch.setenv(name, value)
        result = moviola.generate("a lake", model="veo", image="lake.png", options=options)
        (job,) = vertex.jobs.values()
        assert job.body["instances"][0]["image"]["bytesBase64Encoded"].startswith("iVBOR")
        assert (result.width, result.height) == (96, 64)

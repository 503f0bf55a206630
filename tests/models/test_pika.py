"""Pika through fal: what is sent, and what it will cost."""

from decimal import Decimal

import pytest

from moviola import registry
from moviola.errors import RequestError
from moviola.hosted.pricing import Money, estimate
from moviola.hosted.service import Given
from moviola.hosted.shaping import settle
from moviola.tasks import Generate, request


def order(files=None, **fields):
    family, card = registry.find("pika", task="generate")
    settled, _ = settle(request(Generate, {"prompt": "a lake", "model": card.id} | fields), card)
    return family.order(settled, card, family.Options(), files or {})


def cost(**fields):
    _, card = registry.find("pika")
    return estimate(card, order(**fields).priced).money


def test_a_text_becomes_five_seconds_in_720p():
    made = order()
    assert made.model == "fal-ai/pika/v2.2/text-to-video"
    assert made.body == {"prompt": "a lake", "resolution": "720p", "duration": 5, "aspect_ratio": "16:9"}


def test_a_picture_goes_another_way_and_gives_the_shape_itself():
    made = order(
        {"image": Given("asset:1")}, image="lake.png", size="1920x1080", seed=4, negative_prompt="people"
    )
    assert made.model == "fal-ai/pika/v2.2/image-to-video"
    assert made.body == {
        "prompt": "a lake",
        "resolution": "1080p",
        "duration": 5,
        "image_url": "asset:1",
        "seed": 4,
        "negative_prompt": "people",
    }


@pytest.mark.parametrize(
    ("aspect", "said"), [("9:16", "9:16"), ("1", "1:1"), ("1.7778", "16:9"), ("4:5", "4:5"), ("3:2", "3:2")]
)
def test_a_shape_is_one_of_seven(aspect, said):
    assert order(aspect=aspect).body["aspect_ratio"] == said


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"aspect": "2.39"}, "makes 16:9, 9:16, 1:1, 4:5, 5:4, 3:2, 2:3, not"),
        ({"seconds": 7}, "makes 5 or 10, not 7; --fit takes the nearest"),
        ({"size": "640x360"}, "the nearest is 1280x720"),
        ({"fps": 24}, "not told its fps"),
        ({"frames": 100}, "not told its frames"),
        ({"steps": 20}, "has no steps"),
        ({"device": "cpu"}, "has no device"),
        ({"count": 2}, "one video at a time"),
    ],
)
def test_what_pika_cannot_do_is_said_before_anything_is_sent(fields, words):
    with pytest.raises(RequestError, match=words):
        order(**fields)


def test_the_nearest_is_taken_where_that_is_allowed():
    body = order(aspect="2.39", seconds=30, fit=True).body
    assert (body["aspect_ratio"], body["duration"]) == ("16:9", 10)


def test_prices_are_those_of_the_list():
    assert cost() == Money(Decimal("0.20"))
    assert cost(size="1920x1080") == Money(Decimal("0.45"))
    assert cost(size="1080x1920", seconds=10) == Money(Decimal("0.90"))
    assert cost(size="1080x720") == Money(Decimal("0.20"))

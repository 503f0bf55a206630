"""Pika through fal: what is sent, and what it will cost."""

from decimal import Decimal

import pytest

from moviola import registry
from moviola.errors import RequestError
from moviola.hosted.pricing import Money, estimate
from moviola.hosted.service import Given
from moviola.hosted.shaping import settle
from moviola.tasks import Edit, Generate, request


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


def files(*names):
    return {name: Given(f"asset:{name}") for name in names}


def asked(model, names, options=None, verb=Generate, **fields):
    family, card = registry.find(f"pika/{model}", task=verb.verb)
    settled, _ = settle(request(verb, {"model": card.id} | fields), card)
    return family.order(settled, card, family.Options.model_validate(options or {}), files(*names))


def paid(model, order):
    _, card = registry.find(f"pika/{model}")
    return estimate(card, order.priced).money.usd


class TestScenes:
    def test_all_pictures_come_into_one_scene(self):
        names = ("reference", "references.0", "references.1")
        made = asked("2.2-scenes", names, {"ingredients": "creative"}, prompt="they meet", aspect="1", seed=4)
        assert made.model == "fal-ai/pika/v2.2/pikascenes"
        assert made.body == {
            "prompt": "they meet",
            "image_urls": ["asset:reference", "asset:references.0", "asset:references.1"],
            "ingredients_mode": "creative",
            "resolution": "720p",
            "duration": 5,
            "aspect_ratio": "1:1",
            "seed": 4,
        }

    def test_references_alone_do_too(self):
        made = asked("2.2-scenes", ("references.0",), prompt="they meet")
        assert (made.body["image_urls"], made.body["ingredients_mode"]) == (["asset:references.0"], "precise")

    def test_without_a_picture_there_is_no_scene(self):
        with pytest.raises(RequestError, match="give reference, or references"):
            asked("2.2-scenes", (), prompt="they meet")

    def test_it_costs_as_the_film(self):
        made = asked("2.2-scenes", ("reference",), prompt="x", size="1920x1080", seconds=10)
        assert paid("2.2-scenes", made) == Decimal("0.90")


class TestFrames:
    ENDS = ("image", "last_image")

    def test_two_pictures_are_five_seconds_apart(self):
        made = asked("2.2-frames", self.ENDS, negative_prompt="blur")
        assert made.model == "fal-ai/pika/v2.2/pikaframes"
        assert made.body == {
            "image_urls": ["asset:image", "asset:last_image"],
            "transitions": [{"duration": 5}],
            "resolution": "720p",
            "negative_prompt": "blur",
        }

    def test_further_pictures_lie_between(self):
        made = asked("2.2-frames", (*self.ENDS, "references.0", "references.1"), seconds=11)
        assert made.body["image_urls"] == [
            "asset:image",
            "asset:references.0",
            "asset:references.1",
            "asset:last_image",
        ]
        assert made.body["transitions"] == [{"duration": 4}, {"duration": 4}, {"duration": 3}]

    def test_every_way_may_be_told_apart(self):
        text = '[{"duration": 3, "prompt": "it rains"}, {}]'
        made = asked("2.2-frames", (*self.ENDS, "references.0"), {"transitions": text}, prompt="slowly")
        assert made.body["transitions"] == [{"duration": 3, "prompt": "it rains"}, {"duration": 5}]
        assert made.priced == {"seconds": 8, "resolution": "720p"}

    @pytest.mark.parametrize(
        ("seconds", "size", "usd"),
        [(3, "1280x720", "0.20"), (10, "1280x720", "0.40"), (10, "1920x1080", "0.60")],
    )
    def test_five_seconds_are_paid_for_at_least(self, seconds, size, usd):
        made = asked("2.2-frames", self.ENDS, seconds=seconds, size=size)
        assert paid("2.2-frames", made) == Decimal(usd)

    @pytest.mark.parametrize(
        ("names", "options", "fields", "words"),
        [
            ((), {}, {"seconds": 26}, "up to 25, not 26"),
            ((), {}, {"seconds": 3600}, "up to 25, not 3600"),
            ((), {}, {"seconds": 2.5}, r"whole ones, at least 1 here, not 2\.5"),
            (("references.0",), {}, {"seconds": 1}, "at least 2 here, not 1"),
            ((), {"transitions": [{}, {}]}, {}, "2 pictures have 1 between them, not 2"),
            ((), {"transitions": [{}]}, {"seconds": 5}, "leave one of them out"),
            (("references.0",), {"transitions": [{"duration": 25}, {}]}, {}, "up to 25, not 30"),
            (tuple(f"references.{n}" for n in range(4)), {}, {}, "up to 3 between two, not 4"),
        ],
    )
    def test_what_does_not_go_together_is_refused(self, names, options, fields, words):
        with pytest.raises(RequestError, match=words):
            asked("2.2-frames", (*self.ENDS, *names), options, **fields)

    def test_the_nearest_whole_second_is_taken_where_that_is_allowed(self):
        made = asked("2.2-frames", self.ENDS, seconds=2.6, fit=True)
        assert made.body["transitions"] == [{"duration": 3}]


class TestEffects:
    def test_one_is_done_to_a_picture(self):
        made = asked("pikaffects", ("image",), {"effect": "Cake-ify"}, prompt="a duck", seed=1)
        assert made.model == "fal-ai/pika/v1.5/pikaffects"
        assert made.body == {
            "image_url": "asset:image",
            "pikaffect": "Cake-ify",
            "prompt": "a duck",
            "seed": 1,
        }

    def test_one_has_to_be_named(self):
        with pytest.raises(RequestError, match="needs an effect"):
            asked("pikaffects", ("image",))

    def test_nobody_knows_what_it_costs(self):
        assert not asked("pikaffects", ("image",), {"effect": "Melt"}).priced


class TestEdits:
    def test_something_is_swapped(self):
        made = asked(
            "pikaswaps", ("video", "reference"), {"region": "the cup"}, Edit, video="a.mp4", prompt="a jar"
        )
        assert made.model == "fal-ai/pika/v2/pikaswaps"
        assert made.body == {
            "video_url": "asset:video",
            "image_url": "asset:reference",
            "modify_region": "the cup",
            "prompt": "a jar",
        }

    def test_a_swap_needs_to_know_what_for(self):
        with pytest.raises(RequestError, match="prompt or a reference"):
            asked("pikaswaps", ("video",), verb=Edit, video="a.mp4")

    def test_something_is_added(self):
        made = asked("pikadditions", ("video", "reference"), verb=Edit, video="a.mp4", prompt="a parrot")
        assert made.model == "fal-ai/pika/v2/pikadditions"
        assert made.body == {
            "video_url": "asset:video",
            "image_url": "asset:reference",
            "prompt": "a parrot",
        }


@pytest.mark.parametrize(
    ("model", "options", "owner"),
    [
        ("2.2", {"effect": "Melt"}, "pika/pikaffects"),
        ("2.2-frames", {"ingredients": "precise"}, "2.2-scenes"),
        ("2.2-scenes", {"transitions": []}, "2.2-frames"),
        ("2.2", {"region": "x"}, "pikaswaps"),
    ],
)
def test_an_option_of_another_model_is_refused(model, options, owner):
    with pytest.raises(RequestError, match=f"has no option .*{owner} has"):
        asked(model, ("image", "last_image"), options, prompt="x")

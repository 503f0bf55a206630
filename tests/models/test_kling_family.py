"""Kling's models: what is sent, what is refused before that, and what it will cost."""

from decimal import Decimal

import pytest

from moviola import registry
from moviola.errors import RequestError
from moviola.hosted.pricing import Money, estimate
from moviola.hosted.service import Given
from moviola.hosted.shaping import settle
from moviola.models import kling
from moviola.roads.making import validated
from moviola.roads.synthesis import check_fields
from moviola.tasks import Edit, Generate, request

FIRST, LAST, OTHER = Given("asset:1"), Given("asset:2"), Given("https://x.example/3.png")
OMNI = "kling/v3-omni"


def order(model="kling/v3", options=None, files=None, verb=Generate, **fields):
    family, card = registry.find(model, task=verb.verb)
    wanted = request(verb, {"prompt": "a lake", "model": card.id} | fields)
    check_fields(wanted, card)
    settled, _ = settle(wanted, card)
    return family.order(settled, card, validated(family.Options, options or {}, card), files or {})


def cost(model="kling/v3", options=None, **fields):
    found = estimate(registry.find(model)[1], order(model, options, **fields).priced)
    return found and found.money


def edited(options=None, files=None, **fields):
    film = "https://x.example/film.mp4"
    files = {"video": Given(film)} | (files or {})
    return order(OMNI, options, files, Edit, video=film, **fields)


class TestBodies:
    def test_a_text_becomes_five_seconds(self):
        made = order()
        assert (made.provider, made.model, made.action) == ("kling", "kling-v3", "text2video")
        assert made.body == {
            "model_name": "kling-v3",
            "prompt": "a lake",
            "mode": "std",
            "sound": "off",
            "duration": "5",
            "aspect_ratio": "16:9",
        }

    def test_the_family_s_name_means_the_newest(self):
        assert order("kling").model == "kling-v3"

    def test_all_that_can_be_said_is_sent(self):
        made = order(
            options={"sound": "true", "camera": "zoom", "camera_by": "-5"},
            negative_prompt="people",
            guidance=0.7,
            size="1080x1920",
            seconds=12,
        )
        assert made.body == {
            "model_name": "kling-v3",
            "prompt": "a lake",
            "negative_prompt": "people",
            "cfg_scale": 0.7,
            "mode": "pro",
            "sound": "on",
            "camera_control": {"type": "simple", "config": {"zoom": -5.0}},
            "duration": "12",
            "aspect_ratio": "9:16",
        }

    def test_pictures_go_another_way_and_give_the_shape_themselves(self):
        body = order(files={"image": FIRST, "last_image": LAST}, image="1.png", last_image="2.png").body
        assert (body["image"], body["image_tail"]) == ("asset:1", "asset:2")
        assert "aspect_ratio" not in body
        assert order(files={"image": FIRST}, image="1.png").action == "image2video"

    @pytest.mark.parametrize("model", [card.id for card in kling.CARDS])
    def test_each_model_goes_by_the_name_that_kling_gives_it(self, model):
        files = {"image": FIRST} if "image" in registry.find(model)[1].needs else {}
        made = order(model, files=files, **dict.fromkeys(files, "1.png"))
        assert made.model == made.body["model_name"] == model.replace("/", "-")
        assert isinstance(made.body["duration"], str)
        assert ("sound" in made.body) == (model in ("kling/v3", OMNI, "kling/v2-6"))
        assert ("mode" in made.body) == ("master" not in model)

    @pytest.mark.parametrize(("aspect", "said"), [("16:9", "16:9"), ("9:16", "9:16"), ("1", "1:1")])
    def test_a_shape_is_one_of_three(self, aspect, said):
        assert order(aspect=aspect).body["aspect_ratio"] == said

    def test_shots_take_the_place_of_the_prompt(self):
        shots = '[{"seconds": 2, "prompt": "a lake"}, {"seconds": 3, "prompt": "a boat"}]'
        body = order(options={"shots": shots}, prompt=None).body
        assert "prompt" not in body
        assert (body["multi_shot"], body["shot_type"]) == (True, "customize")
        assert body["multi_prompt"] == [
            {"index": 1, "prompt": "a lake", "duration": "2"},
            {"index": 2, "prompt": "a boat", "duration": "3"},
        ]

    def test_the_model_may_cut_itself(self):
        body = order(options={"storyboard": True}).body
        assert (body["prompt"], body["multi_shot"], body["shot_type"]) == ("a lake", True, "intelligence")

    def test_omni_is_given_its_pictures_in_a_list(self):
        made = order(
            OMNI,
            files={"image": FIRST, "last_image": LAST, "reference": OTHER},
            prompt="<<<image_3>>> swims",
            image="1.png",
            last_image="2.png",
            reference="https://x.example/3.png",
        )
        assert made.action == "omni-video"
        assert made.body["image_list"] == [
            {"image_url": "asset:1", "type": "first_frame"},
            {"image_url": "asset:2", "type": "end_frame"},
            {"image_url": "https://x.example/3.png"},
        ]
        assert "aspect_ratio" not in made.body
        assert order(OMNI).body["aspect_ratio"] == "16:9"

    def test_omni_edits_a_video(self):
        made = edited(
            audio=False, files={"reference": OTHER}, prompt="<<<image_1>>> swims", reference="3.png"
        )
        assert made.action == "omni-video"
        assert made.body == {
            "model_name": "kling-v3-omni",
            "prompt": "<<<image_1>>> swims",
            "mode": "std",
            "sound": "off",
            "video_list": [
                {
                    "video_url": "https://x.example/film.mp4",
                    "refer_type": "base",
                    "keep_original_sound": "no",
                }
            ],
            "image_list": [{"image_url": "https://x.example/3.png"}],
        }
        assert edited().body["video_list"][0]["keep_original_sound"] == "yes"


class TestRefusals:
    """Before anything is sent."""

    @pytest.mark.parametrize(
        ("model", "fields", "words"),
        [
            ("kling/v3", {"seconds": 16}, "not 16"),
            ("kling/v3", {"seconds": 2.5}, "not 2.5"),
            ("kling/v2-6", {"seconds": 7}, "makes 5 or 10, not 7"),
            ("kling/v3", {"aspect": "4:3"}, "makes 16:9, 9:16, 1:1, not"),
            ("kling/v2-1-master", {"size": "1280x720"}, "the nearest is"),
            ("kling/v3", {"seed": 3}, "takes no seed"),
            ("kling/v3", {"fps": 24}, "not told its fps"),
            ("kling/v3", {"guidance": 7}, "takes 0 to 1, not 7"),
            ("kling/v2-6", {"guidance": 0.5}, "takes no guidance"),
            (OMNI, {"negative_prompt": "people"}, "takes no negative_prompt"),
            ("kling/v2-1", {}, "needs image to generate"),
            ("kling/v1-5", {}, "needs image to generate"),
            ("kling/v2-master", {"last_image": "2.png"}, "takes no last_image"),
            ("kling/v3", {"prompt": None}, "needs prompt or shots"),
            ("kling/v2-6", {"prompt": None}, "needs prompt"),
            ("kling/v3", {"motion": 0.5}, "takes no motion"),
        ],
    )
    def test_of_what_a_model_cannot_do(self, model, fields, words):
        with pytest.raises(RequestError, match=words):
            order(model, **fields)

    SHOTS = ({"seconds": 2, "prompt": "a lake"}, {"seconds": 3, "prompt": "a boat"})

    @pytest.mark.parametrize(
        ("model", "options", "fields", "words"),
        [
            ("kling/v2-5-turbo", {"sound": True}, {}, "option sound: .* makes none"),
            ("kling/v2-6", {"sound": True}, {}, "sound: .* pro alone; ask for 1920x1080"),
            ("kling/v2-6", {"shots": SHOTS}, {}, "makes one shot"),
            ("kling/v3", {"shots": SHOTS}, {}, "leave one of them out"),
            ("kling/v3", {"shots": SHOTS}, {"prompt": None, "seconds": 6}, "last 5 s, and the video 6"),
            ("kling/v3", {"shots": SHOTS, "storyboard": True}, {"prompt": None}, "say the shots yourself"),
            (OMNI, {"storyboard": True}, {}, "say the shots yourself"),
            (OMNI, {"camera": "down_back"}, {}, "say it in the prompt"),
            ("kling/v3", {"camera": "zoom"}, {}, "camera_by goes with"),
            ("kling/v3", {"camera": "down_back", "camera_by": 3}, {}, "camera_by goes with"),
            ("kling/v3", {"camera_by": 3}, {}, "camera_by goes with"),
            ("kling/v3", {"camera": "zoom", "camera_by": 11}, {}, "camera_by"),
            ("kling/v3", {"shots": "2 s of a lake"}, {"prompt": None}, "option shots"),
            ("kling/v3", {"shots": SHOTS * 4}, {"prompt": None}, "option shots"),
            ("kling/v3", {"shots": [{"seconds": 5, "prompt": "x" * 513}]}, {"prompt": None}, "option shots"),
            ("kling/v3", {"cfg_scale": 0.5}, {}, "there is no such option"),
        ],
    )
    def test_of_options_that_do_not_go_together(self, model, options, fields, words):
        with pytest.raises(RequestError, match=words):
            order(model, options, **fields)

    def test_of_last_pictures_beside_what_they_do_not_go_with(self):
        fields = {"files": {"image": FIRST, "last_image": LAST}, "image": "1.png", "last_image": "2.png"}
        with pytest.raises(RequestError, match="several shots takes none"):
            order("kling/v3", {"storyboard": True}, **fields)
        with pytest.raises(RequestError, match=r"last_image: .* pro alone"):
            order("kling/v2-6", **fields)
        with pytest.raises(RequestError, match="makes no sound with one"):
            order("kling/v2-6", {"sound": True}, size="1920x1080", **fields)
        with pytest.raises(RequestError, match="only beside image"):
            order(OMNI, files={"last_image": LAST}, last_image="2.png")

    def test_of_a_reference_that_the_prompt_does_not_name(self):
        with pytest.raises(RequestError, match="<<<image_1>>>"):
            order(OMNI, files={"reference": OTHER}, reference="3.png")

    def test_of_edits_that_cannot_be(self):
        with pytest.raises(RequestError, match="by an https address alone"):
            edited(files={"video": Given("asset:4")})
        with pytest.raises(RequestError, match="needs prompt to edit"):
            edited(prompt=None)
        with pytest.raises(RequestError, match=r"option sound: .* edits without"):
            edited({"sound": True})
        with pytest.raises(RequestError, match="does not edit"):
            order("kling/v3", verb=Edit, video="https://x.example/film.mp4")

    def test_nothing_is_loaded(self):
        with pytest.raises(RequestError, match="runs at Kling"):
            kling.load(kling.CARDS[0], None)


class TestPrices:
    def test_they_are_those_of_the_list(self):
        assert cost() == Money(Decimal("0.42"))
        assert cost(size="1920x1080") == Money(Decimal("0.56"))
        assert cost(options={"sound": True}, size="1920x1080", seconds=10) == Money(Decimal("1.68"))
        assert cost("kling/v2-5-turbo") == Money(Decimal("0.21"))
        assert cost("kling/v2-5-turbo", size="1080x1920", seconds=10) == Money(Decimal("0.70"))
        assert cost(OMNI) == Money(Decimal("0.42"))

    def test_what_is_not_known_is_not_guessed(self):
        assert cost(OMNI, {"sound": True}) is None
        assert cost("kling/v2-6") is None
        assert not edited().priced


def test_every_card_says_what_is_not_sure():
    for card in kling.CARDS:
        assert card.hosted
        assert {"key", "states", "lost replies", "cancelling", "unsure"} <= set(card.facts)
        assert card.limits.max_prompt_characters == 2500
        assert card.limits.files["image"].max_aspect == 2.5

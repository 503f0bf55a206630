"""Runway's models: what is sent for a request, what it will cost, and what is refused."""

from decimal import Decimal

import pytest

from moviola import registry
from moviola.errors import ModelRetiredError, RequestError
from moviola.hosted.pricing import Money, estimate
from moviola.hosted.providers.runway_models import GONE, MODELS
from moviola.hosted.service import Given
from moviola.hosted.shaping import check_offered, settle
from moviola.models import runway
from moviola.roads.making import validated
from moviola.roads.synthesis import check_fields
from moviola.tasks import Edit, Generate, request

PICTURE, LAST, LOOK = (Given(f"asset:{name}", "image/png") for name in ("picture", "last", "look"))
CLIP = Given("asset:clip", "video/mp4", seconds=7.4, width=1280, height=720)


def order(kind, model, options=None, files=None, **fields):
    """As the road makes it, with stand-ins for files."""
    stand_ins = {"image": PICTURE, "last_image": LAST, "reference": LOOK, "video": CLIP}
    asked = request(kind, {"model": f"runway/{model}", "options": options or {}} | fields)
    family, card = registry.find(asked.model, task=asked.verb)
    check_offered(card)
    check_fields(asked, card)
    settled, _ = settle(asked, card)
    given = {name: file for name, file in stand_ins.items() if getattr(asked, name, None) is not None}
    return family.order(settled, card, validated(family.Options, asked.options, card), given | (files or {}))


def generate(model, options=None, files=None, **fields):
    return order(Generate, model, options, files, **{"prompt": "a lake"} | fields)


def edit(model, options=None, files=None, **fields):
    return order(Edit, model, options, files, **{"video": "in.mp4"} | fields)


def cost(made):
    told = estimate(registry.find(f"runway/{made.model.lower()}")[1], made.priced) if made.priced else None
    return None if told is None else told.money


class TestGenerating:
    def test_a_text(self):
        made = generate("gen4.5", seed=4)
        assert (made.provider, made.model, made.action) == ("runway", "gen4.5", "text_to_video")
        assert made.body == {
            "model": "gen4.5",
            "promptText": "a lake",
            "ratio": "1280:720",
            "duration": 5,
            "seed": 4,
        }

    def test_a_picture_goes_another_way(self):
        made = generate("gen4.5", image="a.png", aspect="1", seconds=10)
        assert made.action == "image_to_video"
        assert made.body == {
            "model": "gen4.5",
            "promptImage": [{"uri": "asset:picture", "position": "first"}],
            "promptText": "a lake",
            "ratio": "960:960",
            "duration": 10,
        }

    def test_a_picture_may_need_no_words(self):
        assert "promptText" not in generate("gen4_turbo", image="a.png", prompt=None).body

    def test_first_and_last(self):
        body = generate("veo3.1", image="a.png", last_image="b.png", negative_prompt="people").body
        assert body["promptImage"] == [
            {"uri": "asset:picture", "position": "first"},
            {"uri": "asset:last", "position": "last"},
        ]
        assert (body["negativePrompt"], body["audio"]) == ("people", True)

    def test_silence_is_cheaper(self):
        made = generate("veo3.1", audio=False)
        assert made.body["audio"] is False
        assert (cost(made), cost(generate("veo3.1"))) == (Money(Decimal("1.60")), Money(Decimal("3.20")))

    def test_a_reference(self):
        assert generate("seedance2", reference="c.png").body["references"] == [{"uri": "asset:look"}]

    def test_how_closely_the_prompt_is_followed(self):
        assert generate("kling3.0_pro", guidance=0.7).body["cfgScale"] == 0.7

    def test_a_name_with_capitals_is_found_in_small_letters(self):
        assert generate("klingo3_pro").body["model"] == "klingO3_pro"

    @pytest.mark.parametrize(
        ("model", "fields", "said"),
        [
            ("hailuo3", {}, {"ratio": "16:9", "resolution": "2k"}),
            ("hailuo3", {"size": "768x1366"}, {"ratio": "9:16", "resolution": "768p"}),
            ("grok_imagine_1_5", {"size": "960x720"}, {"ratio": "4:3", "resolution": "720p"}),
            ("grok_imagine_1_5", {"image": "a.png", "size": "1280x720"}, {"resolution": "720p"}),
            ("grok_imagine_1_5_lite", {"size": "1088x720"}, {"ratio": "1088:720"}),
            ("grok_imagine_1_5_lite", {"image": "a.png"}, {"ratio": "auto_480p"}),
            ("kling_4", {"image": "a.png", "size": "1920x1080"}, {"ratio": "auto_1080p"}),
            ("wan3", {"image": "a.png", "aspect": "9:16"}, {"ratio": "auto_720p"}),
            ("happyhorse_1_0", {"image": "a.png", "size": "1920x1080"}, {"resolution": "1080p"}),
            ("seedance2", {"aspect": "21:9"}, {"ratio": "1470:630"}),
            ("kling2.5_turbo_pro", {"image": "a.png"}, {}),
        ],
    )
    def test_a_size_is_told_as_each_call_wants_it(self, model, fields, said):
        body = generate(model, **fields).body
        assert {name: body[name] for name in ("ratio", "resolution") if name in body} == said

    def test_without_a_size_there_is_an_option(self):
        made = generate("h3_max", {"resolution": "480p", "prompt_expansion_mode": "disabled"}, seconds=6)
        assert made.body == {
            "model": "h3_max",
            "promptText": "a lake",
            "duration": 6,
            "resolution": "480p",
            "promptExpansionMode": "disabled",
        }
        assert cost(made) == Money(Decimal("0.30"))

    def test_what_is_not_asked_is_left_to_the_model(self):
        assert "duration" not in generate("kling_4").body

    def test_another_format(self):
        made = generate("gen4.5", {"output_format": "prores", "prores_profile": "422 HQ"})
        assert (made.body["outputFormat"], made.body["proresProfile"]) == ("prores", "422 HQ")
        assert cost(made) == Money(Decimal("0.85"))

    def test_moderation_of_people_who_are_known(self):
        body = generate("gen4.5", {"public_figure_threshold": "low"}).body
        assert body["contentModeration"] == {"publicFigureThreshold": "low"}


class TestEditing:
    def test_with_words(self):
        made = edit("aleph2", prompt="make it snow", seed=1)
        assert (made.model, made.action) == ("aleph2", "video_to_video")
        assert made.body == {
            "model": "aleph2",
            "videoUri": "asset:clip",
            "promptText": "make it snow",
            "seed": 1,
        }

    def test_with_pictures_of_moments(self):
        keyframes = '[{"uri": "https://x/b.png", "at": 0.5}]'
        body = edit("aleph2", {"keyframes": keyframes, "reference_at": "1.5"}, reference="c.png").body
        assert body["keyframes"] == [
            {"uri": "asset:look", "seconds": 1.5},
            {"uri": "https://x/b.png", "at": 0.5},
        ]

    def test_between_some_seconds(self):
        keyframe = {"uri": "https://x/b.png", "seconds": 3, "range": [2, 5]}
        body = edit("aleph2", {"keyframes": [keyframe]}).body
        assert body["keyframes"] == [
            {"uri": "https://x/b.png", "seconds": 3, "range": {"start_seconds": 2, "end_seconds": 5}}
        ]

    def test_to_another_shape(self):
        assert edit("aleph2", {"target_aspect_ratio": "9:16"}).body["targetAspectRatio"] == "9:16"

    def test_it_costs_by_the_second_that_has_begun(self):
        assert cost(edit("aleph2", prompt="snow")) == Money(Decimal("2.24"))

    def test_of_a_length_nobody_knows_nobody_knows_the_price(self):
        assert edit("aleph2", files={"video": Given("https://x/a.mp4")}, prompt="snow").priced == {}

    def test_a_character_does_what_a_person_does(self):
        made = edit(
            "act_two", {"body_control": "true", "expression_intensity": 4}, reference="c.png", size="960x960"
        )
        assert made.action == "character_performance"
        assert made.body == {
            "model": "act_two",
            "reference": {"type": "video", "uri": "asset:clip"},
            "character": {"type": "image", "uri": "asset:look"},
            "bodyControl": True,
            "expressionIntensity": 4,
            "ratio": "960:960",
        }
        assert cost(made) == Money(Decimal("0.40"))

    @pytest.mark.parametrize(
        ("character", "kind"),
        [
            (Given("https://x/c.mp4?sig=1"), "video"),
            (Given("https://x/c.jpg"), "image"),
            (Given("https://x/c"), "image"),
            (Given("asset:1", "video/mp4"), "video"),
        ],
    )
    def test_a_character_is_a_picture_or_a_video(self, character, kind):
        body = edit("act_two", files={"reference": character}, reference="c.png").body
        assert body["character"]["type"] == kind

    def test_larger(self):
        made = edit(
            "magnific_video_upscaler_creative", {"resolution": "4k", "creativity": "30", "fps_boost": "no"}
        )
        assert made.action == "video_upscale"
        assert made.body == {
            "model": "magnific_video_upscaler_creative",
            "videoUri": "asset:clip",
            "resolution": "4k",
            "creativity": 30,
            "fpsBoost": False,
        }
        assert cost(made) is None

    def test_at_another_rate(self):
        made = edit("enhance_frame_rate", {"target_framerate": "60"})
        assert (made.action, made.body["targetFramerate"]) == ("video_upscale", "60")

    def test_as_hdr(self):
        made = edit("ruby", {"output_format": "hdr10"})
        assert (made.action, made.body["outputFormat"]) == ("video_to_hdr", "hdr10")

    @pytest.mark.parametrize(("width", "usd"), [(1280, "1.60"), (3840, "3.20")])
    def test_hdr_of_large_videos_costs_twice(self, width, usd):
        clip = Given("asset:clip", "video/mp4", seconds=8.0, width=width, height=2160)
        assert cost(edit("ruby", files={"video": clip})) == Money(Decimal(usd))

    def test_sound_is_kept_or_not(self):
        body = edit("klingo3_pro", prompt="snow", audio=False, reference="c.png").body
        assert body == {
            "model": "klingO3_pro",
            "promptVideo": "asset:clip",
            "references": [{"uri": "asset:look"}],
            "promptText": "snow",
            "providerSettings": {"keepOriginalSound": False},
        }

    def test_what_makes_anew_is_told_how_long_and_how_large(self):
        body = edit("seedance2", {"duration": "8"}, size="1280x720").body
        assert (body["duration"], body["ratio"]) == (8, "1280:720")

    @pytest.mark.parametrize(
        ("model", "options", "fields", "said"),
        [
            ("seedance2_5", {}, {"prompt": "snow"}, {"mode": "edit", "duration": "auto"}),
            (
                "seedance2_5",
                {"mode": "extend", "duration": 9},
                {"prompt": "on"},
                {"mode": "extend", "duration": 9},
            ),
            (
                "seedance2_5",
                {"mode": "reference"},
                {"size": "1280x720"},
                {"mode": "reference", "ratio": "1280:720"},
            ),
            ("gemini_omni_flash_1.1", {}, {"prompt": "snow"}, {"mode": "edit"}),
        ],
    )
    def test_modes(self, model, options, fields, said):
        body = edit(model, options, **fields).body
        assert {name: body[name] for name in ("mode", "duration", "ratio") if name in body} == said
        assert cost(edit(model, options, **fields)) is None


class TestRefusals:
    @pytest.mark.parametrize(
        ("model", "options", "fields", "words"),
        [
            ("gen4.5", {}, {"prompt": None}, "needs prompt"),
            ("gen4.5", {}, {"seconds": 11}, "makes 2 to 10, not 11"),
            ("gen4.5", {}, {"size": "960x960"}, "makes 1280x720, 720x1280, not 960x960"),
            ("gen4.5", {}, {"negative_prompt": "people"}, "takes no negative_prompt"),
            ("gen4.5", {}, {"last_image": "b.png"}, "takes no last_image"),
            ("gen4.5", {}, {"reference": "c.png"}, "takes no reference"),
            ("gen4.5", {}, {"seed": 2**32}, "takes up to 4294967295"),
            ("gen4.5", {}, {"fps": 24}, "not told its fps"),
            (
                "gen4.5",
                {"mode": "edit"},
                {},
                "does not take it to generate from a text; it takes output_format",
            ),
            ("gen4.5", {"duration": 5}, {}, "option duration: runway/gen4.5 does not take it"),
            ("gen4.5", {"output_format": "png_sequence"}, {}, "takes mp4, prores"),
            ("gen4.5", {"prores_profile": "422"}, {}, "wants output_format=prores"),
            (
                "gen4.5",
                {"output_format": "hdr_prores", "prores_profile": "422 LT"},
                {},
                "hdr_prores takes 422",
            ),
            ("gen4_turbo", {}, {}, "needs image"),
            ("veo3.1", {}, {"last_image": "b.png"}, "only beside a first"),
            ("veo3.1", {}, {"seconds": 5}, "makes 4 or 6 or 8, not 5"),
            ("kling3.0_pro", {}, {"guidance": 7}, "takes 0 to 1, not 7"),
            ("kling3.0_pro", {}, {"seed": 1}, "takes no seed"),
            ("kling_4", {}, {"seconds": 2.5}, "makes whole ones, not 2.5"),
            (
                "seedance2",
                {},
                {"image": "a.png", "reference": "c.png"},
                "no reference to generate from a picture",
            ),
            (
                "seedance2",
                {"resolution": "1080p"},
                {},
                "option resolution: runway/seedance2 does not take it",
            ),
            ("happyhorse_1_0", {"resolution": "1080p"}, {"image": "a.png"}, "option resolution"),
            ("h3_max", {}, {"size": "1280x720"}, "not told its size"),
            (
                "grok_imagine_1_5",
                {},
                {"size": "1904x1072", "reference": "c.png"},
                "480p or 720p with a reference",
            ),
        ],
    )
    def test_what_cannot_be_generated(self, model, options, fields, words):
        with pytest.raises(RequestError, match=words):
            generate(model, options, **fields)

    @pytest.mark.parametrize(
        ("model", "options", "fields", "words"),
        [
            ("aleph2", {}, {}, "is not told what to change"),
            ("aleph2", {}, {"prompt": "snow", "size": "1280x720"}, "not told its size"),
            ("aleph2", {}, {"prompt": "snow", "mask": "m.png"}, "takes no mask"),
            ("aleph2", {"keyframes": "snow"}, {}, "write JSON"),
            ("aleph2", {"keyframes": [{"uri": "b.png", "seconds": 1}]}, {}, "keyframes.0.uri"),
            ("aleph2", {"keyframes": [{"uri": "https://x/b.png"}]}, {}, "give seconds or at"),
            (
                "aleph2",
                {"keyframes": [{"uri": "https://x/b", "at": 0, "seconds": 0}]},
                {},
                "give seconds or at",
            ),
            (
                "aleph2",
                {"keyframes": [{"uri": "https://x/b", "seconds": 9, "range": [2, 5]}]},
                {},
                "not in its range",
            ),
            ("aleph2", {"keyframes": [{"uri": "https://x/b", "at": 0, "range": [5, 5]}]}, {}, "is empty"),
            ("aleph2", {"keyframes": [{"uri": "https://x/b", "at": 0}] * 6}, {}, "takes 5"),
            (
                "aleph2",
                {"keyframes": [{"uri": "https://x/b", "at": 0, "range": [0, 5]}]},
                {"reference": "c.png"},
                "all of them a range, or none",
            ),
            ("act_two", {}, {}, "needs reference"),
            ("act_two", {}, {"reference": "c.png", "prompt": "smile"}, "takes no prompt"),
            ("act_two", {}, {"reference": "c.png", "size": "100x100"}, "nearest is 960x960"),
            ("enhance_frame_rate", {}, {}, "needs target_framerate"),
            ("magnific_video_upscaler_creative", {"resolution": "8k"}, {}, "takes 2k, 720p, 1k, 4k"),
            ("klingo3_pro", {}, {}, "needs prompt"),
            ("klingo3_pro", {}, {"prompt": "snow", "size": "1920x1080"}, "keeps the video's"),
            ("seedance2", {"duration": 3}, {}, "makes 4 to 15 seconds, not 3"),
            ("seedance2_5", {}, {}, "needs prompt to edit"),
            ("seedance2_5", {"duration": 5}, {"prompt": "snow"}, "keeps the video's"),
            ("seedance2_5", {"mode": "extend"}, {"prompt": "on", "size": "1280x720"}, "keeps the video's"),
        ],
    )
    def test_what_cannot_be_edited(self, model, options, fields, words):
        with pytest.raises(RequestError, match=words):
            edit(model, options, **fields)

    def test_an_address_that_is_too_long(self):
        with pytest.raises(RequestError, match="at most 2048"):
            generate("gen4.5", files={"image": Given("https://x/" + "a" * 2048)}, image="a.png")

    @pytest.mark.parametrize("name", sorted(GONE))
    def test_what_has_ended_names_its_successor(self, name):
        with pytest.raises(ModelRetiredError, match=f"use runway/{GONE[name].successor}") as caught:
            (generate if GONE[name].task == "generate" else edit)(name)
        assert registry.find(caught.value.successor, task=GONE[name].task)

    def test_the_nearest_is_taken_where_that_is_allowed(self):
        body = edit("act_two", reference="c.png", size="1000x1000", fit=True).body
        assert body["ratio"] == "960:960"


class TestCards:
    def test_there_is_one_for_each_model(self):
        cards = {card.facts["name"]: card for card in runway.CARDS if card.retired is None}
        assert set(cards) == set(MODELS)
        assert all(card.hosted and card.extra is None for card in runway.CARDS)

    def test_the_family_is_meant_by_its_name(self):
        assert registry.find("runway")[1].id == "runway/gen4.5"

    @pytest.mark.parametrize("name", sorted(MODELS))
    def test_no_size_is_of_two_resolutions(self, name):
        sizes = [size for tier in MODELS[name].tiers.values() for size in tier]
        assert len(sizes) == len(set(sizes))

    @pytest.mark.parametrize(
        ("model", "fields", "usd"),
        [
            ("gen4.5", {}, "0.60"),
            ("seedance2", {"size": "3840x2160"}, "7.50"),
            ("seedance2", {"size": "640x640"}, "1.80"),
            ("seedance2_5", {"seconds": 30, "size": "1920x1080"}, "20.40"),
            ("grok_imagine_1_5_lite", {"size": "1280x720"}, "0.15"),
            ("wan3_prime", {"size": "832x480", "seconds": 10}, "0.68"),
            ("hailuo3", {"size": "1366x768"}, "0.50"),
        ],
    )
    def test_prices_are_those_of_the_list(self, model, fields, usd):
        assert cost(generate(model, **fields)) == Money(Decimal(usd))

    @pytest.mark.parametrize(
        ("model", "fields"),
        [("kling3.0_pro", {}), ("wan3", {}), ("seedance2_5", {"options": {"output_format": "mov"}})],
    )
    def test_what_is_not_known_is_not_guessed(self, model, fields):
        assert cost(generate(model, **fields)) is None

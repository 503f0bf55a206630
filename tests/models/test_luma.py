"""Luma: what is sent for a request, what it will cost, and what does not go together."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from moviola import registry
from moviola.errors import ModelRetiredError, NotAuthorizedError, RequestError
from moviola.hosted.pricing import Money, estimate
from moviola.hosted.service import Given
from moviola.hosted.shaping import check_offered, settle
from moviola.hosted.transport import Transport
from moviola.models import luma
from moviola.tasks import Edit, Generate, request

ASSET = Given("asset:1", "image/png")
PICTURE = Given("https://x/lake.jpg")
VIDEO = Given("asset:2", "video/mp4", 1000, 1280, 720, 5.0)
LINK = Given("https://x/clip.mov")


def made(model="luma/ray-3.2", options=None, files=None, task=Generate, **fields):
    family, card = registry.find(model, task=task.verb)
    said = {"model": model} | ({"prompt": "a lake"} if "prompt" not in fields else {}) | fields
    settled, _ = settle(request(task, said), card)
    return family.order(settled, card, family.Options.model_validate(options or {}), files or {})


def edited(model="luma/ray-3.2", options=None, files=None, **fields):
    given = {"video": VIDEO if model == "luma/ray-3.2" else LINK} | (files or {})
    return made(model, options, given, Edit, video="clip.mp4", **fields)


def cost(order):
    told = estimate(registry.find("luma")[1], order.priced) if order.priced else None
    return told and told.money


def test_the_bare_name_is_the_newest():
    assert registry.find("luma")[1].id == "luma/ray-3.2"


class TestRay3Generates:
    def test_a_text_becomes_five_seconds_in_720p(self):
        order = made()
        assert (order.provider, order.model, order.action) == ("luma", "ray-3.2", "video")
        assert order.body == {
            "model": "ray-3.2",
            "type": "video",
            "prompt": "a lake",
            "aspect_ratio": "16:9",
            "video": {"resolution": "720p", "duration": "5s"},
        }

    @pytest.mark.parametrize(
        ("fields", "resolution", "ratio"),
        [
            ({"size": "1920x1080"}, "1080p", "16:9"),
            ({"size": "840x360"}, "360p", "21:9"),
            ({"size": "540x540"}, "540p", "1:1"),
            ({"aspect": "21:9"}, "720p", "21:9"),
            ({"aspect": "9:16"}, "720p", "9:16"),
            ({"aspect": "4:3"}, "720p", "4:3"),
        ],
    )
    def test_size_and_aspect_are_resolution_and_ratio(self, fields, resolution, ratio):
        body = made(**fields).body
        assert (body["video"]["resolution"], body["aspect_ratio"]) == (resolution, ratio)

    def test_pictures_are_its_ends(self):
        files = {"image": ASSET, "last_image": PICTURE}
        video = made(files=files, image="a.png", last_image=PICTURE.address).body["video"]
        assert video["start_frame"] == {"file_id": "asset:1"}
        assert video["end_frame"] == {"url": "https://x/lake.jpg"}

    def test_pictures_are_keyframes_where_it_is_ten_seconds_long(self):
        files = {"image": ASSET, "last_image": PICTURE}
        video = made(files=files, image="a.png", last_image=PICTURE.address, seconds=10).body["video"]
        assert video == {
            "resolution": "720p",
            "duration": "10s",
            "keyframes": [{"file_id": "asset:1"}, {"url": "https://x/lake.jpg"}],
            "keyframe_indexes": [0, 240],
        }

    def test_keyframes_lie_between_the_pictures(self):
        options = {"keyframes": '{"60": "https://x/b.png", "30": "https://x/a.png"}'}
        video = made(options=options, files={"image": ASSET}, image="a.png").body["video"]
        assert video["keyframe_indexes"] == [0, 30, 60]
        assert video["keyframes"][1:] == [{"url": "https://x/a.png"}, {"url": "https://x/b.png"}]

    def test_it_goes_on_from_what_was_made_before(self):
        video = made(options={"after": "g-1", "loop": "true"}).body["video"]
        assert (video["start_frame"], video["loop"]) == ({"generation_id": "g-1"}, True)
        assert made(options={"before": "g-2"}).body["video"]["end_frame"] == {"generation_id": "g-2"}

    @pytest.mark.parametrize(
        ("options", "fields", "words"),
        [
            ({"loop": True}, {"seconds": 10}, "loop and 10 seconds do not go together"),
            ({"loop": True}, {"last_image": "a.png"}, "loop and last image"),
            ({"loop": True, "before": "g"}, {}, "loop and before"),
            ({"loop": True, "hdr": True}, {}, "loop and hdr"),
            ({"loop": True, "keyframes": {3: "https://x"}}, {}, "loop and keyframes"),
            ({"hdr": True}, {"seconds": 10}, "hdr and 10 seconds"),
            ({"hdr": True}, {"size": "960x540"}, "hdr and 540p"),
            ({"after": "g"}, {"seconds": 10}, "after or before and 10 seconds"),
            ({"after": "g"}, {"image": "a.png"}, "image and after"),
            ({"keyframes": {121: "https://x"}}, {}, "frames 0 to 120"),
            ({"keyframes": {-1: "https://x"}}, {}, "frames 0 to 120"),
            ({"keyframes": {0: "https://x"}}, {"image": "a.png"}, "image and keyframe 0"),
            ({"concepts": "pan_left"}, {}, "has no concepts when it generates; it has loop"),
            ({"mode": "flex_1"}, {}, "has no mode"),
            ({"reframe": True}, {}, "has no reframe"),
            ({}, {"reference": "a.png"}, "follows a reference in edits alone"),
            ({}, {"seconds": 7}, "makes 5 or 10, not 7"),
            ({}, {"aspect": "9:21"}, "luma/ray-3.2 makes 16:9"),
        ],
    )
    def test_what_does_not_go_together_is_refused(self, options, fields, words):
        files = {name: ASSET for name in ("image", "last_image", "reference") if name in fields}
        with pytest.raises(RequestError, match=words):
            made(options=options, files=files, **fields)


class TestRay3Edits:
    def test_luma_chooses_how_where_nothing_is_said(self):
        order = edited(prompt="make it snow")
        assert order.action == "video_edit"
        assert order.body == {
            "model": "ray-3.2",
            "type": "video_edit",
            "prompt": "make it snow",
            "source": {"file_id": "asset:2"},
            "video": {"resolution": "720p", "edit": {"auto_controls": True}},
        }

    @pytest.mark.parametrize(
        ("strength", "mode"),
        [
            (0.01, "adhere_1"),
            (0.2, "adhere_2"),
            (1 / 3, "adhere_3"),
            (0.5, "flex_2"),
            (0.8, "reimagine_2"),
            (1, "reimagine_3"),
        ],
    )
    def test_strength_is_one_of_nine_words(self, strength, mode):
        assert edited(strength=strength).body["video"]["edit"] == {"strength": mode}
        assert edited("luma/ray-2", strength=strength).body["mode"] == mode

    def test_one_of_them_may_be_named(self):
        assert edited(options={"mode": "flex_1"}).body["video"]["edit"] == {"strength": "flex_1"}

    def test_what_is_kept_may_be_said_apart(self):
        options = {"depth": "0.3", "pose": "coarse", "face": "true", "resolution": "1080p", "hdr": "true"}
        video = edited(options=options).body["video"]
        assert video == {
            "resolution": "1080p",
            "hdr": True,
            "edit": {
                "controls": {
                    "depth": {"enabled": True, "blur": 0.3},
                    "pose": {"enabled": True, "strength": "coarse"},
                    "face": {"enabled": True},
                }
            },
        }

    def test_a_reference_is_the_first_frame(self):
        body = edited(files={"reference": ASSET}, reference="a.png").body
        assert body["video"]["start_frame"] == {"file_id": "asset:1"}

    def test_keyframes_are_of_the_source(self):
        edit = edited(options={"keyframes": {300: "https://x"}}).body["video"]["edit"]
        assert edit == {"auto_controls": True, "keyframes": [{"url": "https://x"}], "keyframe_indexes": [300]}

    @pytest.mark.parametrize(
        ("file", "kind"),
        [
            (LINK, "video/quicktime"),
            (Given("https://x/clip.webm?sig=1"), "video/webm"),
            (Given("https://x/clip"), "video/mp4"),
            (Given("https://x/clip", "video/webm"), "video/webm"),
        ],
    )
    def test_an_address_is_told_with_its_media_type(self, file, kind):
        body = edited(files={"video": file}).body
        assert body["source"] == {"url": file.address, "media_type": kind}

    def test_a_video_is_brought_into_another_shape(self):
        order = edited(options={"reframe": "true", "place": "0.1,0,0.8,1"}, size="720x1280")
        assert order.action == "video_reframe"
        assert order.body == {
            "model": "ray-3.2",
            "type": "video_reframe",
            "prompt": "a lake",
            "aspect_ratio": "9:16",
            "source": {"file_id": "asset:2"},
            "video": {
                "resolution": "720p",
                "source_position": {"x_norm": 0.1, "y_norm": 0.0, "w_norm": 0.8, "h_norm": 1.0},
            },
        }

    @pytest.mark.parametrize(
        ("options", "fields", "words"),
        [
            ({}, {"size": "1920x1080"}, "keeps a video's shape when it edits"),
            ({"reframe": True}, {}, "what shape it reframes to"),
            ({"reframe": True}, {"size": "1080x1920"}, "does not reframe to 9:16 in 1080p"),
            ({"reframe": True}, {"size": "720x720", "strength": 0.4}, "strength and reframe"),
            ({"reframe": True}, {"size": "720x720", "reference": "a.png"}, "reframe and reference"),
            ({"reframe": True, "mode": "flex_1"}, {"size": "720x720"}, "has no mode when it reframes"),
            ({"mode": "flex_1"}, {"strength": 0.4}, "strength and mode"),
            ({"loop": True}, {}, "has no loop when it edits"),
            ({"keyframes": {0: "https://x"}}, {"reference": "a.png"}, "reference and keyframes"),
        ],
    )
    def test_what_does_not_go_together_is_refused(self, options, fields, words):
        files = {"reference": ASSET} if "reference" in fields else {}
        with pytest.raises(RequestError, match=words):
            edited(options=options, files=files, **fields)

    def test_more_than_eighteen_seconds_are_reframed_but_not_edited(self):
        long = {"video": Given("asset:2", "video/mp4", seconds=25.0)}
        with pytest.raises(RequestError, match="25 s are too long"):
            edited(files=long)
        assert edited(options={"reframe": True}, files=long, size="720x720").body


class TestRay2:
    def test_a_text_becomes_five_seconds(self):
        order = made("luma/ray-flash-2", seconds=9, size="3840x2160")
        assert (order.provider, order.model, order.action) == ("luma-dream-machine", "ray-flash-2", "video")
        assert order.body == {
            "model": "ray-flash-2",
            "prompt": "a lake",
            "generation_type": "video",
            "resolution": "4k",
            "duration": "9s",
            "aspect_ratio": "16:9",
        }

    def test_frames_are_pictures_or_what_was_made_before(self):
        options = {"before": "g-1", "concepts": "orbit_left, push_in"}
        body = made("luma/ray-2", options, {"image": PICTURE}, image=PICTURE.address, aspect="9:21").body
        assert body["aspect_ratio"] == "9:21"
        assert body["concepts"] == [{"key": "orbit_left"}, {"key": "push_in"}]
        assert body["keyframes"] == {
            "frame0": {"type": "image", "url": "https://x/lake.jpg"},
            "frame1": {"type": "generation", "id": "g-1"},
        }

    def test_a_video_is_changed_or_reframed(self):
        files = {"reference": PICTURE}
        order = edited("luma/ray-2", files=files, reference=PICTURE.address)
        assert order.action == "video/modify"
        assert order.body == {
            "model": "ray-2",
            "prompt": "a lake",
            "generation_type": "modify_video",
            "mode": "flex_2",
            "media": {"url": "https://x/clip.mov"},
            "first_frame": {"url": "https://x/lake.jpg"},
        }
        order = edited("luma/ray-2", {"reframe": True}, prompt=None, size="960x720")
        assert order.action == "video/reframe"
        assert order.body == {
            "model": "ray-2",
            "generation_type": "reframe_video",
            "aspect_ratio": "4:3",
            "media": {"url": "https://x/clip.mov"},
        }

    def test_a_picture_needs_no_text(self):
        body = made("luma/ray-2", files={"image": PICTURE}, prompt=None, image=PICTURE.address).body
        assert "prompt" not in body

    def test_files_of_this_machine_are_refused(self):
        with pytest.raises(
            RequestError, match=r"image: luma/ray-2 takes https addresses alone.*luma/ray-3\.2"
        ):
            made("luma/ray-2", files={"image": ASSET}, image="a.png")
        with pytest.raises(RequestError, match="video: luma/ray-2 takes https addresses alone"):
            edited("luma/ray-2", files={"video": VIDEO})

    @pytest.mark.parametrize(
        ("options", "fields", "words"),
        [
            ({}, {"prompt": None}, "needs prompt, or image, to generate"),
            ({}, {"prompt": "hi"}, "reads from 3 characters"),
            ({}, {"seconds": 10}, "makes 5 or 9, not 10"),
            ({"hdr": True}, {}, "has no hdr when it generates"),
            ({"loop": True, "before": "g"}, {}, "loop and before"),
            ({"loop": True}, {"last_image": PICTURE.address}, "loop and last image"),
        ],
    )
    def test_what_it_cannot_do_is_said(self, options, fields, words):
        files = {"last_image": PICTURE} if "last_image" in fields else {}
        with pytest.raises(RequestError, match=words):
            made("luma/ray-2", options, files, **fields)

    def test_what_it_costs_is_not_known(self):
        assert cost(made("luma/ray-2")) is None


class TestPrices:
    @pytest.mark.parametrize(
        ("options", "fields", "usd"),
        [
            ({}, {}, "0.30"),
            ({}, {"seconds": 10}, "0.90"),
            ({}, {"size": "1920x1080", "seconds": 10}, "3.60"),
            ({}, {"size": "640x360"}, "0.06"),
            ({"hdr": True}, {"size": "1920x1080"}, "2.40"),
            ({"after": "g"}, {"size": "960x540"}, "0.15"),
        ],
    )
    def test_generating_costs_as_listed(self, options, fields, usd):
        assert cost(made(options=options, **fields)) == Money(Decimal(usd))

    @pytest.mark.parametrize(
        ("options", "seconds", "usd"),
        [({}, 5.0, "1.08"), ({}, 7.2, "2.16"), ({"resolution": "1080p", "hdr": True}, 10.0, "8.64")],
    )
    def test_an_edit_costs_as_the_next_of_two_lengths(self, options, seconds, usd):
        order = edited(options=options, files={"video": Given("asset:2", "video/mp4", seconds=seconds)})
        assert cost(order) == Money(Decimal(usd))

    def test_a_reframe_costs_each_second_that_is_begun(self):
        order = edited(
            options={"reframe": True},
            files={"video": Given("asset:2", "video/mp4", seconds=6.1)},
            size="1920x1080",
        )
        assert cost(order) == Money(Decimal("2.52"))

    def test_where_the_list_says_nothing_nobody_knows(self):
        assert cost(edited(files={"video": LINK})) is None
        assert cost(edited(files={"video": Given("asset:2", "video/mp4", seconds=12.0)})) is None
        assert cost(made(options={"after": "g"}, size="640x360")) is None
        assert cost(edited(options={"reframe": True}, files={"video": LINK}, size="720x720")) is None

    def test_no_price_is_listed_for_what_is_not_made(self):
        offers = [price.when for price in registry.find("luma")[1].prices if price.when.get("hdr")]
        generated = {(when["resolution"], when["seconds"]) for when in offers if when["action"] == "video"}
        assert generated == {("720p", 5), ("1080p", 5)}


def test_the_model_that_is_gone_names_its_successor():
    with pytest.raises(ModelRetiredError, match="use luma/ray-2"):
        check_offered(registry.find("luma/ray-1-6")[1])


def test_each_api_has_its_own_key(monkeypatch, tmp_path):
    monkeypatch.setenv("MOVIOLA_KEYS", str(tmp_path / "keys.toml"))
    for name in ("LUMA_AGENTS_API_KEY", "LUMAAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with Transport() as line:
        for order, variable in ((made(), "LUMA_AGENTS_API_KEY"), (made("luma/ray-2"), "LUMAAI_API_KEY")):
            with pytest.raises(NotAuthorizedError, match=variable):
                luma.service(order, line)
            monkeypatch.setenv(variable, "k")
            assert luma.service(order, line).secrets == {"Authorization": "Bearer k"}


@pytest.mark.parametrize(
    "options",
    [{"keyframes": "{"}, {"keyframes": {0: "http://x"}}, {"after": "../x"}, {"depth": 2}, {"odd": 1}],
)
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(ValidationError):
        luma.Options.model_validate(options)

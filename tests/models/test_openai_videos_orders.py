"""Any model of a server with OpenAI's videos API: what is sent, and what is refused before."""

import pytest

import moviola
from fake_videos import FakeVideos
from moviola import registry
from moviola.card import Retired
from moviola.errors import InvalidInputError, ModelRetiredError, RequestError
from moviola.hosted.service import Given
from moviola.hosted.shaping import check_offered, settle
from moviola.models import openai_videos
from moviola.tasks import Edit, Generate, request

SERVER = "http://localhost:8000"
MODEL = "openai-videos/Wan-AI/Wan2.2-T2V-A14B-Diffusers"


@pytest.fixture(autouse=True)
def _no_server(monkeypatch):
    monkeypatch.delenv(openai_videos.SERVER, raising=False)


def order(model=MODEL, options=None, files=None, task=Generate, **fields):
    family, card = registry.find(model, task=task.verb)
    said = {"prompt": "a lake", "model": model, "server": SERVER} | fields
    settled, _ = settle(request(task, said), card)
    return family.order(settled, card, family.Options.model_validate(options or {}), files or {})


def edit(options=None, video="asset:1", **fields):
    return order(
        options=options, files={"video": Given(video, "video/mp4")}, task=Edit, video="a.mp4", **fields
    )


class TestWhatIsSent:
    def test_a_prompt_to_a_model_by_the_servers_own_name(self):
        made = order()
        assert made.body == {"model": "Wan-AI/Wan2.2-T2V-A14B-Diffusers", "prompt": "a lake"}
        assert (made.provider, made.action, made.server) == ("openai-videos", "/videos", f"{SERVER}/v1")
        assert made.priced == {}

    def test_the_bare_name_is_the_servers_only_model(self):
        assert order("openai-videos").body == {"prompt": "a lake"}

    def test_fields_go_under_the_names_that_servers_share(self):
        body = order(
            seconds=4, size="832x480", negative_prompt="boats", seed=7, steps=30, guidance=4.5, fps="24"
        ).body
        assert body == {
            "model": "Wan-AI/Wan2.2-T2V-A14B-Diffusers",
            "prompt": "a lake",
            "negative_prompt": "boats",
            "guidance_scale": 4.5,
            "num_inference_steps": 30,
            "size": "832x480",
            "seconds": "4",
            "fps": 24,
            "seed": 7,
        }

    def test_a_length_may_be_said_in_frames_at_any_rate(self):
        body = order(frames=81, fps="30000/1001").body
        assert (body["num_frames"], body["fps"], "seconds" in body) == (81, 29.97003, False)

    def test_a_picture_is_the_reference(self):
        body = order(files={"image": Given("asset:1", "image/png")}, image="lake.png").body
        assert body["input_reference"] == "asset:1"

    def test_options_go_through_as_json_or_text_and_win(self):
        options = {"flow_shift": "5.0", "quality": "high", "extra_params": '{"a": 1}', "model": "other"}
        body = order(options=options).body
        assert body == {
            "model": "other",
            "prompt": "a lake",
            "flow_shift": 5.0,
            "quality": "high",
            "extra_params": {"a": 1},
        }

    def test_files_are_placed_where_a_server_takes_them(self):
        files = {"image": Given("https://x/a.png"), "reference": Given("asset:2", "image/png")}
        options = {"image_reference": {"image_url": "@image"}, "control_reference": "@reference"}
        body = order(options=options, files=files, image="https://x/a.png").body
        assert body["image_reference"] == {"image_url": "https://x/a.png"}
        assert body["control_reference"] == "asset:2"

    def test_the_server_may_be_named_by_a_variable(self, monkeypatch):
        monkeypatch.setenv(openai_videos.SERVER, "https://gpu.example/v1")
        assert order(server=None).server == "https://gpu.example/v1"
        assert order().server == f"{SERVER}/v1"


class TestEditing:
    def test_a_file_goes_to_the_edits(self):
        made = edit(prompt="snow")
        assert (made.action, made.body["video"], made.body["prompt"]) == ("/videos/edits", "asset:1", "snow")

    def test_or_is_the_reference_of_a_new_video(self):
        made = edit({"input_reference": "@video"}, prompt="snow")
        assert made.action == "/videos"
        assert made.body == {
            "model": "Wan-AI/Wan2.2-T2V-A14B-Diffusers",
            "prompt": "snow",
            "input_reference": "asset:1",
        }

    @pytest.mark.parametrize(
        ("option", "fields", "action", "body"),
        [
            ("edit", {}, "/videos/edits", {"prompt": "a lake", "video": {"id": "video_7"}}),
            ("remix", {}, "/videos/video_7/remix", {"prompt": "a lake"}),
            (
                "extend",
                {"seconds": 8},
                "/videos/extensions",
                {"prompt": "a lake", "seconds": "8", "video": {"id": "video_7"}},
            ),
        ],
    )
    def test_videos_of_the_server_are_named_by_their_id(self, option, fields, action, body):
        made = order("openai-videos", {option: "video_7"}, **fields)
        assert (made.action, made.body) == (action, body)

    def test_an_id_is_one_step_of_a_path(self):
        assert order("openai-videos", {"remix": "a/../b?c="}).action == "/videos/a%2F..%2Fb%3Fc%3D/remix"


class TestRefusals:
    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"server": None}, "name the one that runs .*OpenAI's own ended on 2026-09-24, with no API"),
            ({"server": "localhost:8000"}, "is no address"),
            ({"server": "http://me:secret@x/v1"}, "leave user and password out"),
            ({"seconds": 2.5}, "whole ones, not 2.5; give frames and fps"),
            ({"aspect": "16:9"}, "not told its aspect"),
            ({"device": "cpu"}, "has no device"),
            ({"options": {"extend": "video_7"}}, "seconds: say how many"),
            ({"options": {"a": "@mask"}}, "the request has no mask"),
            ({"files": {"reference": Given("asset:1")}}, "-O NAME=@reference"),
            ({"files": {"image": Given("https://x/a.png")}}, "image: servers take an address each"),
            (
                {"files": {"image": Given("asset:1")}, "options": {"x": {"image_url": "@image"}}},
                "x: a file is sent for itself",
            ),
        ],
    )
    def test_what_cannot_be_is_said_before_anything_is_sent(self, fields, words):
        with pytest.raises(RequestError, match=words):
            order(**fields)

    def test_a_video_at_an_address_is_no_file(self):
        with pytest.raises(RequestError, match="video: servers take an address each"):
            edit(video="https://x/a.mp4")

    def test_an_edit_has_a_video_of_its_own(self):
        with pytest.raises(RequestError, match="moviola generate"):
            edit({"remix": "video_7"})

    def test_only_one_video_of_the_server_is_worked_on(self):
        with pytest.raises(ValueError, match="one of edit, remix and extend"):
            openai_videos.Options.model_validate({"edit": "a", "remix": "b"})

    @pytest.mark.parametrize("model", ["openai-videos/", "openai-videos/ ", "openai-videos/a\nb"])
    def test_what_is_no_name_is_refused(self, model):
        with pytest.raises(InvalidInputError):
            registry.find(model)

    def test_nothing_is_loaded(self):
        with pytest.raises(RequestError, match="runs on a server"):
            openai_videos.load(openai_videos.CARDS[0], None)


class TestSora:
    @pytest.mark.parametrize("model", ["sora-2", "sora-2-pro"])
    def test_it_ended_with_nothing_in_its_place(self, model):
        _, card = registry.find(f"openai-videos/{model}")
        assert card.retired == Retired(date="2026-09-24")
        words = "ended on 2026-09-24; nothing took its place; name a server that still has it"
        with pytest.raises(ModelRetiredError, match=words) as caught:
            check_offered(card)
        assert caught.value.successor is None
        check_offered(card, SERVER)

    def test_the_verb_refuses_it_too(self):
        with pytest.raises(ModelRetiredError):
            moviola.generate("a lake", model="openai-videos/sora-2")

    def test_a_server_that_has_it_is_asked_within_its_limits(self):
        assert order("openai-videos/sora-2").body == {
            "model": "sora-2",
            "prompt": "a lake",
            "size": "720x1280",
            "seconds": "4",
        }
        assert order("openai-videos/sora-2", aspect="16:9").body["size"] == "1280x720"
        for fields, words in (({"seconds": 5}, "makes 4 or 8 or 12, not 5"), ({"steps": 9}, "has no steps")):
            with pytest.raises(RequestError, match=words):
                order("openai-videos/sora-2", **fields)

    def test_a_server_prices_it_as_it_likes(self):
        for card in openai_videos.CARDS:
            assert not card.prices


def test_what_a_strict_server_does_not_know_is_not_sent_by_itself(monkeypatch):
    """All that the request has no word for is left out, so TensorRT-LLM, which refuses the rest, takes it."""
    from moviola.hosted.transport import Transport

    monkeypatch.delenv("MOVIOLA_SERVER_KEY", raising=False)
    said = {"seconds": 4, "size": "832x480", "negative_prompt": "boats", "seed": 7, "steps": 30}
    with FakeVideos(flavour="trtllm", key="") as there, Transport() as line:
        made = order(server=there.url, guidance=4.5, fps="24", **said)
        assert openai_videos.service(made, line).create(made).id in there.jobs

"""OpenAI's own client and types judge what is sent, and that the fake servers are honest."""

import io

import pytest
from openai_videos_ordered import order
from pydantic import ConfigDict, TypeAdapter, ValidationError

from fake_videos import FakeVideos, File
from moviola.hosted.service import Given
from moviola.tasks import Edit

pytest.importorskip("openai")

import openai
from openai.types import (
    Video,
    VideoCreateParams,
    VideoDeleteResponse,
    VideoEditParams,
    VideoExtendParams,
    VideoRemixParams,
)

# The client says so of every call since the service ended.
pytestmark = pytest.mark.filterwarnings("ignore:.*Sora API:DeprecationWarning")


def strictly(params):
    """What the client's type of a body takes, unknown names refused; files are `bytes`."""
    params.__pydantic_config__ = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    return TypeAdapter(params)


def as_client(body):
    return {name: b"file" if value == "asset:1" else value for name, value in body.items()}


class TestBodies:
    @pytest.mark.parametrize("model", ["openai-videos/sora-2", "openai-videos/sora-2-pro"])
    @pytest.mark.parametrize("seconds", [4, 8, 12])
    @pytest.mark.parametrize("size", ["720x1280", "1280x720", "1024x1792", "1792x1024"])
    def test_creations_are_what_the_client_would_send(self, model, seconds, size):
        for files in ({}, {"image": Given("asset:1", "image/png")}):
            made = order(model, files=files, seconds=seconds, size=size)
            strictly(VideoCreateParams).validate_python(as_client(made.body))

    def test_the_bare_name_sends_nothing_else(self):
        strictly(VideoCreateParams).validate_python(order("openai-videos", size="720x1280", seconds=4).body)

    def test_a_file_is_edited(self):
        made = order(
            "openai-videos", files={"video": Given("asset:1", "video/mp4")}, task=Edit, video="a.mp4"
        )
        strictly(VideoEditParams).validate_python(as_client(made.body))

    @pytest.mark.parametrize(
        ("option", "fields", "params"),
        [
            ("edit", {}, VideoEditParams),
            ("extend", {"seconds": 8}, VideoExtendParams),
            ("remix", {}, VideoRemixParams),
        ],
    )
    def test_videos_of_the_server_are_named_as_the_client_does(self, option, fields, params):
        strictly(params).validate_python(order("openai-videos", {option: "video_7"}, **fields).body)

    def test_names_of_the_servers_alone_are_refused_by_the_judge(self):
        body = order("openai-videos", steps=20).body
        with pytest.raises(ValidationError, match="num_inference_steps"):
            strictly(VideoCreateParams).validate_python(body)


@pytest.fixture(params=["openai", "vllm"])
def fake(request):
    with FakeVideos(flavour=request.param) as there:
        there.headers = {"openai-poll-after-ms": "1"}
        yield there


@pytest.fixture
def client(fake):
    with openai.OpenAI(base_url=f"{fake.url}/v1", api_key=fake.key, max_retries=0) as one:
        yield one


class TestTheFakeIsHonest:
    def test_the_client_makes_polls_and_fetches(self, fake, client):
        video = client.videos.create_and_poll(prompt="a lake", seconds="4", size="1280x720")
        assert isinstance(video, Video)
        assert (video.status, video.progress, video.seconds) == ("completed", 100, "4")
        Video.model_validate(video.model_dump(), strict=True)
        assert fake.jobs[video.id].looks == 3
        assert client.videos.download_content(video.id).read() == b"a film"
        deleted = client.videos.delete(video.id)
        assert isinstance(deleted, VideoDeleteResponse)
        assert deleted.deleted

    def test_it_reads_the_clients_forms(self, fake, client):
        picture = ("lake.png", io.BytesIO(b"\r\n picture"), "image/png")
        video = client.videos.create(prompt="a lake", input_reference=picture)
        body = fake.jobs[video.id].body
        assert body == {"prompt": "a lake", "input_reference": File("lake.png", "image/png", b"\r\n picture")}

    def test_its_refusals_are_the_clients_errors(self, fake, client):
        with pytest.raises(openai.BadRequestError) as caught:
            client.videos.create(prompt="")
        assert caught.value.param == "prompt"
        fake.key = "another"
        with pytest.raises(openai.AuthenticationError):
            client.videos.list()

    def test_its_list_is_a_page(self, fake, client):
        made = {client.videos.create(prompt="a lake").id for _ in range(2)}
        assert {video.id for video in client.videos.list()} == made


def test_the_official_fake_knows_the_other_calls():
    with (
        FakeVideos(flavour="openai") as there,
        openai.OpenAI(base_url=f"{there.url}/v1", api_key=there.key, max_retries=0) as client,
    ):
        remixed = client.videos.remix("video_7", prompt="again")
        assert remixed.remixed_from_video_id == "video_7"
        client.videos.edit(prompt="snow", video=("a.mp4", b"film", "video/mp4"))
        # Its own methods take no id, although its types do: they look for a file there.
        for call, body in (("edits", {"prompt": "snow"}), ("extensions", {"prompt": "on", "seconds": "8"})):
            body["video"] = {"id": "video_7"}
            assert client.post(f"/videos/{call}", body=body, cast_to=Video).status == "queued"
        assert [job.call for job in there.jobs.values()] == ["remix", "edits", "edits", "extensions"]

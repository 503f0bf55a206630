"""A server made of OpenAI's own document (2026-08-21) judges what is sent to it, and to those like it."""

import json
from dataclasses import replace
from itertools import product

import pytest
from openai_questions import APIS, questions
from openai_videos_ordered import order
from prism import Judged, cut, document, serve

from moviola.errors import RequestError, UnknownOutcomeError
from moviola.hosted.providers import openai_videos
from moviola.hosted.service import Given, Ticket, Upload
from moviola.models import openai_chat
from moviola.tasks import Edit

TALKS = ("/responses", "/chat/completions")
NOTHING = {"200": {"description": "nothing"}}

DONE = {"id": "video_7", "object": "video", "status": "completed", "progress": 100, "expires_at": 1}

ORIGINAL = "'detail': 'original'"
"""Of pictures; the document knows it in Responses alone."""

IMAGE, VIDEO = Given("asset:1", "image/png"), Given("asset:1", "video/mp4")


@pytest.fixture(scope="module")
def server():
    whole = document("openai-openapi.yaml.gz")
    for path in TALKS:
        # Prism has no streams; anything else is nothing that is understood, and takes it long to make.
        whole["paths"][path] = {"post": whole["paths"][path]["post"] | {"responses": NOTHING}}
    spec = cut(whole, [*TALKS, *(path for path in whole["paths"] if path.startswith("/videos"))])
    # A message is one of two kinds that are told apart by nothing, so that what is one is the other too.
    kinds = spec["components"]["schemas"]["InputItem"]
    kinds["anyOf"] = kinds.pop("oneOf")
    seen = spec["paths"]["/videos/{video_id}"]["get"]["responses"]["200"]
    seen["content"]["application/json"]["example"] = DONE
    with serve({**spec, "paths": {f"/v1{path}": calls for path, calls in spec["paths"].items()}}) as url:
        yield f"{url}/v1"


@pytest.fixture
def line(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("MOVIOLA_OPENAI_URL", server)
    monkeypatch.setenv("MOVIOLA_OPENAI_VIDEOS_URL", server)
    with Judged() as line:
        yield line


class TestVideos:
    @pytest.fixture
    def made(self, line, tmp_path):
        """What comes of an order of a model, made at the server."""
        path = tmp_path / "file"
        path.write_bytes(b"\x00a file\r\n")

        def make(model="openai-videos", options=None, files=None, **fields):
            sent = order(model, options, files, server=None, **fields)
            if files:
                kind = next(iter(files.values())).kind
                sent = replace(sent, uploads=(Upload(str(path), "1", kind, path.stat().st_size),))
            return openai_videos.service(sent, line).create(sent)

        return make

    def test_every_creation_is_one_that_openai_knows(self, made):
        models = ("openai-videos/sora-2", "openai-videos/sora-2-pro", "openai-videos")
        sizes = ("720x1280", "1280x720", "1024x1792", "1792x1024")
        for model, size, seconds, files in product(models, sizes, (4, 8, 12), ({}, {"image": IMAGE})):
            assert made(model, files=files, size=size, seconds=seconds).id
        assert made().id

    def test_so_is_every_change_of_a_video(self, made):
        assert made(files={"video": VIDEO}, task=Edit, video="a.mp4").id
        for option, fields in {"edit": {}, "extend": {"seconds": 8}, "remix": {}}.items():
            assert made(options={option: "video_7"}, **fields).id

    def test_a_job_is_looked_at_fetched_and_deleted(self, line):
        service = openai_videos.service(order("openai-videos", server=None), line)
        seen = service.look(Ticket("video_7"))
        assert seen.state == "done"
        (film,) = seen.outputs
        with line.stream(film.url, {}, service.secrets) as answer:
            assert answer.status_code == 200
        assert "gives the job up" in service.cancel(Ticket("video_7"))

    @pytest.mark.parametrize(
        ("options", "fields", "words"),
        [
            (
                {},
                {"size": "640x480", "seconds": 5},
                "seconds must be equal to one of .*: 4, 8, 12.*size must",
            ),
            ({"extend": "video_7"}, {"seconds": 40}, "seconds must be equal to one of"),
            ({"edit": "video_7", "prompt": 7}, {}, "prompt must be string"),
            ({"remix": "video_7", "prompt": 7}, {}, "prompt must be string"),
        ],
    )
    def test_the_judge_refuses_what_openai_has_not(self, made, options, fields, words):
        with pytest.raises(AssertionError, match=words):
            made(options=options, **fields)


class TestQuestions:
    @pytest.mark.parametrize("api", APIS)
    def test_every_question_is_one_that_openai_knows(self, line, api):
        """Each of the models, and each of what they are asked once."""
        judged = set()
        for speaker, messages, manner in questions(api, line):
            new = {speaker.model, json.dumps(speaker.shape.body("", messages, manner))} - judged
            if new and not (api == "chat" and ORIGINAL in str(messages)) and asked(speaker, messages, manner):
                judged |= new
        assert {card.id.removeprefix("openai-chat/") for card in openai_chat.CARDS} < judged

    def test_the_one_known_difference_is_still_there(self, line):
        """Else the document is a newer one, and the exception above can go: OpenAI's own package knows it."""
        original = (talk for talk in questions("chat", line) if ORIGINAL in str(talk[1]))
        with pytest.raises(AssertionError, match=r"detail must be equal to one of .*: auto, low, high"):
            asked(*next(original))

    @pytest.mark.parametrize("api", APIS)
    @pytest.mark.parametrize("turn", [{"role": "speaker"}, {"content": [{"type": "video"}]}, {"content": 7}])
    def test_the_judge_refuses_what_openai_has_not(self, line, server, api, turn):
        speaker, _, manner = next(questions(api, line))
        body = speaker.shape.body(speaker.model, [{"role": "user", "content": "Why?"}], manner)
        turns = "input" if api == "responses" else "messages"
        with pytest.raises(AssertionError, match=rf"Request body property {turns}\.0"):
            line.create(
                f"{server}{speaker.shape.path}",
                secrets=speaker._secrets,
                json=body | {turns: [body[turns][0] | turn]},
            )


def asked(speaker, messages, manner):
    """Whether it was asked at all: a model may refuse what the manner says. It is answered with nothing."""
    try:
        with pytest.raises(UnknownOutcomeError):
            list(speaker.spoken(messages, manner, [], []))
    except RequestError:
        return False
    return True

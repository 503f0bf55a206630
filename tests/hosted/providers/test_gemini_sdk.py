"""Google's own SDK judges what is sent to Gemini, and the fake that our tests ask."""

import base64
import json

import pytest

import moviola
from fake_gemini import FakeGemini, event, quota, refusing, saying, stream
from moviola import registry
from moviola.clip import Clip
from moviola.film import film
from moviola.hosted.service import Rules
from moviola.stage import Scene, Shot
from moviola.understanding.gemini import talking as line

types = pytest.importorskip("google.genai.types")

from google import genai  # noqa: E402
from google.genai import errors  # noqa: E402

CARDS = [card for card in registry.find("gemini")[0].CARDS if card.retired is None]

SCHEMA = {
    "type": "object",
    "properties": {"what": {"type": "string", "minLength": 1}, "n": {"const": 3}},
    "required": ["what"],
}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    return film(Scene((Shot(1.0, ground=1),), size=(96, 72)), tmp_path_factory.mktemp("film") / "a.mp4")


@pytest.fixture
def gemini(monkeypatch, tmp_path):
    monkeypatch.setenv("MOVIOLA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOVIOLA_KEYS", str(tmp_path / "keys.toml"))
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    monkeypatch.setattr(line, "PREPARING", Rules(pause_seconds=0.001))
    with FakeGemini() as there:
        for name, value in there.environment.items():
            monkeypatch.setenv(name, value)
        yield there


@pytest.fixture
def client(gemini):
    """Google's client, which asks our fake, and once."""
    options = {
        "base_url": gemini.url,
        "api_version": "v1beta",
        "retry_options": {"attempts": 1},
        "timeout": 5000,
    }
    return genai.Client(api_key=gemini.key, http_options=options)


def judged(body):
    """What is sent, as Google's types read it: names that they do not know are refused."""
    body = dict(body)
    said = [types.Content.model_validate_json(json.dumps(turn)) for turn in body.pop("contents")]
    config = types.GenerationConfig.model_validate_json(json.dumps(body.pop("generationConfig")))
    if "systemInstruction" in body:
        types.Content.model_validate_json(json.dumps(body.pop("systemInstruction")))
    assert body == {}
    return said, config


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_every_model_is_asked_in_googles_words(gemini, rendered, card):
    gemini.models.append(card.id.replace("/", "-", 1))
    moviola.ask(rendered, "What?", model=card.id)
    (turn,), config = judged(gemini.questions[-1])
    assert turn.role == "user"
    assert turn.parts[1].inline_data.data == rendered.read_bytes()
    assert turn.parts[1].video_metadata.fps == 1
    assert config.max_output_tokens == 512 + 8192


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({}, {"at": "0.2s..0.8s", "fps": 10}),
        ({"send": "file"}, {"temperature": 0.5, "top_p": 0.9, "seed": 3, "system": "Be brief."}),
        ({"send": "frames", "thinking": "low"}, {"json_schema": SCHEMA}),
        ({"resolution": "high", "thinking": "minimal"}, {}),
        ({"resolution": "medium", "thinking": "high"}, {"max_tokens": 100_000}),
        ({"uri": "https://www.youtube.com/watch?v=9hE5-98ZeCg", "resolution": "low"}, {"frames": 3}),
    ],
)
def test_every_option_is_in_googles_words(gemini, rendered, options, fields):
    gemini.answers = [saying('{"what": "a lake", "n": 3}')]
    moviola.ask(rendered, "What?", model=gemini.model, options=options, **fields)
    said, config = judged(gemini.questions[-1])
    for enum in (config.media_resolution, config.thinking_config and config.thinking_config.thinking_level):
        # A word that Google does not know becomes one of its enumerations too, but with a warning.
        assert enum is None or enum.name in type(enum).__members__
    assert said[0].parts


def test_a_talk_is_in_googles_words(gemini, rendered):
    with moviola.chat([rendered, Clip(rendered)], model=gemini.model) as talk:
        talk.ask("What?")
        talk.ask("And?")
    said, _ = judged(gemini.questions[-1])
    assert [turn.role for turn in said] == ["user", "model", "user"]


def test_the_fake_answers_googles_client(gemini, client, rendered):
    gemini.answers = [saying("A", " lake.")]
    held = types.Part.from_bytes(data=rendered.read_bytes(), mime_type="video/mp4")
    pieces = list(client.models.generate_content_stream(model="gemini-3.8-flash", contents=[held, "What?"]))
    assert [piece.text for piece in pieces if piece.text] == ["A", " lake."]
    assert pieces[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert pieces[-1].usage_metadata.thoughts_token_count == 80
    sent = gemini.questions[-1]["contents"][0]["parts"][0]["inlineData"]
    assert base64.urlsafe_b64decode(sent["data"]) == rendered.read_bytes()


def test_ours_and_theirs_ask_for_the_same(gemini, client, rendered):
    moviola.ask(rendered, "What?", model=gemini.model, options={"send": "frames"}, frames=1)
    ours = gemini.questions[-1]
    contents = [types.Content.model_validate_json(json.dumps(turn)) for turn in ours["contents"]]
    config = {"max_output_tokens": 8704, "media_resolution": "MEDIA_RESOLUTION_LOW"}
    list(client.models.generate_content_stream(model="gemini-3.8-flash", contents=contents, config=config))
    # They write names within a part with underscores, and bytes in the other alphabet of base64.
    assert judged(gemini.questions[-1]) == judged(ours)
    (one, other) = [asked for asked in gemini.asked if "GenerateContent" in asked.place]
    assert (one.path, one.headers["x-goog-api-key"]) == (other.path, other.headers["x-goog-api-key"])


def test_the_fake_refuses_as_googles_client_understands(gemini, client):
    gemini.trouble(*gemini.ask, refusing(429, "RESOURCE_EXHAUSTED", "Slow down", *quota("PerMinute", "9s")))
    with pytest.raises(errors.ClientError) as error:
        list(client.models.generate_content_stream(model="gemini-3.8-flash", contents="What?"))
    assert (error.value.code, error.value.status) == (429, "RESOURCE_EXHAUSTED")
    gemini.answers = [stream({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})]
    (blocked,) = client.models.generate_content_stream(model="gemini-3.8-flash", contents="What?")
    assert blocked.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT
    gemini.answers = [stream(event({"text": "A"}, finish="RECITATION"))]
    (stopped,) = client.models.generate_content_stream(model="gemini-3.8-flash", contents="What?")
    assert stopped.candidates[0].finish_reason == types.FinishReason.RECITATION


def test_every_reason_to_stop_is_known():
    from moviola.hosted.providers import gemini as wire

    theirs = {*types.FinishReason.__members__, *types.BlockedReason.__members__}
    assert {*wire._MODERATED, *wire._CUT} <= theirs

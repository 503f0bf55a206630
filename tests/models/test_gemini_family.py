"""Gemini is asked about videos: what is sent of them, what it costs, and what is refused before."""

import base64
import io
import json
import shutil
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import moviola
from fake_gemini import FakeGemini, event, quota, refusing, saying, stream
from fake_provider import LOSE, Answer
from moviola import registry
from moviola.clip import Clip
from moviola.errors import (
    HostedError,
    InvalidInputError,
    ModelRetiredError,
    ModeratedError,
    NotAuthorizedError,
    ProviderDownError,
    QuotaError,
    RateLimitedError,
    RequestError,
    UnknownOutcomeError,
)
from moviola.film import film
from moviola.hosted.pricing import Usage, talking
from moviola.hosted.service import Rules
from moviola.stage import Motion, Scene, Shot, Sprite
from moviola.understanding.gemini import sending
from moviola.understanding.gemini import talking as line

MODEL = "gemini/3.8-flash"
QUICK = Rules(attempts=3, pause_seconds=0.001)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    """Two seconds of two shots at 12 frames a second, with sound."""
    path = tmp_path_factory.mktemp("film") / "disc.mp4"
    sprite = Sprite("disc", 10, (0.9, 0.3, 0.2), Motion(velocity=(20, 0)))
    shots = Shot(1.0, ground=1, sprites=(sprite,)), Shot(1.0, ground=2)
    return film(Scene(shots, size=(96, 72), rate=Fraction(12)), path)


@pytest.fixture
def gemini(monkeypatch, tmp_path):
    monkeypatch.setenv("MOVIOLA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOVIOLA_KEYS", str(tmp_path / "keys.toml"))
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    monkeypatch.setattr(line, "RULES", QUICK)
    monkeypatch.setattr(line, "PREPARING", QUICK)
    with FakeGemini() as there:
        for name, value in there.environment.items():
            monkeypatch.setenv(name, value)
        yield there


def ask(video, question="What moves?", **fields):
    return moviola.ask(video, question, **{"model": MODEL} | fields)


def parts(gemini, number=-1, turn=-1):
    return gemini.questions[number]["contents"][turn]["parts"]


def config(gemini, number=-1):
    return gemini.questions[number]["generationConfig"]


# What is sent ----------------------------------------------------------------------------------------------


def test_a_file_goes_with_the_question_as_it_lies(gemini, rendered):
    answer = ask(rendered)
    assert (answer.text, answer.model) == ("A lake.", MODEL)
    assert answer.notes == []
    opening, file, question = parts(gemini)
    assert opening == {"text": "This is a video from 0.0s to 2.0s:"}
    assert file["inlineData"]["mimeType"] == "video/mp4"
    assert base64.b64decode(file["inlineData"]["data"]) == rendered.read_bytes()
    assert file["videoMetadata"] == {"fps": 1.0}
    assert question == {"text": "What moves?"}
    assert config(gemini) == {"maxOutputTokens": 512 + 8192}
    assert answer.frames == 2
    assert answer.shown[0].frame_seconds == [0, 1]


def test_a_stretch_is_told_and_not_cut_out(gemini, rendered):
    ask(rendered, at="0.5s..1.5s", fps=4)
    assert parts(gemini)[1]["videoMetadata"] == {"fps": 4.0, "startOffset": "0.500s", "endOffset": "1.500s"}
    assert parts(gemini)[0] == {"text": "This is a video from 0.5s to 1.5s:"}
    ask(rendered, at="1s..", frames=3)
    assert parts(gemini)[1]["videoMetadata"] == {"fps": 3.0, "startOffset": "1.000s"}


def test_gemini_looks_no_faster_than_it_can(gemini, tmp_path):
    pictures = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3), dtype=np.uint8)
    Clip(pictures, rate=60).save(tmp_path / "fast.mp4")
    answer = ask(tmp_path / "fast.mp4", fps=60, duplicates=True)
    assert answer.frames == 30
    assert "Gemini looks at 24 frames per second at most, not 60" in answer.notes[0]
    with pytest.raises(RequestError, match="use --fps 24"):
        ask(tmp_path / "fast.mp4", fps=60, options={"uri": "https://youtu.be/9hE5-98ZeCg"})


def test_a_large_file_is_brought_once_and_used_again(gemini, rendered, monkeypatch):
    monkeypatch.setattr(line, "INLINE", 1000)
    gemini.files.prepared_after = 2
    ask(rendered)
    file = parts(gemini)[1]
    (held,) = gemini.files.held.values()
    assert file["fileData"] == {"fileUri": f"{gemini.url}/v1beta/{held.name}", "mimeType": "video/mp4"}
    assert file["videoMetadata"] == {"fps": 1.0}
    assert held.content == rendered.read_bytes()
    ask(rendered, "And what does not?")
    assert gemini.count("POST", "/upload/.*") == 1
    assert parts(gemini)[1] == file
    # Who asks the same again pays nothing, though the file has another address by then.
    gemini.files.held.clear()
    assert ask(rendered).cost_usd == 0
    assert len(gemini.questions) == 2


def test_a_file_goes_the_way_that_is_asked_for(gemini, rendered, monkeypatch):
    ask(rendered, options={"send": "file"})
    assert "fileData" in parts(gemini)[1]
    monkeypatch.setattr(line, "INLINE", 1000)
    with pytest.raises(RequestError, match=r"send=inline cannot send .*too large"):
        ask(rendered, options={"send": "inline"})


def test_a_long_file_is_not_sent_with_each_of_its_scenes(gemini, rendered, monkeypatch):
    monkeypatch.setattr(line, "SMALL", 1000)
    captions = moviola.caption(rendered, model=MODEL, dense=True, shortest=0.5)
    assert len(captions.moments) == len(gemini.questions) == 2
    assert len(gemini.files.held) == 1
    told = [parts(gemini, number)[1]["videoMetadata"] for number in (0, 1)]
    assert {"fps": 1.0, "endOffset": "1.000s"} in told
    assert {"fps": 1.0, "startOffset": "1.000s"} in told


def test_frames_are_sent_with_their_times_where_that_is_asked_for(gemini, rendered):
    answer = ask(rendered, options={"send": "frames", "long_side": 48}, frames=2)
    opening, time, picture, _, _, question = parts(gemini)
    assert opening["text"].startswith("Here are frames of a video from 0.0s to 2.0s")
    assert time == {"text": "0.5s:"}
    assert picture["inlineData"]["mimeType"] == "image/jpeg"
    assert Image.open(io.BytesIO(base64.b64decode(picture["inlineData"]["data"]))).size == (48, 36)
    assert question == {"text": "What moves?"}
    # Pictures would be 1120 tokens each.
    assert config(gemini)["mediaResolution"] == "MEDIA_RESOLUTION_LOW"
    assert answer.frames == 2


@pytest.fixture(params=["array", "mkv", "cut short"])
def odd(request, rendered, tmp_path):
    """What Gemini cannot read, or not rightly, and our own decoder can."""
    if request.param == "array":
        return Clip(np.random.default_rng(0).integers(0, 255, (8, 48, 64, 3), dtype=np.uint8), rate=4)
    video = tmp_path / "disc.mkv"
    Clip(rendered).save(video)
    if request.param == "mkv":
        return video
    short = tmp_path / "short.webm"
    content = video.read_bytes()
    short.write_bytes(content[: len(content) * 2 // 3])
    return short


def test_what_gemini_cannot_read_goes_as_frames_and_the_user_is_told(gemini, odd):
    answer = ask(odd)
    assert any("is sent as frames, without its sound" in note for note in answer.notes)
    assert {part["inlineData"]["mimeType"] for part in parts(gemini) if "inlineData" in part} == {
        "image/jpeg"
    }
    with pytest.raises(RequestError, match="send=file cannot send"):
        ask(odd, "Again?", options={"send": "file"})


def test_frames_shared_out_between_scenes_are_chosen_here(gemini, rendered):
    answer = ask(rendered, sampling="scenes", frames=3, at="0.8s..2s", duplicates=True)
    assert answer.notes == [
        f"{rendered} is sent as frames, without its sound: its frames are chosen by scenes"
    ]
    assert answer.frames == 3


def test_bytes_go_with_the_question_and_cannot_be_brought(gemini, rendered):
    ask(rendered.read_bytes())
    assert base64.b64decode(parts(gemini)[1]["inlineData"]["data"]) == rendered.read_bytes()
    with pytest.raises(RequestError, match="it is in memory"):
        ask(rendered.read_bytes(), options={"send": "file"})


def test_gemini_finds_a_public_video_itself(gemini, rendered):
    address = "https://www.youtube.com/watch?v=9hE5-98ZeCg"
    ask(rendered, at="1s..2s", options={"uri": address})
    assert parts(gemini)[1] == {
        "fileData": {"fileUri": address},
        "videoMetadata": {"fps": 1.0, "startOffset": "1.000s"},
    }
    with pytest.raises(RequestError, match="uri stands for one video"):
        ask([rendered, rendered], options={"uri": address})


def test_several_videos_are_numbered(gemini, rendered):
    ask([rendered, rendered])
    texts = [part["text"] for part in parts(gemini) if "text" in part]
    assert texts[0].startswith("Video 1. This is")
    assert texts[1].startswith("Video 2. This is")
    with pytest.raises(RequestError, match="10 videos at most, not 11"):
        ask([rendered] * 11)


def test_what_does_not_fit_one_question_is_brought(gemini, rendered, monkeypatch):
    monkeypatch.setattr(line, "INLINE", len(rendered.read_bytes()) * 3 // 2)
    ask([rendered, rendered])
    assert ["inlineData" in part for part in parts(gemini)[1::2]] == [True, False]


def test_frames_that_do_not_fit_are_refused(gemini, rendered, monkeypatch):
    monkeypatch.setattr(sending, "INLINE", 4000)
    with pytest.raises(RequestError, match=r"use --frames \d+, or smaller ones"):
        ask(rendered, options={"send": "frames"}, frames=20)


def test_a_video_that_is_too_long_is_refused(gemini, rendered, monkeypatch):
    monkeypatch.setattr(line, "CONTEXT", 200)
    with pytest.raises(RequestError, match="would be 218 tokens"):
        ask(rendered)


# How it is asked -------------------------------------------------------------------------------------------


def test_how_an_answer_is_drawn_is_told_where_it_was_asked_for(gemini, rendered):
    ask(rendered, temperature=0.7, top_p=0.9, seed=2**40 + 5, max_tokens=100, system="Be brief.")
    assert config(gemini) == {"maxOutputTokens": 8292, "temperature": 0.7, "topP": 0.9, "seed": 5}
    assert gemini.questions[-1]["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    options = {"thinking": "low", "thinking_room": 0, "resolution": "high"}
    ask(rendered, options=options, max_tokens=10**6)
    assert config(gemini) == {
        "maxOutputTokens": 65536,
        "thinkingConfig": {"thinkingLevel": "LOW"},
        "mediaResolution": "MEDIA_RESOLUTION_HIGH",
    }


def test_an_older_model_is_told_a_temperature_of_0_and_nothing_of_thinking(gemini, rendered):
    ask(rendered, model="gemini/2.5-flash-lite")
    assert config(gemini)["temperature"] == 0
    with pytest.raises(RequestError, match="not told how much to think"):
        ask(rendered, model="gemini/2.5-flash-lite", options={"thinking": "low"})


def test_an_answer_in_a_form_is_asked_for_by_what_gemini_knows_of_schemas(gemini, rendered):
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "what": {"type": "string", "minLength": 2, "pattern": "^[a-z]+$"},
            "kind": {"const": "disc"},
            "seen": {"$ref": "#/$defs/times", "description": "when"},
            "sure": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}]},
        },
        "required": ["what"],
        "additionalProperties": False,
        "if": {"required": ["seen"]},
        "$defs": {"times": {"type": "array", "items": {"type": "number", "multipleOf": 0.5}}},
    }
    gemini.answers = [saying('{"what": "x"}'), saying('{"what"', ': "disc"}')]
    answer = ask(rendered, json_schema=schema)
    assert (answer.value, answer.attempts) == ({"what": "disc"}, 2)
    assert config(gemini)["responseMimeType"] == "application/json"
    assert config(gemini)["responseJsonSchema"] == {
        "type": "object",
        "properties": {
            "what": {"type": "string"},
            "kind": {"enum": ["disc"]},
            "seen": {"$ref": "#/$defs/times"},
            "sure": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        },
        "required": ["what"],
        "additionalProperties": False,
        "$defs": {"times": {"type": "array", "items": {"type": "number"}}},
    }
    turns = gemini.questions[-1]["contents"]
    assert [turn["role"] for turn in turns] == ["user", "model", "user"]


def test_a_talk_goes_on(gemini, rendered, monkeypatch):
    monkeypatch.setattr(line, "INLINE", 1000)
    gemini.answers = [saying("A ", "disc."), stream(event(finish="MAX_TOKENS")), saying("Red.")]
    with moviola.chat(rendered, model=MODEL) as talk:
        assert talk.ask("What moves?").text == "A disc."
        assert talk.ask("And?").cut
        assert talk.ask("Which colour?").text == "Red."
    first, *_, last = gemini.questions
    assert last["contents"][0] == first["contents"][0]
    assert [turn["parts"] for turn in last["contents"][1:]] == [
        [{"text": "A disc."}],
        [{"text": "And?"}],
        [{"text": "…"}],
        [{"text": "Which colour?"}],
    ]
    assert gemini.count("POST", "/upload/.*") == 1


def test_an_error_leaves_the_talk_as_it_was(gemini, rendered):
    gemini.answers = [refusing(400, "INVALID_ARGUMENT", "no"), saying("A disc.")]
    with moviola.chat(rendered, model=MODEL) as talk:
        with pytest.raises(InvalidInputError):
            talk.ask("What moves?")
        assert talk.ask("What moves?").text == "A disc."
    assert gemini.questions[0] == gemini.questions[1]


def test_closing_an_answer_hangs_up_and_the_talk_goes_on(gemini, rendered):
    gemini.answers = [saying("A ", "disc."), saying("Red.")]
    with moviola.chat(rendered, model=MODEL) as talk:
        words = talk.stream("What moves?")
        assert next(words) == "A "
        words.close()
        talk.ask("Which colour?")
    assert gemini.questions[-1]["contents"][1]["parts"] == [{"text": "A "}]


# Costs -----------------------------------------------------------------------------------------------------


def test_what_an_answer_cost_is_told_by_what_google_counts(gemini, rendered):
    # 1000 tokens read, 20 said and 80 thought.
    assert ask(rendered).cost_usd == Decimal("0.00075") + Decimal("0.000375")
    again = ask(rendered)
    assert (again.text, again.cost_usd) == ("A lake.", 0)
    assert len(gemini.questions) == 1


def test_what_may_cost_too_much_is_not_asked(gemini, rendered):
    with pytest.raises(RequestError, match="max_cost"):
        ask(rendered, max_cost="0.0001")
    assert gemini.asked == []
    assert ask(rendered, max_cost="0.50").text == "A lake."


def test_an_unknown_models_price_is_not_known(gemini, rendered):
    gemini.models.append("gemini-9-next")
    answer = ask(rendered, model="gemini/9-next")
    assert (answer.text, answer.cost_usd) == ("A lake.", None)
    with pytest.raises(RequestError, match="not known"):
        ask(rendered, "Now?", model="gemini/9-next", max_cost=1)
    with pytest.raises(InvalidInputError, match="is no model"):
        ask(rendered, model="gemini/../tuned")


@pytest.mark.parametrize("card", registry.find("gemini")[0].CARDS, ids=lambda card: card.id)
def test_every_model_that_is_offered_has_a_price(card):
    cost = talking(card, Usage(10**6, 10**6, 0))
    assert cost is not None or card.retired is not None
    if card.retired is not None:
        assert registry.find(card.retired.successor)[1].retired is None


# Refusals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["gemini/3-pro", "gemini/3-pro-preview"])
def test_a_model_that_ended_is_refused_before_anything_is_sent(gemini, rendered, model):
    with pytest.raises(ModelRetiredError, match=r"gemini/3\.1-pro-preview") as error:
        ask(rendered, model=model)
    assert error.value.successor == "gemini/3.1-pro-preview"
    assert gemini.asked == []


VIOLATION = {
    "@type": "type.googleapis.com/google.rpc.BadRequest",
    "fieldViolations": [{"field": "generation_config.media_resolution", "description": "Invalid value"}],
}


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (
            refusing(400, "INVALID_ARGUMENT", "Invalid value at …", VIOLATION),
            InvalidInputError,
            "media_resol",
        ),
        (refusing(400, "FAILED_PRECONDITION", "Free tier is not available"), InvalidInputError, "Free tier"),
        (refusing(403, "PERMISSION_DENIED", "Your project is blocked."), NotAuthorizedError, "blocked"),
        (
            refusing(404, "NOT_FOUND", "models/gemini-3.8-flash is no longer available"),
            ModelRetiredError,
            "no",
        ),
        (
            refusing(429, "RESOURCE_EXHAUSTED", "You exceeded", *quota("RequestsPerDayPerProject", "9s")),
            QuotaError,
            "exceeded",
        ),
        (Answer(500, b"<html>oops"), UnknownOutcomeError, "500"),
        (refusing(504, "DEADLINE_EXCEEDED", "Deadline expired"), UnknownOutcomeError, "Deadline"),
        (stream({"promptFeedback": {"blockReason": "SAFETY"}}), ModeratedError, "for safety"),
        (stream(event({"text": "A"}, finish="RECITATION")), ModeratedError, "recite"),
        (stream(event({"text": "A"}, finish="OTHER")), HostedError, "OTHER"),
        (stream(event({"text": "A"})), UnknownOutcomeError, "breaks off"),
        (stream("so"), UnknownOutcomeError, "no sense"),
        (Answer(200, b"<html>a page"), UnknownOutcomeError, "breaks off"),
        (LOSE, UnknownOutcomeError, "broke"),
        (Answer(200, b"data: {", length=100, cut=7), UnknownOutcomeError, "middle"),
    ],
)
def test_what_is_no_answer_is_an_error_and_asked_once(gemini, rendered, answer, error, words):
    gemini.trouble(*gemini.ask, answer)
    with pytest.raises(error, match=words) as told:
        ask(rendered)
    assert type(told.value) is error
    assert gemini.key not in str(told.value)
    assert gemini.count(*gemini.ask) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (
            refusing(429, "RESOURCE_EXHAUSTED", "Slow", *quota("RequestsPerMinute", "0.001s")),
            RateLimitedError,
        ),
        (refusing(503, "UNAVAILABLE", "The model is overloaded."), ProviderDownError),
    ],
)
def test_what_passes_is_asked_again(gemini, rendered, answer, error):
    gemini.trouble(*gemini.ask, answer, answer)
    assert ask(rendered).text == "A lake."
    gemini.trouble(*gemini.ask, answer, answer, answer)
    with pytest.raises(error):
        ask(rendered, "And now?")
    assert gemini.count(*gemini.ask) == 6


def test_a_wait_of_minutes_is_left_to_the_user(gemini, rendered):
    gemini.trouble(*gemini.ask, refusing(429, "RESOURCE_EXHAUSTED", "Slow", *quota("PerMinute", "300.5s")))
    with pytest.raises(RateLimitedError) as error:
        ask(rendered)
    assert error.value.after == 300.5
    assert gemini.count(*gemini.ask) == 1


def test_a_file_that_google_cannot_read_is_told(gemini, rendered):
    gemini.files.broken = True
    with pytest.raises(InvalidInputError, match=r"can make nothing of disc\.mp4"):
        ask(rendered, options={"send": "file"})
    assert gemini.questions == []


def test_a_file_that_is_not_ready_is_not_waited_for_without_end(gemini, rendered):
    gemini.files.prepared_after = 99
    with pytest.raises(ProviderDownError, match="still prepares"):
        ask(rendered, options={"send": "file"})


def test_keys(gemini, rendered, monkeypatch):
    monkeypatch.setenv("GOOGLE_API_KEY", gemini.key)
    monkeypatch.delenv("GEMINI_API_KEY")
    assert ask(rendered).text == "A lake."
    monkeypatch.setenv("GOOGLE_API_KEY", "not-the-key")
    with pytest.raises(NotAuthorizedError) as error:
        ask(rendered, "And now?")
    assert "not-the-key" not in str(error.value)
    monkeypatch.delenv("GOOGLE_API_KEY")
    with pytest.raises(NotAuthorizedError, match="GEMINI_API_KEY"):
        ask(rendered, "And now?")


def test_another_model_than_was_asked_is_told(gemini, rendered):
    gemini.models.append("gemini-3-flash-preview")
    with moviola.chat(rendered, model="gemini/3-flash-preview") as talk:
        (note,) = talk.ask("What moves?").notes
    assert note.startswith("gemini-3.8-flash answered in place of gemini-3-flash-preview")


def test_nothing_is_loaded():
    family, card = registry.find("gemini")
    assert card.id == family.DEFAULT
    with pytest.raises(RequestError, match="runs at Google"):
        family.load(card, None)


def test_captions_of_a_folder(gemini, rendered, tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    shutil.copy(rendered, folder / "a.mp4")
    shutil.copy(rendered, folder / "b.mp4")
    gemini.answers = [saying("One."), saying("Two.")]
    captions = moviola.caption(folder, model=MODEL, cache=False)
    assert sorted(video.text for video in captions.videos) == ["One.", "Two."]
    assert captions.cost_usd == 2 * (Decimal("0.00075") + Decimal("0.000375"))
    assert json.loads(captions.model_dump_json())["videos"]

"""A speaker on a server: what is sent to it, what is heard, and what is told where it goes wrong."""

import base64
import io
import json
import re
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import fake_openai
import fake_web
from fake_hub import closed_port
from fake_openai import Reply, event, refusing, saying
from moviola import registry
from moviola.clip import Clip
from moviola.errors import InputError, RequestError
from moviola.film import film
from moviola.hosted.servers import KEYS
from moviola.stage import Motion, Scene, Shot, Sprite
from moviola.tasks import Ask
from moviola.understanding.schema import Form, answered
from moviola.understanding.served import open_server
from moviola.understanding.served import server as line
from moviola.understanding.served.events import events
from moviola.understanding.served.options import Options, facts, tokens
from moviola.understanding.served.talking import speaker
from moviola.understanding.speaker import Manner, Said, Sight

COLOURS = [(200, 30, 30), (30, 180, 40), (20, 60, 210), (230, 220, 40)]
KEY = "sk-moviola-1234567890"


@pytest.fixture
def served(monkeypatch):
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    with fake_openai.serve() as one:
        yield one


@pytest.fixture
def waited(monkeypatch):
    """How long it would have waited."""
    seconds = []
    monkeypatch.setattr(line.time, "sleep", seconds.append)
    return seconds


def clip(width=64, height=48):
    """Four pictures of one colour each, two per second."""
    return Clip(np.broadcast_to(np.array(COLOURS, np.uint8)[:, None, None], (4, height, width, 3)), rate=2)


def sight(video=None, indices=(0, 1, 2, 3)):
    video = video or clip()
    timeline, chosen = video.timeline(), np.array(indices)
    start, stop = timeline.pts_seconds[0], timeline.end_seconds
    return Sight(video, float(start), float(stop), chosen, timeline.pts_seconds[chosen])


def drained(asking):
    """What a generator yields, and last what it returns."""
    while True:
        try:
            yield next(asking)
        except StopIteration as end:
            yield end.value
            return


def heard(talk, question="What is it?", manner=None):
    *pieces, said = drained(talk.ask(question, manner or Manner()))
    return pieces, said


def parts(served, number=-1):
    return served.asked[number]["messages"][-1]["content"]


# What is heard ---------------------------------------------------------------------------------------------


def test_an_answer_comes_in_pieces_and_is_counted(served):
    served.replies = [saying("A red", " wall", ".", usage=(321, 3))]
    pieces, said = heard(speaker(served.url).talk([]))
    assert pieces == ["A red", " wall", "."]
    assert said == Said("A red wall.", prompt_tokens=321, answer_tokens=3)


def test_an_answer_that_met_its_longest_is_cut(served):
    served.replies = [saying("A red", finish="length")]
    assert heard(speaker(served.url).talk([]))[1].cut


def test_thoughts_and_empty_events_are_no_part_of_the_answer(served):
    thought = {"choices": [{"delta": {"role": "assistant", "reasoning_content": "Hm"}}]}
    stream = [
        b"data: " + json.dumps(thought).encode() + b"\n\n",
        b": ping\n\n",
        event(""),
        *saying("Yes").stream,
    ]
    served.replies = [Reply(stream=stream)]
    assert heard(speaker(served.url).talk([]))[0] == ["Yes"]


_LINES = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=8)


@given(
    told=st.lists(st.lists(_LINES, min_size=1, max_size=3), max_size=4),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    space=st.sampled_from(["", " "]),
    mark=st.sampled_from(["", "\ufeff"]),
    data=st.data(),
)
def test_events_are_read_however_they_are_divided(told, end, space, mark, data):
    """Comments and other fields are passed over; the data may hold what else breaks lines (U+2028)."""
    space = space or (" " if any(line.startswith(" ") for lines in told for line in lines) else "")
    written = mark
    for number, lines in enumerate(told):
        written += f": a comment{end}id: {number}{end}"
        written += "".join(f"data:{space}{line}{end}" for line in lines) + end
    encoded = written.encode() + f"data: unfinished{end}".encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(encoded)), max_size=6)))
    chunks = [encoded[a:b] for a, b in zip([0, *cuts], [*cuts, len(encoded)], strict=True)]
    heard = ["\n".join(lines) for lines in told]
    assert list(events(chunks)) == heard
    assert list(events(bytes([byte]) for byte in encoded)) == heard
    assert list(events([encoded])) == heard


def test_an_event_may_end_with_the_stream():
    assert list(events([b"data: a\r\r"])) == list(events([b"data: a\n\n"])) == ["a"]
    assert list(events([b"data: a\n"])) == list(events([b"data: a"])) == list(events([])) == []


def test_an_answer_in_other_line_breaks_is_heard_too(served):
    stream = b"".join(saying("Ja\u2028", "!").stream).replace(b"\n", b"\r\n")
    served.replies = [Reply(stream=[stream[at : at + 7] for at in range(0, len(stream), 7)])]
    assert heard(speaker(served.url).talk([]))[0] == ["Ja\u2028", "!"]


# What is asked ---------------------------------------------------------------------------------------------


def test_the_question_says_how_it_is_to_be_answered(served):
    talk = speaker(served.url, "eye-70b").talk([])
    heard(talk, "Who?", Manner())
    assert served.asked[0] == {
        "model": "eye-70b",
        "messages": [{"role": "user", "content": "Who?"}],
        "max_tokens": 512,
        "temperature": 0.0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    schema = {"type": "object"}
    heard(talk, "Who?", Manner(max_tokens=9, temperature=0.5, top_p=0.9, seed=3, schema=schema))
    asked = served.asked[1]
    assert [asked[name] for name in ("max_tokens", "temperature", "top_p", "seed")] == [9, 0.5, 0.9, 3]
    assert asked["response_format"]["type"] == "json_schema"
    assert asked["response_format"]["json_schema"]["schema"] == schema


def test_frames_are_sent_in_order_with_their_times(served):
    one = speaker(served.url)
    seen = one.see(sight(indices=(0, 2, 3)))
    heard(one.talk([seen]), "Which colours?")
    opening, *shown, question = parts(served)
    assert opening == {
        "type": "text",
        "text": "Here are frames of a video from 0.0s to 2.0s, each after its time:",
    }
    assert question == {"type": "text", "text": "Which colours?"}
    assert [part["text"] for part in shown[::2]] == ["0.0s:", "1.0s:", "1.5s:"]
    assert seen.seconds.tolist() == [0.0, 1.0, 1.5]
    for part, colour in zip(shown[1::2], (COLOURS[0], COLOURS[2], COLOURS[3]), strict=True):
        assert part["type"] == "image_url"
        kind, _, content = part["image_url"]["url"].partition(",")
        assert kind == "data:image/jpeg;base64"
        picture = Image.open(io.BytesIO(base64.b64decode(content, validate=True)))
        assert (picture.format, picture.size, picture.mode) == ("JPEG", (64, 48), "RGB")
        assert np.abs(np.asarray(picture).astype(int) - colour).max() <= 4


@pytest.mark.parametrize(
    ("size", "sent"), [((640, 360), (320, 180)), ((100, 400), (80, 320)), ((64, 48), (64, 48))]
)
def test_pictures_are_scaled_down_never_up(served, size, sent):
    one = speaker(served.url, options=Options(long_side=320))
    heard(one.talk([one.see(sight(clip(*size), (0,)))]))
    content = parts(served)[2]["image_url"]["url"].partition(",")[2]
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == sent


def test_a_talk_is_sent_whole_and_its_frames_are_encoded_once(served):
    served.replies = [saying("Four ", "colours."), saying("Red.")]
    one = speaker(served.url)
    talk = one.talk([one.see(sight())], "Be short.")
    heard(talk, "What is it?")
    heard(talk, "Which is the first?")
    heard(talk, "And then?")
    assert one.encoded == 4
    first, second, third = (body["messages"] for body in served.asked)
    assert first[0] == {"role": "system", "content": "Be short."}
    assert second == [
        *first,
        {"role": "assistant", "content": "Four colours."},
        {"role": "user", "content": "Which is the first?"},
    ]
    assert third[: len(second)] == second
    assert third[-2]["content"] == "Red."


def test_several_videos_are_numbered(served):
    one = speaker(served.url)
    heard(one.talk([one.see(sight(indices=(0,))), one.see(sight(indices=(1,)))]))
    texts = [part["text"] for part in parts(served) if part["type"] == "text"]
    assert texts[0].startswith("Video 1. Here are frames")
    assert texts[2].startswith("Video 2. ")
    with pytest.raises(RequestError, match="16 videos at most, not 17"):
        one.talk([one.see(sight(indices=(0,)))] * 17)


def test_independent_questions_are_answered_in_their_order(served):
    served.replies = [saying("Yes.")] * 20
    one = speaker(served.url, options=Options(parallel=3))
    seen = one.see(sight(indices=(0,)))
    said = one.say([([seen], f"{number}?") for number in range(9)], Manner(), "Be short.")
    assert [each.text for each in said] == ["Yes."] * 9
    assert sorted(body["messages"][1]["content"][-1]["text"] for body in served.asked) == [
        f"{number}?" for number in range(9)
    ]
    served.replies = [refusing(400, "no")] * 20
    with pytest.raises(InputError, match="no"):
        one.say([((), f"{number}?") for number in range(9)], Manner())


# Files -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "disc.mp4"
    sprite = Sprite("disc", 10, (0.9, 0.3, 0.2), Motion(velocity=(20, 0)))
    film(Scene((Shot(0.48, ground=1, sprites=(sprite,)),), size=(96, 72)), path)
    return path


def test_a_file_is_sent_whole_where_that_is_asked_for(served, rendered):
    one = speaker(served.url, options=Options(send="video"))
    assert not one.facts.timed
    seen = one.see(sight(Clip(rendered), (0, 5)))
    heard(one.talk([seen]), "What moves?")
    _, file, question = parts(served)
    assert file["type"] == "video_url"
    kind, _, content = file["video_url"]["url"].partition(",")
    assert kind == "data:video/mp4;base64"
    assert base64.b64decode(content, validate=True) == rendered.read_bytes()
    assert question["text"] == "What moves?"
    assert (len(seen.seconds), one.encoded) == (0, 0)


def test_bytes_are_sent_as_a_file_and_an_address_as_it_is(served, rendered):
    one = speaker(served.url, options=Options(send="video"))
    heard(one.talk([one.see(sight(Clip(rendered.read_bytes()), (0,)))]))
    content = parts(served)[1]["video_url"]["url"].partition(",")[2]
    assert base64.b64decode(content) == rendered.read_bytes()
    with fake_web.serve() as web:
        web.files["/disc.mp4"] = rendered.read_bytes()
        heard(one.talk([one.see(sight(Clip(f"{web.url}/disc.mp4"), (0,)))]))
        assert parts(served)[1]["video_url"]["url"] == f"{web.url}/disc.mp4"


def test_what_cannot_be_sent_whole_is_told(served, rendered):
    one = speaker(served.url, options=Options(send="video", largest_file=0.001))
    whole = sight(Clip(rendered), (0,))
    with pytest.raises(RequestError, match=r"files up to 0.001 MB are sent whole; .*largest_file="):
        one.see(whole)
    for start, stop in ((0.1, 0.48), (0.0, 0.3)):
        part = Sight(whole.clip, start, stop, whole.indices, whole.seconds)
        told = rf"sends all of .*, not only {start:g}s\.\.{stop:g}s; .*-O send=frames"
        with pytest.raises(RequestError, match=told):
            one.see(part)
    with pytest.raises(RequestError, match="array, which is no video file"):
        one.see(sight())


# Servers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["/v1", "/v1/", "", "/", "/v1/chat/completions"])
def test_the_address_may_lack_its_end(served, given):
    one = speaker(served.url.removesuffix("/v1") + given)
    assert one.model == "eye-7b"
    assert heard(one.talk([]))[1].text == "Yes."


def test_an_address_is_taken_as_given_first(served):
    served.path = "/api/v1"
    assert heard(speaker(served.url.replace("/v1", "/api/v1")).talk([]))[1].text == "Yes."
    served.path = ""
    assert heard(speaker(served.url.removesuffix("/v1")).talk([]))[1].text == "Yes."


@pytest.mark.parametrize(
    ("entry", "context"),
    [
        ({}, 32768),
        ({"max_model_len": 8192}, 8192),
        ({"context_length": 131072}, 131072),
        ({"meta": {"n_ctx": 4096, "n_ctx_train": 131072}}, 4096),
        ({"meta": None}, 32768),
    ],
)
def test_the_context_is_the_servers(served, entry, context):
    served.models = [{"id": "other", "max_model_len": 99}, {"id": "eye-7b"} | entry]
    one = speaker(served.url, "eye-7b")
    assert one.facts.context == context
    assert 1 <= one.facts.frames <= one.facts.max_frames
    assert one.facts.frames * one.facts.frame_tokens <= context / 2
    assert one.facts.max_frames * one.facts.frame_tokens <= context * 3 / 4
    assert speaker(served.url, "eye-7b", Options(context=2048)).facts.context == 2048


def test_an_unknown_model_is_shown_32_frames():
    assert (facts(Options()).frames, facts(Options()).max_frames) == (32, 53)
    assert facts(Options(), 10**6).max_frames == 500
    assert facts(Options(long_side=4096), 256).frames == 1


def test_tokens_are_estimated_for_the_size_that_is_sent(served):
    one = speaker(served.url)
    assert one.tokens(1, 1280, 720) == 28 * 16 + 8
    assert one.tokens(10, 1280, 720) == 10 * one.tokens(1, 1280, 720) == tokens(10, 768, 432, 768)


def test_a_server_that_lists_nothing_is_asked_for_a_named_model(served):
    served.models = None
    assert heard(speaker(served.url, "mine").talk([]))[1].text == "Yes."
    with pytest.raises(InputError, match="does not say which models it has; name one with --model"):
        speaker(served.url)
    served.models = []
    with pytest.raises(InputError, match="name one with --model"):
        speaker(served.url)


def test_a_proxy_for_the_world_is_not_asked_for_this_machine(served, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, closed_port())
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert heard(speaker(served.url).talk([]))[1].text == "Yes."


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://here/v1", "http://", "", "/v1", "http://[::1", "file:///v1"]
)
def test_what_is_no_address_is_told(url):
    with pytest.raises(RequestError, match="is no address; write it as http://localhost:8000/v1"):
        speaker(url)


# Keys ------------------------------------------------------------------------------------------------------


def test_the_key_comes_from_the_environment(served, monkeypatch):
    speaker(served.url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai\n")
    speaker(served.url)
    monkeypatch.setenv("MOVIOLA_SERVER_KEY", KEY)
    heard(speaker(served.url).talk([]))
    assert served.keys == [None, "Bearer sk-openai", f"Bearer {KEY}", f"Bearer {KEY}"]


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://models.example/v1", True),
        ("http://localhost:8000/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://models.example/v1", False),
        ("http://127.models.example/v1", False),
    ],
)
def test_openais_key_does_not_travel_unencrypted(monkeypatch, url, sent):
    monkeypatch.delenv("MOVIOLA_SERVER_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    one = line.Server(url, 1.0)
    assert ("does not accept the key in OPENAI_API_KEY" in str(one.locked(401))) == sent
    assert ("OPENAI_API_KEY is sent over https" in str(one.locked(401))) == (not sent)
    monkeypatch.setenv("MOVIOLA_SERVER_KEY", KEY)
    assert "does not accept the key in MOVIOLA_SERVER_KEY" in str(line.Server(url, 1.0).locked(401))


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_wants_a_key_names_the_variable(served, monkeypatch, status):
    served.busy = [refusing(status, "Unauthorized")] * 2
    with pytest.raises(
        InputError, match=rf"wants a key \(answer {status}\); put it into .* MOVIOLA_SERVER_KEY"
    ):
        speaker(served.url)
    monkeypatch.setenv("MOVIOLA_SERVER_KEY", KEY)
    with pytest.raises(InputError, match="does not accept the key in MOVIOLA_SERVER_KEY") as raised:
        speaker(served.url)
    assert KEY not in str(raised.value)
    talk = speaker(served.url).talk([])
    served.replies = [refusing(status, "Unauthorized")]
    with pytest.raises(InputError, match="does not accept the key in MOVIOLA_SERVER_KEY"):
        heard(talk)


def test_what_can_be_no_key_and_a_password_are_never_told(served, monkeypatch):
    monkeypatch.setenv("MOVIOLA_SERVER_KEY", "sk-with\nbreak")
    with pytest.raises(InputError, match="MOVIOLA_SERVER_KEY is no key") as raised:
        speaker(served.url)
    assert "sk-with" not in str(raised.value)
    monkeypatch.delenv("MOVIOLA_SERVER_KEY")
    with pytest.raises(InputError, match="no server answers at http://127") as raised:
        speaker(closed_port().replace("://", "://me:secret@"))
    assert "secret" not in str(raised.value)


# What goes wrong -------------------------------------------------------------------------------------------


def test_nobody_answers():
    address = closed_port()
    with pytest.raises(InputError, match=rf"^no server answers at {re.escape(address)}/v1; is it running\?$"):
        speaker(f"{address}/v1")


def test_there_is_no_such_host(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(RequestError, match=r"^MOVIOLA_OFFLINE is set, so models\.example is not asked"):
        speaker("http://models.example/v1")
    monkeypatch.delenv("MOVIOLA_OFFLINE")
    with pytest.raises(InputError, match=r"^there is no host models\.example; "):
        speaker("http://models.example/v1")


def test_a_silent_server_is_given_up(served):
    # Long enough for a busy machine to list its models.
    talk = speaker(served.url, options=Options(timeout=1)).talk([])
    served.replies = [Reply(stream=[event("A ")], waits=True)]
    with pytest.raises(InputError, match=r"was silent for 1 s; wait longer with -O timeout=SECONDS"):
        heard(talk)


def test_a_model_that_is_not_there_is_told_with_those_that_are(served):
    served.replies = [refusing(404, "The model `nose` does not exist.")]
    with pytest.raises(InputError, match="has no model nose; it has: eye-7b, eye-70b"):
        heard(speaker(served.url, "nose").talk([]))


@pytest.mark.parametrize(
    ("reply", "fits"),
    [
        (
            refusing(
                400,
                "This model's maximum context length is 4096 tokens. However, you requested 6144 tokens "
                "(5632 in the messages, 512 in the completion). Please reduce the length.",
            ),
            2,
        ),
        (
            refusing(400, "The input (5632 tokens) is longer than the model's context length (4096 tokens)."),
            2,
        ),
        (refusing(400, "request (8192 tokens) exceeds the available context size (4096 tokens)"), 1),
        (refusing(500, "context size has been exceeded"), 2),
        (refusing(413, "Request Entity Too Large"), 2),
        (
            Reply(
                stream=[
                    b"event: error\ndata: "
                    b'{"error":{"message":"Trying to keep the first 20000 tokens when context the overflows. '
                    b'However, the model is loaded with context length of only 4096 tokens"}}\n\n'
                ]
            ),
            None,
        ),
    ],
)
def test_an_overflow_says_how_many_frames_fit(served, reply, fits, waited):
    served.replies = [reply]
    one = speaker(served.url)
    talk = one.talk([one.see(sight())])
    with pytest.raises(RequestError, match=r"eye-7b at .* cannot read it all with 4 frames; send ") as raised:
        heard(talk)
    assert (f"fewer with --frames {fits}," in str(raised.value)) == (fits is not None)
    assert "-O long_side=" in str(raised.value)
    assert len(served.asked) == 1
    assert not waited
    served.replies = [refusing(400, "maximum context length is 99 tokens")]
    with pytest.raises(RequestError, match="ask shorter, or use a smaller --max-tokens"):
        heard(one.talk([]))


def test_a_limit_to_the_pictures_is_told(served):
    served.replies = [refusing(400, "At most 2 image(s) may be provided in one prompt.")]
    one = speaker(served.url)
    with pytest.raises(RequestError, match=r"takes 2 frames at most, not 4; use --frames 2"):
        heard(one.talk([one.see(sight())]))
    assert len(served.asked) == 1


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (refusing(418, "I am a teapot\nshort and stout"), r": I am a teapot short and stout \(answer 418\)$"),
        (Reply(400, body=b'{"error": "no images"}'), r": no images \(answer 400\)$"),
        (Reply(422, body=b'{"detail": [{"msg": "bad"}]}'), r"bad.* \(answer 422\)$"),
        (Reply(405, body=b"just words"), r": just words \(answer 405\)$"),
        (Reply(405, body=b""), r": Method Not Allowed \(answer 405\)$"),
        (Reply(405, {"Content-Type": "text/html"}, b"<html>"), r": Method Not Allowed \(answer 405\)$"),
    ],
)
def test_another_refusal_is_told_in_the_servers_words(served, reply, told):
    served.replies = [reply] * 3
    one = speaker(served.url)
    with pytest.raises(InputError, match=rf"refuses the question \(4 frames were sent\).*{told}") as raised:
        heard(one.talk([one.see(sight())]))
    assert "\n" not in str(raised.value)


def test_a_busy_server_is_asked_again_when_it_says(served, waited):
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    served.replies = [
        refusing(429, "slow down", Retry_After="7"),
        refusing(503, "loading"),
        refusing(500, "oh", Retry_After=soon),
        saying("Here."),
    ]
    talk = speaker(served.url).talk([])
    assert heard(talk)[0] == ["Here."]
    assert waited[:2] == [7.0, line.PAUSES[1]]
    assert 20 < waited[2] <= 30
    assert len(served.asked) == 4
    assert all(body == served.asked[0] for body in served.asked)


def test_a_server_that_stays_busy_is_given_up(served, waited):
    served.replies = [refusing(503, "Loading model")] * 9
    with pytest.raises(InputError, match=r"busy or broken: Loading model \(answer 503\); try again later$"):
        heard(speaker(served.url).talk([]))
    assert waited == list(line.PAUSES)
    served.replies = [refusing(429, "quota", Retry_After="3600")]
    with pytest.raises(InputError, match="try again in 3600 s"):
        heard(speaker(served.url).talk([]))
    assert waited == list(line.PAUSES)


def test_a_server_that_is_starting_is_waited_for(served, waited):
    served.busy = [refusing(503, "Loading model"), refusing(502, "Bad gateway")]
    assert speaker(served.url).model == "eye-7b"
    assert waited == list(line.PAUSES[:2])


def test_an_answer_that_breaks_off_is_none(served, waited):
    one = speaker(served.url)
    served.replies = [
        Reply(stream=[event("A red "), event("wall")], breaks=True),
        Reply(stream=[event("A red "), event("wall")]),
        Reply(stream=[event("A red "), b'data: {"error": {"message": "out of memory", "code": 500}}\n\n']),
        Reply(stream=[event("A red "), b"data: {oops\n\n"]),
        Reply(stream=[], breaks=True),
    ]
    for told in (
        "broke: .*, after 10 characters of the answer$",
        "ended its answer before it was finished, after 10 characters of the answer$",
        "gave up: out of memory, after 6 characters of the answer$",
        "does not speak OpenAI's API: it sent '{oops', after 6 characters of the answer$",
        "the connection to http://127.0.0.1:[0-9]*/v1 broke: [^\n]*[^r]$",
    ):
        with pytest.raises(InputError, match=told):
            heard(one.talk([]))
    assert len(served.asked) == 5
    assert not waited


def test_an_answer_that_is_finished_stands_though_the_connection_breaks(served):
    served.replies = [Reply(stream=[event("A wall."), event(finish="stop")], breaks=True)]
    assert heard(speaker(served.url).talk([]))[1].text == "A wall."


def test_what_is_no_stream_is_told(served):
    served.replies = [Reply(body=b'{"choices": [{"message": {"content": "Yes."}}]}')]
    with pytest.raises(InputError, match="ended its answer before it was finished"):
        heard(speaker(served.url).talk([]))


def test_an_error_leaves_the_talk_as_it_was(served):
    one = speaker(served.url)
    talk = one.talk([one.see(sight())])
    served.replies = [Reply(stream=[event("A ")], breaks=True), saying("A wall."), refusing(418, "no")]
    with pytest.raises(InputError):
        heard(talk, "What?")
    heard(talk, "What?")
    assert served.asked[1] == served.asked[0]
    with pytest.raises(InputError):
        heard(talk, "Why?")
    heard(talk, "Where?")
    assert [message["role"] for message in served.asked[3]["messages"]] == ["user", "assistant", "user"]
    assert parts(served) == "Where?"


def test_closing_hangs_up_and_the_talk_goes_on(served):
    served.replies = [Reply(stream=[event("A red "), event("wall")], waits=True)]
    talk = speaker(served.url).talk([])
    asking = talk.ask("What?", Manner())
    assert [next(asking), next(asking)] == ["A red ", "wall"]
    assert not served.hung_up.is_set()
    asking.close()
    assert served.hung_up.wait(5)
    heard(talk, "And behind it?")
    assert [message["content"] for message in served.asked[1]["messages"]] == [
        "What?",
        "A red wall",
        "And behind it?",
    ]


# What a server does not know -------------------------------------------------------------------------------


def test_a_form_that_the_server_refuses_is_left_out(served):
    served.replies = [refusing(400, "Invalid grammar"), saying("{}"), saying("{}")]
    one = speaker(served.url)
    assert heard(one.talk([]), manner=Manner(schema={"type": "object"}))[1].text == "{}"
    assert ["response_format" in body for body in served.asked] == [True, False]
    assert "stream_options" in served.asked[1]
    heard(one.talk([]), manner=Manner(schema={"type": "object"}))
    assert "response_format" not in served.asked[2]


def test_a_server_that_does_not_count_is_estimated(served):
    served.replies = [refusing(422, "extra field: stream_options"), saying("A", " wall", usage=None)]
    one = speaker(served.url)
    seen = one.see(sight())
    said = heard(one.talk([seen]), manner=Manner(schema={"type": "object"}))[1]
    assert "stream_options" not in served.asked[1]
    assert "response_format" in served.asked[1]
    assert (said.prompt_tokens, said.answer_tokens) == (seen.tokens, 2)
    assert seen.tokens == one.tokens(4, 64, 48)


def test_a_refusal_for_another_reason_is_told_once_nothing_is_left_to_leave_out(served):
    served.replies = [refusing(400, "no"), refusing(400, "no"), refusing(400, "still no"), saying("Yes.")]
    one = speaker(served.url)
    with pytest.raises(InputError, match="still no"):
        heard(one.talk([]), manner=Manner(schema={}))
    heard(one.talk([]), manner=Manner(schema={}))
    assert {"response_format", "stream_options"} <= served.asked[3].keys()


# The card --------------------------------------------------------------------------------------------------


def test_the_card_stands_for_the_server_that_a_request_names(served):
    family, card = registry.find("openai-compatible", task="ask")
    assert (card.hosted, card.weights, card.tasks) == (True, (), ("ask", "caption"))
    assert card.understanding == facts(family.Options())
    asked = {"videos": "a.mp4", "question": "What?"}

    def opened(**fields):
        return open_server(Ask(**asked | fields), family.Options(long_side=320, parallel=2))

    assert opened(server=served.url).model == "eye-7b"
    assert opened(server=served.url, model="openai-compatible").model == "eye-7b"
    assert opened(server=served.url, model="eye-70b").model == "eye-70b"
    assert opened(server=served.url).batch == 2
    with pytest.raises(
        RequestError, match=r"needs the address of a server: --server http://localhost:8000/v1"
    ):
        opened()
    with pytest.raises(RequestError, match=r"runs on a server and is not loaded; use --server"):
        family.load(card, None)


def test_an_answer_in_a_form_is_asked_for_again_in_the_same_talk(served):
    served.replies = [saying("A wall, ", "I think."), saying('{"colours"', ": 4}")]
    form = Form.of(
        {"type": "object", "properties": {"colours": {"type": "integer"}}, "required": ["colours"]}
    )
    one = speaker(served.url)
    *pieces, found = drained(answered(one.talk([one.see(sight())]), "How many?", form, Manner(), 3))
    assert "".join(pieces) == 'A wall, I think.\n{"colours": 4}'
    assert (found.value, found.error, found.attempts) == ({"colours": 4}, None, 2)
    assert one.encoded == 4
    assert parts(served) == form.complaint("the answer holds no JSON")
    assert all(body["response_format"]["json_schema"]["schema"] == form.schema for body in served.asked)

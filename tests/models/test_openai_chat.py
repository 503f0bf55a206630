"""OpenAI's models: what is sent for a question, what is heard, and what its refusals mean."""

import base64
import io
import json
from decimal import Decimal

import numpy as np
import pytest
from PIL import Image

import fake_openai
from fake_openai import Reply, event, failing, responding, response, saying, streamed
from moviola import registry
from moviola.clip import Clip
from moviola.errors import (
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
from moviola.hosted.clock import Clock
from moviola.hosted.pricing import Usage, talking
from moviola.hosted.shaping import check_offered
from moviola.hosted.till import Till
from moviola.hosted.transport import Transport
from moviola.understanding.served import openai as speaking
from moviola.understanding.speaker import Manner, Sight

KEY = "sk-moviola-1234567890"
COLOURS = [(200, 30, 30), (30, 180, 40), (20, 60, 210), (230, 220, 40)]


@pytest.fixture
def served(monkeypatch):
    with fake_openai.serve() as one:
        monkeypatch.setenv("MOVIOLA_OPENAI_URL", one.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield one


@pytest.fixture
def waited():
    return []


@pytest.fixture
def opened(served, waited):
    with Transport(clock=Clock(sleep=waited.append, chance=lambda: 0.0)) as line:

        def speaker(model="gpt-5.4", most=None, **options):
            family, card = registry.find(f"openai-chat/{model}", task="ask")
            till = Till(card, line, most_usd=most and Decimal(most))
            one = family.speaker(card, family.Options(**options), till)
            one.till = till
            return one

        yield speaker


def sight(count=4, width=64, height=48):
    pictures = np.broadcast_to(np.array(COLOURS, np.uint8)[:, None, None], (4, height, width, 3))
    clip = Clip(pictures, rate=2)
    chosen = np.arange(count)
    return Sight(clip, 0.0, 2.0, chosen, clip.timeline().pts_seconds[chosen])


def heard(talk, question="What is it?", **manner):
    asking, pieces = talk.ask(question, Manner(**manner)), []
    while True:
        try:
            pieces.append(next(asking))
        except StopIteration as end:
            return pieces, end.value


# What is sent ----------------------------------------------------------------------------------------------


def test_a_question_in_responses(served, opened):
    one = opened()
    heard(one.talk([one.see(sight())], "Be short."))
    (asked,) = served.asked
    system, turn = asked.pop("input")
    assert asked == {
        "model": "gpt-5.4",
        "max_output_tokens": 512,
        "temperature": 0.0,
        "stream": True,
        "store": False,
        "reasoning": {"effort": "none"},
    }
    assert (served.paths, served.keys) == (["/v1/responses"], [f"Bearer {KEY}"])
    assert system == {"role": "system", "content": "Be short."}
    opening, *shown, question = turn["content"]
    assert opening["text"] == "Here are frames of a video from 0.0s to 2.0s, each after its time:"
    assert question == {"type": "input_text", "text": "What is it?"}
    assert [part["text"] for part in shown[::2]] == ["0.0s:", "0.5s:", "1.0s:", "1.5s:"]
    for part, colour in zip(shown[1::2], COLOURS, strict=True):
        assert (part["type"], part["detail"]) == ("input_image", "auto")
        kind, _, content = part["image_url"].partition(",")
        assert kind == "data:image/jpeg;base64"
        picture = Image.open(io.BytesIO(base64.b64decode(content, validate=True)))
        assert np.abs(np.asarray(picture).astype(int) - colour).max() <= 4


def test_a_question_in_chat_completions(served, opened):
    one = opened(api="chat", detail="low")
    heard(one.talk([one.see(sight(1))]), seed=3)
    (asked,) = served.asked
    (turn,) = asked.pop("messages")
    assert asked == {
        "model": "gpt-5.4",
        "max_completion_tokens": 512,
        "temperature": 0.0,
        "stream": True,
        "stream_options": {"include_usage": True},
        "reasoning_effort": "none",
        "seed": 3,
    }
    assert served.paths == ["/v1/chat/completions"]
    assert turn["content"][2]["image_url"]["detail"] == "low"


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_a_talk_goes_on(served, opened, api):
    talk = opened(api=api).talk([])
    heard(talk, "What?")
    heard(talk, "Why?")
    turns = served.asked[1]["input" if api == "responses" else "messages"]
    assert [(turn["role"], turn["content"]) for turn in turns] == [
        ("user", "What?"),
        ("assistant", "Yes."),
        ("user", "Why?"),
    ]


def test_a_form_is_asked_for(served, opened):
    schema = {"type": "object"}
    heard(opened().talk([]), schema=schema)
    heard(opened(api="chat").talk([]), schema=schema)
    told = {"name": "answer", "strict": True, "schema": schema}
    assert served.asked[0]["text"] == {"format": {"type": "json_schema"} | told}
    assert served.asked[1]["response_format"] == {"type": "json_schema", "json_schema": told}


@pytest.mark.parametrize(
    ("model", "options", "effort", "longest", "heat"),
    [
        ("gpt-4o", {}, None, 512, True),
        ("gpt-5.4", {}, "none", 512, True),
        ("gpt-5.4", {"effort": "high"}, "high", 512 + 32768, False),
        ("gpt-5", {}, "minimal", 512 + 1024, False),
        ("gpt-6.2-sol", {}, "low", 512 + 4096, False),
        ("gpt-9-new", {}, None, 512 + 4096, True),
    ],
)
def test_models_that_think_are_left_room_and_told_no_temperature(
    served, opened, model, options, effort, longest, heat
):
    one = opened(model, **options)
    heard(one.talk([]))
    (asked,) = served.asked
    assert asked["model"] == model
    assert asked.get("reasoning") == (effort and {"effort": effort})
    assert (asked["max_output_tokens"], "temperature" in asked) == (longest, heat)
    if not heat:
        with pytest.raises(RequestError, match="thinks before it answers, and takes no temperature"):
            heard(one.talk([]), temperature=0.5)
        with pytest.raises(RequestError, match="takes no temperature"):
            heard(one.talk([]), top_p=0.5)


def test_what_a_model_cannot_be_told_is_refused_before_anything_is_sent(served, opened):
    with pytest.raises(RequestError, match="seed: OpenAI's Responses take none"):
        heard(opened().talk([]), seed=1)
    with pytest.raises(RequestError, match="effort: openai-chat/gpt-4o does not think"):
        opened("gpt-4o", effort="low")
    with pytest.raises(RequestError, match="16 videos at most"):
        opened().talk([None] * 17)
    assert served.asked == []


def test_too_many_bytes_are_told_with_how_many_would_fit(served, opened, monkeypatch):
    one = opened()
    seen = one.see(sight())
    size = sum(len(part["image_url"]["url"]) for part in seen.held.parts if "image_url" in part)
    monkeypatch.setattr(speaking, "MOST_BYTES", size // 2)
    with pytest.raises(RequestError, match="send fewer with --frames 2"):
        heard(one.talk([seen]))
    assert served.asked == []


def test_without_a_key_there_is_no_speaker(opened, monkeypatch, tmp_path):
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("MOVIOLA_KEYS", str(tmp_path / "none"))
    with pytest.raises(NotAuthorizedError, match="OPENAI_API_KEY"):
        opened()


# What is heard ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_an_answer_comes_in_pieces_and_is_paid_for(served, opened, api):
    served.replies = [
        responding("A red", " wall", ".", usage=(1000, 30, 600, 0))
        if api == "responses"
        else saying("A red", " wall", ".", usage=(1000, 30))
    ]
    one = opened(api=api)
    pieces, said = heard(one.talk([]))
    assert (pieces, said.text) == (["A red", " wall", "."], "A red wall.")
    assert (said.prompt_tokens, said.answer_tokens, said.cut) == (1000, 30, False)
    cached = Decimal("0.00115") if api == "responses" else Decimal("0.0025")
    assert one.till.usd == cached + Decimal("0.00045")


def test_what_is_put_into_the_cache_has_a_price_of_its_own(served, opened):
    served.replies = [responding("Yes.", usage=(1000, 0, 0, 1000))]
    one = opened("gpt-5.6-sol")
    heard(one.talk([]))
    assert one.till.usd == Decimal("0.005")


def test_an_answer_that_met_its_longest_is_cut(served, opened):
    served.replies = [
        responding("A red", status="incomplete", reason="max_output_tokens"),
        saying("A red", finish="length"),
    ]
    for api in ("responses", "chat"):
        said = heard(opened(api=api).talk([]))[1]
        assert (said.text, said.cut) == ("A red", True)


def test_an_answer_that_is_not_counted_is_estimated_and_costs_what_nobody_knows(served, opened):
    served.replies = [responding("A", " wall", usage=None)]
    one = opened()
    seen = one.see(sight())
    said = heard(one.talk([seen]))[1]
    assert said.prompt_tokens > seen.tokens
    assert (said.answer_tokens, one.till.usd) == (2, None)


def refusing_part(words):
    delta = {"choices": [{"index": 0, "delta": {"refusal": words}, "finish_reason": None}]}
    return Reply(stream=[b"data: " + json.dumps(delta).encode() + b"\n\n", event(finish="stop")])


@pytest.mark.parametrize(
    ("api", "reply", "error", "words"),
    [
        ("responses", responding(refusal="I can't help."), ModeratedError, "declines: I can't help"),
        ("chat", refusing_part("I can't help."), ModeratedError, "declines: I can't help"),
        (
            "responses",
            responding("A", status="incomplete", reason="content_filter"),
            ModeratedError,
            "filter stopped",
        ),
        ("chat", saying("A", finish="content_filter"), ModeratedError, "filter stopped"),
        (
            "responses",
            responding(status="failed", error={"code": "server_error", "message": "oh\nno"}),
            ProviderDownError,
            "^OpenAI: oh no$",
        ),
        (
            "responses",
            responding(status="failed", error={"code": "image_content_policy_violation", "message": "no"}),
            ModeratedError,
            "no",
        ),
        (
            "responses",
            responding(status="failed", error={"code": "rate_limit_exceeded", "message": "slow"}),
            RateLimitedError,
            "slow",
        ),
        (
            "responses",
            responding(status="failed", error={"code": "invalid_base64_image", "message": "bad"}),
            InvalidInputError,
            "bad",
        ),
        (
            "responses",
            responding(status="failed", error={"code": "context_length_exceeded", "message": "too long"}),
            RequestError,
            "cannot read it all with 4 frames; send fewer with --frames 2",
        ),
        (
            "responses",
            Reply(stream=[b'data: {"type": "error", "code": null, "message": "gone", "param": null}\n\n']),
            ProviderDownError,
            "gone",
        ),
        ("chat", Reply(stream=[b'data: {"error": {"message": "gone"}}\n\n']), ProviderDownError, "gone"),
    ],
)
def test_what_is_no_answer_is_told_and_not_asked_again(served, opened, waited, api, reply, error, words):
    served.replies = [reply]
    one = opened(api=api)
    with pytest.raises(error, match=words):
        heard(one.talk([one.see(sight())]))
    assert (len(served.asked), waited) == (1, [])


_HALF = streamed(response("A red", " wall"))[:-1]


@pytest.mark.parametrize(
    ("api", "reply"),
    [
        ("responses", Reply(stream=_HALF, breaks=True)),
        ("responses", Reply(stream=_HALF)),
        ("responses", Reply(stream=[*_HALF, b"data: {oops\n\n"])),
        ("responses", Reply(stream=[*_HALF, b"data: [1]\n\n"])),
        ("responses", Reply(body=b'{"output": []}')),
        ("chat", Reply(stream=[event("A")], breaks=True)),
        ("chat", Reply(body=b"")),
        ("responses", failing(500, "oh")),
        ("responses", failing(502, "oh")),
        ("chat", failing(504, "oh")),
    ],
)
def test_a_lost_answer_is_unknown_and_never_asked_for_again(served, opened, waited, api, reply):
    served.replies = [reply]
    with pytest.raises(UnknownOutcomeError):
        heard(opened(api=api).talk([]))
    assert (len(served.asked), waited) == (1, [])


def test_a_chat_answer_that_is_finished_stands_though_its_count_is_lost(served, opened):
    served.replies = [Reply(stream=[event("A wall."), event(finish="stop")], breaks=True)]
    one = opened(api="chat")
    assert heard(one.talk([]))[1].text == "A wall."
    assert one.till.usd is None


# What is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (
            failing(401, "Incorrect API key provided", "invalid_api_key"),
            NotAuthorizedError,
            "is the key right",
        ),
        (failing(403, "Country not supported"), NotAuthorizedError, "Country"),
        (failing(429, "You exceeded your current quota", "insufficient_quota"), QuotaError, "quota"),
        (failing(400, "hard limit", "billing_hard_limit_reached"), QuotaError, "hard limit"),
        (
            failing(404, "The model `gpt-5.4` does not exist", "model_not_found"),
            ModelRetiredError,
            "no gpt-5.4",
        ),
        (failing(404, "The model has been deprecated", "model_deprecated"), ModelRetiredError, "no gpt-5.4"),
        (failing(400, "flagged", "content_policy_violation"), ModeratedError, "flagged"),
        (failing(400, "flagged", "invalid_prompt"), ModeratedError, "flagged"),
        (failing(400, "bad", "invalid_value", param="input[0]"), InvalidInputError, "bad"),
        (failing(400, "no reason"), InvalidInputError, "no reason"),
        (Reply(418, body=b"a teapot"), Exception, "a teapot"),
        (Reply(400, body=b'["odd"]'), InvalidInputError, "odd"),
        (Reply(400, body=b'{"error": "words"}'), InvalidInputError, "words"),
        (Reply(400, body=b'{"error": null}'), InvalidInputError, "no reason given"),
    ],
)
def test_a_refusal_is_told_for_what_it_is(served, opened, waited, reply, error, words):
    served.replies = [reply]
    with pytest.raises(error, match=words) as told:
        heard(opened().talk([]))
    assert (len(served.asked), waited) == (1, [])
    assert KEY not in str(told.value)


def test_a_model_that_is_gone_names_what_takes_its_place(served, opened):
    served.replies = [failing(404, "The model `gpt-5` does not exist", "model_not_found")]
    with pytest.raises(ModelRetiredError, match=r"use openai-chat/gpt-6\.1-sol") as told:
        heard(opened("gpt-5").talk([]))
    assert told.value.successor == "openai-chat/gpt-6.1-sol"


@pytest.mark.parametrize(
    ("headers", "words", "seconds"),
    [
        ({"Retry-After": "7"}, "", 7),
        ({"retry-after-ms": "1500", "Retry-After": "2"}, "", 1.5),
        ({}, "Rate limit reached. Please try again in 6.5s.", 6.5),
        ({}, "Please try again in 350ms.", 1),
        ({}, "Please try again in 1m2s.", 62),
        ({}, "slow down", 1),
    ],
)
def test_a_limit_is_waited_for_as_long_as_it_says(served, opened, waited, headers, words, seconds):
    served.replies = [failing(429, words, "rate_limit_exceeded", headers=headers)]
    if seconds > 60:
        with pytest.raises(RateLimitedError) as told:
            heard(opened().talk([]))
        assert told.value.after == seconds
        return
    assert heard(opened().talk([]))[1].text == "Yes."
    assert waited == [seconds]
    assert served.asked[0] == served.asked[1]


def test_more_than_may_be_read_in_a_minute_is_no_reason_to_wait(served, opened, waited):
    words = "Request too large for gpt-5.4 on tokens per min (TPM): Limit 30000, Requested 41000."
    served.replies = [failing(429, words, "rate_limit_exceeded")]
    one = opened()
    with pytest.raises(RequestError, match=r"30000 tokens a minute .* has 41000; send fewer .* --frames 2"):
        heard(one.talk([one.see(sight())]))
    assert (len(served.asked), waited) == (1, [])


def test_too_long_a_question_is_told_with_how_many_frames_would_fit(served, opened):
    words = "This model's maximum context length is 4096 tokens. However, your messages have 6144 tokens."
    served.replies = [
        failing(400, words, "context_length_exceeded"),
        failing(400, "Your input exceeds the context window of this model.", "context_length_exceeded"),
    ]
    one = opened()
    with pytest.raises(RequestError, match=r"^gpt-5.4 cannot read it all with 4 frames; .*--frames 2"):
        heard(one.talk([one.see(sight())]))
    with pytest.raises(RequestError, match="ask shorter"):
        heard(one.talk([]))


@pytest.mark.parametrize(
    ("field", "param", "manner"),
    [
        ("temperature", "temperature", {}),
        ("reasoning", "reasoning.effort", {}),
        ("text", "text.format.schema", {"schema": {"type": "object"}}),
    ],
)
def test_what_a_model_does_not_take_is_left_out(served, opened, field, param, manner):
    served.replies = [failing(400, "Unsupported parameter", "unsupported_parameter", param=param)]
    one = opened()
    assert heard(one.talk([]), **manner)[1].text == "Yes."
    heard(one.talk([]), **manner)
    assert [field in asked for asked in served.asked] == [True, False, False]


def test_what_was_asked_for_is_not_left_out(served, opened):
    served.replies = [failing(400, "no", "unsupported_value", param="temperature")]
    with pytest.raises(InvalidInputError):
        heard(opened().talk([]), temperature=0.5)
    served.replies = [failing(400, "no", "unsupported_value", param="input")]
    with pytest.raises(InvalidInputError):
        heard(opened().talk([]))
    assert len(served.asked) == 2


# Cards -----------------------------------------------------------------------------------------------------

CARDS = list(registry.find("openai-chat")[0].CARDS)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_every_card_can_be_planned_and_priced(card):
    family, _ = registry.find(card.id)
    facts = card.understanding
    assert facts == family.facts(card, family.Options())
    assert (facts.layers, facts.key_width, facts.timed) == (0, 0, True)
    assert facts.frames <= facts.max_frames
    assert facts.max_frames * facts.frame_tokens <= facts.context * 3 / 4
    assert bool(card.prices) == (not card.id.startswith("openai-chat/gpt-6.2"))
    if card.prices:
        assert talking(card, Usage(10**6, 10**6)).money.usd > 0


def test_what_a_picture_takes_is_as_published(opened):
    """OpenAI's own examples: 1024 × 1024 is 765 tokens for gpt-4o in tiles, 85 in low detail."""
    plain = {"long_side": 2048}
    assert opened("gpt-4o", **plain).tokens(1, 1024, 1024) == 765 + 8
    assert opened("gpt-4o", **plain).tokens(2, 2048, 4096) == 2 * (1105 + 8)
    assert opened("gpt-4o", detail="low").tokens(1, 4096, 8192) == 85 + 8
    assert opened("gpt-5-mini", **plain).tokens(1, 1024, 1024) == 1659 + 8
    assert opened("gpt-5.4").tokens(1, 1280, 720) == 404 + 8


def test_a_model_that_is_gone_is_refused_and_one_that_will_be_is_not():
    _, gone = registry.find("openai-chat/gpt-4.1-nano")
    with pytest.raises(ModelRetiredError, match=r"ended on 2026-10-23; use openai-chat/gpt-5\.6-luna"):
        check_offered(gone)
    _, going = registry.find("openai-chat/gpt-4o")
    later = going.retired.model_copy(update={"date": "2999-01-01"})
    check_offered(going.model_copy(update={"retired": later}))


def test_any_name_can_be_asked_for_and_has_no_price(served, opened):
    _, card = registry.find("openai-chat/ft-gpt-5.4-acme")
    assert (card.id, card.prices, card.hosted) == ("openai-chat/ft-gpt-5.4-acme", (), True)
    assert registry.find("openai-chat")[1].id == "openai-chat/gpt-5.4"
    with pytest.raises(RequestError, match="is not known, so max_cost cannot be kept"):
        heard(opened("ft-gpt-5.4-acme", most="1").talk([]))
    assert served.asked == []

"""What is heard from Gemini, piece by piece, and what it means where it is no answer."""

import json

import pytest

from fake_gemini import USAGE, event
from moviola.errors import (
    HostedError,
    ModeratedError,
    ProviderDownError,
    RateLimitedError,
    UnknownOutcomeError,
)
from moviola.hosted.answers import Heard
from moviola.hosted.providers.gemini import Hearing, address

END = event({"text": "."}, finish="STOP", usageMetadata=USAGE)


def heard(*events, model="gemini-3.8-flash"):
    """The pieces, and the whole."""
    pieces, hearing = [], Hearing(model)
    asking = hearing.hear(each if isinstance(each, str) else json.dumps(each) for each in events)
    while True:
        try:
            pieces.append(next(asking))
        except StopIteration as end:
            return pieces, end.value, hearing


def test_pieces_come_as_they_are_said_and_thoughts_do_not():
    pieces, whole, hearing = heard(
        event({"text": "A video, hm.", "thought": True}), event({"text": "A"}, {"text": " lake"}), END
    )
    assert pieces == ["A", " lake", "."]
    assert whole == Heard("A lake.", prompt_tokens=1000, answer_tokens=100)
    assert not hearing.other


def test_thoughts_cost_as_the_answer_does_and_what_was_read_before_less():
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 2, "cachedContentTokenCount": 4}
    _, whole, _ = heard(event({"text": "Yes"}, finish="STOP", usageMetadata=usage))
    assert (whole.prompt_tokens, whole.answer_tokens, whole.cached_tokens) == (9, 2, 4)


def test_an_answer_that_met_its_longest_is_cut():
    _, whole, _ = heard(event({"text": "A lake, and"}, finish="MAX_TOKENS"))
    assert whole.cut
    assert (whole.prompt_tokens, whole.answer_tokens) == (None, None)


def test_thoughts_alone_are_an_empty_answer_that_was_cut():
    usage = {"promptTokenCount": 9, "thoughtsTokenCount": 512}
    pieces, whole, _ = heard(event(finish="MAX_TOKENS", usageMetadata=usage))
    assert (pieces, whole) == ([], Heard("", 9, 512, cut=True))


@pytest.mark.parametrize("reason", ["SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "OTHER", "A_NEW_ONE"])
def test_a_prompt_that_moderation_stops_has_no_answer(reason):
    rating = {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH"}
    feedback = {"blockReason": reason, "safetyRatings": [rating]}
    with pytest.raises(ModeratedError, match="dangerous content") as error:
        heard({"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 9}})
    assert error.value.stage == "input"


@pytest.mark.parametrize("reason", ["SAFETY", "PROHIBITED_CONTENT", "RECITATION", "SPII", "BLOCKLIST"])
def test_an_answer_that_moderation_stops_ends_with_the_reason(reason):
    with pytest.raises(ModeratedError, match="after 6 characters: because") as error:
        heard(
            event({"text": "A lake"}),
            {"candidates": [{"finishReason": reason, "finishMessage": "because"}]},
        )
    assert error.value.stage == "output"


@pytest.mark.parametrize("reason", ["OTHER", "LANGUAGE", "MALFORMED_RESPONSE", "A_NEW_ONE"])
def test_another_end_is_told_by_its_name(reason):
    with pytest.raises(HostedError, match=reason):
        heard(event({"text": "A lake"}, finish=reason))


def test_an_answer_without_an_end_may_be_paid_for():
    with pytest.raises(UnknownOutcomeError, match="after 6 characters"):
        heard(event({"text": "A lake"}))
    with pytest.raises(UnknownOutcomeError, match="breaks off"):
        heard()


def test_what_breaks_off_after_the_end_is_whole():
    def events():
        yield json.dumps(event({"text": "A lake"}))
        yield json.dumps(END)
        raise UnknownOutcomeError("the connection broke")

    asking = Hearing("gemini-3.8-flash").hear(events())
    assert list(asking) == ["A lake", "."]


@pytest.mark.parametrize("nonsense", ["[]", "null", "so", "7", '"text"'])
def test_what_makes_no_sense_may_be_paid_for(nonsense):
    with pytest.raises(UnknownOutcomeError):
        heard(event({"text": "A lake"}), nonsense)


@pytest.mark.parametrize(
    "odd",
    [
        {"candidates": None},
        {"candidates": [None, 3]},
        {"candidates": [{"content": None}]},
        {"candidates": [{"content": {"parts": None}}]},
        {"candidates": [{"content": {"parts": [None, {"text": None}, {"functionCall": {}}]}}]},
        {"promptFeedback": None, "usageMetadata": None, "modelVersion": None},
        {"usageMetadata": {"promptTokenCount": "many", "candidatesTokenCount": -1}},
        {},
    ],
)
def test_odd_events_say_nothing_and_break_nothing(odd):
    pieces, whole, _ = heard(odd, event({"text": "A lake"}), odd, event(finish="STOP", usageMetadata=USAGE))
    assert pieces == ["A lake"]
    assert whole.prompt_tokens == 1000


def test_an_error_before_a_word_is_what_it_is():
    with pytest.raises(ProviderDownError):
        heard({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}})
    with pytest.raises(RateLimitedError):
        heard({"error": {"code": 429, "message": "too much", "status": "RESOURCE_EXHAUSTED"}})


def test_an_error_in_the_middle_may_be_paid_for():
    with pytest.raises(UnknownOutcomeError, match=r"overloaded.* after 6 characters"):
        heard(event({"text": "A lake"}), {"error": {"code": 503, "message": "The model is overloaded."}})
    with pytest.raises(UnknownOutcomeError):
        heard(event({"text": "A lake"}), {"error": "so"})


@pytest.mark.parametrize(
    ("model", "version", "other"),
    [
        ("gemini-2.5-pro", "gemini-3.8-flash", True),
        ("gemini-3.8-flash", "gemini-3.8-flash-001", False),
        ("gemini-3.8-flash", "models/gemini-3.8-flash", False),
        ("gemini-flash-latest", "gemini-3.8-flash", False),
    ],
)
def test_it_is_known_which_model_spoke(model, version, other):
    *_, hearing = heard(event({"text": "Yes"}, finish="STOP") | {"modelVersion": version}, model=model)
    assert hearing.other is other


def test_the_address_names_the_model_and_no_key():
    said = address("https://generativelanguage.googleapis.com", "gemini-3.8-flash")
    assert said.endswith("/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse")

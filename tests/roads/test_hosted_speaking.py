"""From a request to answers of a model at a provider: what it costs, and what is never paid for twice."""

import json
from decimal import Decimal

import pytest
from coloured_scenes import filmed

import fake_openai
import moviola
from fake_openai import failing, responding
from moviola.card import Understanding
from moviola.clip import Clip
from moviola.errors import ModelRetiredError, NotAuthorizedError, QuotaError, RequestError
from moviola.hosted.pricing import Usage
from moviola.media.span import Span
from moviola.roads import speaking
from moviola.roads.foretelling import foretold
from moviola.tasks import Ask, Caption, request
from moviola.understanding.seeing import QUESTION

MODEL = "openai-chat/gpt-5.4"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return filmed(tmp_path_factory.mktemp("c") / "clip.mp4")


@pytest.fixture
def served(monkeypatch, tmp_path):
    monkeypatch.setenv("MOVIOLA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    with fake_openai.serve() as one:
        monkeypatch.setenv("MOVIOLA_OPENAI_URL", one.url)
        yield one


def ask(clip, question="What happens?", **fields):
    return moviola.ask(clip, question, **({"model": MODEL} | fields))


def questions(served):
    return [asked["input"][-1]["content"] for asked in served.asked]


class TestAsking:
    def test_an_answer_says_what_it_cost(self, served, clip, tmp_path):
        served.replies = [responding("A red wall.", usage=(1000, 30, 0, 0))]
        answer = ask(clip, output=tmp_path / "answer.json")
        assert (answer.text, answer.model) == ("A red wall.", MODEL)
        assert answer.cost_usd == Decimal("0.00295")
        assert json.loads((tmp_path / "answer.json").read_text())["cost_usd"] == "0.00295"

    def test_its_price_is_told_before(self, served, clip):
        events = moviola.stream(request(Ask, {"videos": clip, "question": "What?", "model": MODEL}))
        first = next(events).text
        assert first.startswith("costs about $0.0")
        assert "$2.50 a million tokens of prompt and $15 a million tokens of answer" in first
        events.close()
        assert served.asked == []

    def test_the_same_question_costs_nothing(self, served, clip):
        first = ask(clip)
        again = ask(clip)
        assert (again.text, again.prompt_tokens, again.cost_usd) == (first.text, 100, 0)
        assert len(served.asked) == 1
        ask(clip, cache=False)
        ask(clip, frames=2)
        ask(clip, temperature=0.5)
        ask(clip, temperature=0.5)
        ask(clip, options={"api": "chat"})
        assert len(served.asked) == 6

    def test_attempts_at_a_form_are_all_paid_for(self, served, clip):
        served.replies = [responding("no"), responding('{"n": 1}')]
        schema = {"type": "object", "required": ["n"]}
        answer = ask(clip, json_schema=schema)
        assert (answer.value, answer.attempts) == ({"n": 1}, 2)
        assert answer.cost_usd == 2 * Decimal("0.000355")

    def test_a_long_video_that_was_broken_off_is_gone_on_with(self, served, clip):
        quota = failing(429, "empty", "insufficient_quota")
        served.replies = [responding("Red."), quota]
        with pytest.raises(QuotaError):
            ask(clip, part=1)
        answer = ask(clip, part=1)
        assert [note.text for note in answer.parts] == ["Red.", "Yes."]
        assert questions(served)[1] == questions(served)[2]
        assert len(served.asked) == 4
        assert answer.cost_usd == 2 * Decimal("0.000355")


class TestCaptioning:
    def test_scenes_that_were_paid_for_are_not_paid_for_again(self, served, clip):
        fields = {"dense": True, "shortest": 0.2, "model": MODEL, "batch": 1}
        served.replies = [responding("Red."), failing(402, "empty")]
        with pytest.raises(QuotaError):
            moviola.caption(clip, **fields)
        told = moviola.caption(clip, **fields)
        assert [moment.text for moment in told.moments] == ["Red.", "Yes."]
        assert (len(served.asked), told.cost_usd) == (3, Decimal("0.000355"))
        assert moviola.caption(clip, **fields).cost_usd == 0

    def test_a_limit_that_is_met_on_the_way_loses_nothing(self, served, clip):
        fields = {"dense": True, "shortest": 0.2, "model": MODEL, "batch": 1, "max_tokens": 100}
        _, told = speaking.price(request(Caption, {"videos": clip} | fields))
        served.replies = [responding("Red.", usage=(1000, 10_000, 0, 0))]
        with pytest.raises(RequestError, match=r"\$0\.1525 of the max_cost of .* is spent"):
            moviola.caption(clip, **fields, max_cost=told.money.usd + Decimal("0.1"))
        assert moviola.caption(clip, **fields, max_cost=1).cost_usd == Decimal("0.000355")


class TestTalking:
    def test_every_answer_says_what_it_cost(self, served, clip):
        with moviola.chat(clip, model=MODEL) as talk:
            assert talk.ask("What?").cost_usd == Decimal("0.000355")
            assert talk.ask("Why?").cost_usd == Decimal("0.000355")
        with moviola.chat(clip, model=MODEL) as talk:
            answer = talk.ask("What?")
            assert answer.cost_usd == 0
            assert any("paid for before" in note for note in answer.notes)
            assert not any("paid for before" in note for note in talk.ask("Who?").notes)
        assert len(served.asked) == 3

    def test_the_line_is_open_as_long_as_the_talk(self, served, clip, monkeypatch):
        closed = []
        monkeypatch.setattr("moviola.hosted.transport.Transport.close", lambda line: closed.append(line))
        talk = moviola.chat(clip, model=MODEL)
        talk.ask("What?")
        assert not closed
        talk.close()
        assert len(closed) == 1

    def test_a_limit_holds_over_a_talk(self, served, clip):
        served.replies = [responding("A wall.", usage=(1000, 10_000, 0, 0))]
        with moviola.chat(clip, model=MODEL, max_cost="0.16") as talk:
            talk.ask("What?")
            with pytest.raises(RequestError, match="the next question may cost"):
                talk.ask("Why?")


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"max_cost": "0.001"}, RequestError, r"would cost about .*, above the max_cost of \$0\.001"),
        ({"model": "openai-chat/gpt-6.2-sol", "max_cost": 1}, RequestError, "here, so a max_cost"),
        ({"model": "openai-chat/gpt-4.1-nano"}, ModelRetiredError, "ended on 2026-10-23"),
        ({"device": "cpu"}, RequestError, "has no device"),
        ({"weights": "mine"}, RequestError, "has no weights"),
        ({"options": {"depth": 1}}, RequestError, "depth"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(served, clip, fields, error, words):
    with pytest.raises(error, match=words):
        ask(clip, **fields)
    assert served.asked == []


@pytest.mark.parametrize(
    ("policy", "words"),
    [("hosted = []", "the policy .* allows of those: none"), ("max_cost = 0.001", r"max_cost of \$0\.001")],
)
def test_the_policy_is_kept(served, clip, monkeypatch, tmp_path, policy, words):
    (tmp_path / "policy.toml").write_text(policy)
    monkeypatch.setenv("MOVIOLA_POLICY", str(tmp_path / "policy.toml"))
    with pytest.raises(RequestError, match=words):
        ask(clip)
    assert served.asked == []


def test_a_key_that_is_missing_is_told(served, clip, monkeypatch, tmp_path):
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("MOVIOLA_KEYS", str(tmp_path / "none"))
    with pytest.raises(NotAuthorizedError, match="OPENAI_API_KEY"):
        ask(clip)
    _, told = speaking.price(request(Ask, {"videos": clip, "question": "What?", "model": MODEL}))
    assert told.money.usd > 0


def test_nobody_else_is_asked_offline(clip, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    with pytest.raises(RequestError, match=r"MOVIOLA_OFFLINE is set, so api\.openai\.com is not asked"):
        ask(clip)


def test_a_server_of_ones_own_keeps_to_no_limit(served, clip):
    with pytest.raises(RequestError, match="what openai-compatible costs is not known"):
        moviola.ask(clip, "What?", server=served.url, max_cost=1)


# What is foretold ------------------------------------------------------------------------------------------

FACTS = Understanding(
    frames=10, max_frames=100, frame_tokens=50, context=8000, timed=True, layers=0, key_width=0
)


def span(seconds):
    return Span(0.0, float(seconds), 0, 1000)


def counted(kind, seconds, **fields):
    return foretold(FACTS, request(kind, {"videos": ["a"]} | fields), [span(one) for one in seconds])


def test_a_question_reads_its_frames_and_is_answered_once():
    assert counted(Ask, [10]) == Usage(500 + QUESTION, 512)
    assert counted(Ask, [10, 20], frames=3, max_tokens=7) == Usage(300 + QUESTION, 7)
    assert counted(Ask, [10], fps="2") == Usage(1000 + QUESTION, 512)
    assert counted(Ask, [10], budget=80) == Usage(80 + QUESTION, 512)


def test_videos_are_captioned_one_by_one():
    assert counted(Caption, [10, 20]) == Usage(2 * (500 + QUESTION), 2 * 512)


def test_parts_of_a_long_video_are_noted_and_read_again():
    assert counted(Ask, [40], part=10) == Usage(4 * (500 + QUESTION) + 4 * 192 + QUESTION, 4 * 192 + 512)


def test_notes_that_are_too_many_are_put_together_first():
    many = counted(Ask, [400], part=10)
    assert many.answer == 40 * 192 + 3 * 192 + 512
    assert many.prompt == 40 * (500 + QUESTION) + (40 * 192 + 3 * QUESTION) + (3 * 192 + QUESTION)


def test_scenes_are_foretold_by_how_long_they_last_in_the_mean():
    assert counted(Caption, [35], dense=True) == Usage(10 * (7 * 50 + QUESTION), 10 * 512)
    assert counted(Caption, [35], dense=True, shortest=30, longest=35).answer == 2 * 512


def test_as_many_questions_are_foretold_as_are_asked(served, clip):
    asked = request(Ask, {"videos": clip, "question": "What?", "model": MODEL, "part": 1})
    used = foretold(FACTS, asked, [span(Clip(clip).timeline().end_seconds)])
    moviola.ask(clip, "What?", model=MODEL, part=1)
    assert used.answer == 192 * (len(served.asked) - 1) + 512

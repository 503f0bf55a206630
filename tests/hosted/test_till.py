"""Questions that cost: sent once, paid once, within a limit."""

import threading
from dataclasses import replace
from decimal import Decimal
from itertools import count

import pytest

from fake_provider import DROP, LOSE, Answer, FakeProvider
from moviola.card import ModelCard, Price
from moviola.errors import (
    InvalidInputError,
    ModeratedError,
    ProviderDownError,
    QuotaError,
    RateLimitedError,
    RequestError,
    UnknownOutcomeError,
)
from moviola.hosted.answers import Answers, Heard
from moviola.hosted.clock import Clock
from moviola.hosted.replies import refusal, words_of
from moviola.hosted.service import Rules
from moviola.hosted.till import Question, Till
from moviola.hosted.transport import Transport

RULES = Rules(attempts=3, pause_seconds=1, longest_pause_seconds=60)


def price(of, usd):
    return Price(usd=Decimal(usd), per="million tokens", when={"of": of}, source="", date="2026-11-22")


CARD = ModelCard(
    id="acme/eye",
    tasks=("ask",),
    summary="A test.",
    licence="acme",
    prices=(price("prompt", 1), price("cached prompt", "0.1"), price("answer", 10)),
)
FREE = CARD.model_copy(update={"prices": ()})


class Speaker(FakeProvider):
    def handle(self, asked):
        return Answer(200, b"A wall.|100000|1000|0")


class Waits:
    def __init__(self):
        self.waited = []
        self.clock = Clock(sleep=self.waited.append, chance=lambda: 0.0, now=lambda: 1_790_000_000.0)


@pytest.fixture
def provider():
    with Speaker() as one:
        yield one


@pytest.fixture
def waits():
    return Waits()


@pytest.fixture
def opened(provider, waits, tmp_path):
    with Transport(clock=waits.clock) as line:
        yield lambda card=CARD, cache=True, most=None: Till(
            card,
            line,
            answers=Answers(tmp_path / "answers") if cache else None,
            most_usd=most if most is None else Decimal(most),
        )


def question(provider, **changed):
    plain = Question(
        "acme", "eye", f"{provider.url}/ask", {"say": "é"}, {"Authorization": "Bearer k-1"}, 100_000, 1000
    )
    return replace(plain, **changed)


def hear(pieces):
    text, *tokens = b"".join(pieces).decode().split("|")
    yield text
    return Heard(text, *(int(number) if number else None for number in tokens))


def refused(reply):
    return refusal("Acme", reply, words_of(reply))


def asked(till, question, hear=hear):
    asking, pieces = till.ask(question, hear, refused, RULES), []
    while True:
        try:
            pieces.append(next(asking))
        except StopIteration as end:
            return pieces, end.value


def test_an_answer_comes_and_is_paid_for(provider, opened):
    till = opened()
    pieces, heard = asked(till, question(provider))
    assert (pieces, heard.text) == (["A wall."], "A wall.")
    assert till.usd == Decimal("0.11")
    (sent,) = provider.asked
    assert sent.body == '{"say":"é"}'.encode()
    assert (sent.headers["authorization"], sent.headers["content-type"]) == ("Bearer k-1", "application/json")


def test_what_the_provider_had_read_before_is_cheaper(provider, opened):
    provider.trouble("POST", "/ask", Answer(200, b"A wall.|100000|1000|80000"))
    till = opened()
    asked(till, question(provider))
    assert till.usd == Decimal("0.02") + Decimal("0.008") + Decimal("0.01")


def test_the_same_question_costs_nothing(provider, opened):
    asked(opened(), question(provider))
    till = opened(most="0")
    pieces, heard = asked(till, question(provider))
    assert (pieces, heard.prompt_tokens) == (["A wall."], 100_000)
    assert (till.usd, provider.count("POST", "/ask")) == (0, 1)
    (note,) = till.notes()
    assert note.startswith("an answer was paid for before (2026-09-2")
    assert note.endswith("--no-cache asks anew")
    assert till.notes() == []


@pytest.mark.parametrize("changed", [{"model": "ear"}, {"body": {"say": "e"}}, {"repeatable": False}])
def test_another_question_is_asked(provider, opened, changed):
    asked(opened(), question(provider))
    asked(opened(), question(provider, **changed))
    assert provider.count("POST", "/ask") == 2


def test_what_chance_decides_is_not_kept(provider, opened):
    for _ in range(2):
        asked(opened(), question(provider, repeatable=False))
    assert provider.count("POST", "/ask") == 2


def test_without_a_cache_all_is_asked(provider, opened):
    for _ in range(2):
        asked(opened(cache=False), question(provider))
    assert provider.count("POST", "/ask") == 2


def test_what_is_asked_may_be_said_without_an_address_that_changes(provider, opened):
    for number in range(2):
        asked(opened(), question(provider, body={"file": number}, same={"file": "sha256"}))
    assert provider.count("POST", "/ask") == 1


class TestALostAnswer:
    """A process may die between a question and its answer."""

    def lost(self, provider, opened):
        provider.trouble("POST", ".*", LOSE)
        with pytest.raises(UnknownOutcomeError):
            asked(opened(), question(provider))

    def test_who_asks_again_is_told_that_it_may_be_paid_for_twice(self, provider, opened):
        self.lost(provider, opened)
        till = opened()
        asked(till, question(provider))
        (note,) = till.notes()
        assert "its answer was lost: it may be paid for twice" in note

    def test_once(self, provider, opened):
        self.lost(provider, opened)
        asked(opened(), question(provider))
        till = opened()
        asked(till, question(provider))
        assert "lost" not in " ".join(till.notes())

    def test_one_that_is_hung_up_on_is_lost(self, provider, opened):
        asking = opened().ask(question(provider), hear, refused, RULES)
        next(asking)
        asking.close()
        till = opened()
        asked(till, question(provider))
        assert "lost" in " ".join(till.notes())

    def test_one_that_was_refused_is_not(self, provider, opened):
        provider.trouble("POST", ".*", Answer(400, b"no"))
        with pytest.raises(InvalidInputError):
            asked(opened(), question(provider))
        till = opened()
        asked(till, question(provider))
        assert till.notes() == []


class TestTryingAgain:
    def test_what_made_nothing_is_sent_again(self, provider, opened, waits):
        provider.trouble("POST", "/ask", Answer(429, headers={"Retry-After": "7"}), Answer(503))
        till = opened()
        assert asked(till, question(provider))[1].text == "A wall."
        assert waits.waited == [7.0, 2.0]
        assert [note.split(";")[1] for note in till.notes()] == [
            " trying again in 7 s",
            " trying again in 2 s",
        ]
        assert {sent.body for sent in provider.asked} == {provider.asked[0].body}

    def test_patience_ends(self, provider, opened, waits):
        provider.trouble("POST", "/ask", *[Answer(429)] * 9)
        with pytest.raises(RateLimitedError):
            asked(opened(), question(provider))
        assert (len(provider.asked), waits.waited) == (3, [1.0, 2.0])

    def test_an_hour_is_not_waited(self, provider, opened, waits):
        provider.trouble("POST", "/ask", Answer(429, headers={"Retry-After": "3600"}))
        with pytest.raises(RateLimitedError) as told:
            asked(opened(), question(provider))
        assert (told.value.after, waits.waited) == (3600, [])

    @pytest.mark.parametrize(
        "trouble",
        [
            DROP,
            LOSE,
            Answer(500),
            Answer(502),
            Answer(504),
            Answer(408),
            Answer(200, b"A wall.|1", cut=3, length=99),
        ],
    )
    def test_what_may_be_paid_for_is_not(self, provider, opened, waits, trouble):
        provider.trouble("POST", "/ask", trouble)
        till = opened(most="0.20")
        with pytest.raises(UnknownOutcomeError):
            asked(till, question(provider))
        assert (len(provider.asked), waits.waited) == (1, [])
        # It counts: another of the same price is above the limit.
        with pytest.raises(RequestError, match="the next question may cost"):
            asked(till, question(provider))
        assert asked(opened(), question(provider))[1].text == "A wall."

    def test_other_refusals_are_told_at_once_and_cost_nothing(self, provider, opened, waits):
        provider.trouble("POST", "/ask", Answer(402, {"error": "empty"}))
        till = opened(most="0.11")
        with pytest.raises(QuotaError, match="empty"):
            asked(till, question(provider))
        assert (len(provider.asked), waits.waited, till.usd) == (1, [], 0)
        asked(till, question(provider))

    def test_what_never_left_is_tried_again(self, opened, waits, provider):
        with pytest.raises(ProviderDownError):
            asked(opened(), question(provider, url="http://127.0.0.1:9/ask"))
        assert waits.waited == [1.0, 2.0]

    def test_an_answer_that_is_none_is_not_kept(self, provider, opened):
        def declines(pieces):
            yield b"".join(pieces).decode()
            raise ModeratedError("no", "output")

        with pytest.raises(ModeratedError):
            asked(opened(), question(provider), declines)
        asked(opened(), question(provider))
        assert provider.count("POST", "/ask") == 2


class TestTheLimit:
    def test_the_next_question_must_fit(self, provider, opened):
        till = opened(most="0.25")
        for number in range(2):
            asked(till, question(provider, body={"n": number}))
        with pytest.raises(
            RequestError, match=r"\$0\.22 of the max_cost of \$0\.25 is spent, and .* \$0\.11"
        ):
            asked(till, question(provider))
        assert len(provider.asked) == 2

    def test_questions_at_once_do_not_spend_the_same_money(self, provider, opened):
        till, numbers, refusals = opened(most="0.55"), count(), []
        begun = threading.Barrier(8)

        def one():
            begun.wait()
            try:
                asked(till, question(provider, body={"n": next(numbers)}))
            except RequestError as error:
                refusals.append(error)

        threads = [threading.Thread(target=one) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(provider.asked) + len(refusals) == 8
        assert till.usd == Decimal("0.11") * len(provider.asked) <= Decimal("0.55")

    def test_without_a_price_there_is_none(self, provider, opened):
        with pytest.raises(RequestError, match="not known, so max_cost cannot be kept"):
            asked(opened(FREE, most="1"), question(provider))
        till = opened(FREE)
        asked(till, question(provider))
        assert till.usd is None

    def test_what_is_not_counted_is_not_known(self, provider, opened):
        provider.trouble("POST", "/ask", Answer(200, b"A wall.||"))
        till = opened()
        asked(till, question(provider))
        assert till.usd is None


def test_closing_hangs_up_and_what_was_heard_counts(provider, opened):
    till = opened(most="0.2")

    def slow(pieces):
        yield from (piece.decode() for piece in pieces)
        return Heard("")

    asking = till.ask(question(provider), slow, refused, RULES)
    next(asking)
    asking.close()
    with pytest.raises(RequestError, match="may cost"):
        asked(till, question(provider))


def test_nobody_is_shown_a_key(provider):
    assert "k-1" not in repr(question(provider))

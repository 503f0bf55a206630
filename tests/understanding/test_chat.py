"""Talks: videos are seen once, and questions follow each other."""

import pytest
from coloured import coloured
from toy import FACTS, Toy

from moviola.errors import RequestError
from moviola.tasks import Ask, request
from moviola.understanding.chat import open_chat


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return coloured(tmp_path_factory.mktemp("c") / "clip.mkv", ("red", 2))


def opened(toy, clip, **fields):
    events = open_chat(toy, "toy", request(Ask, {"videos": clip.source.name} | fields), [clip])
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value


def test_a_video_is_seen_once_whatever_is_asked(clip):
    toy = Toy()
    with opened(toy, clip) as talk:
        assert talk.ask("What is it?").text == "1: red from 0.2"
        assert talk.ask("And now?").text == "2: red from 0.2"
    assert len(toy.seen) == 1
    assert talk.shown[0].stop_seconds == 2


def test_an_answer_can_be_had_word_by_word_and_be_stopped(clip):
    with opened(Toy(), clip) as talk:
        words = talk.stream("What is it?")
        assert next(words) == "1: "
        words.close()
        assert talk.ask("And now?").text.startswith("2:")


def test_a_closed_talk_and_an_empty_question_are_refused(clip):
    with opened(Toy(), clip) as talk, pytest.raises(RequestError, match="empty"):
        talk.ask(" ")
    with pytest.raises(RequestError, match="closed"):
        talk.ask("What is it?")


def test_a_long_video_is_seen_whole(clip):
    with opened(Toy(FACTS.model_copy(update={"max_frames": 4})), clip, part="0.5s") as talk:
        assert talk.ask("What?").parts == []


def test_a_model_of_single_questions_does_not_talk(clip):
    with pytest.raises(RequestError, match="single questions"):
        opened(Toy(FACTS.model_copy(update={"chat": False})), clip)

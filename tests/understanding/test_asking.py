"""Questions: what is seen of videos, what is said, and what a user is told of it."""

import pytest
from coloured import coloured
from toy import FACTS, Toy, as_json

from moviola.errors import RequestError
from moviola.generators import finished
from moviola.model import Note, Progress, Result, Spoken
from moviola.tasks import Ask, request
from moviola.understanding.asking import ask
from moviola.understanding.looking import look


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return coloured(tmp_path_factory.mktemp("c") / "clip.mkv", ("red", 2), ("green", 3), ("blue", 1))


def asked(toy, *clips, question="What is it?", **fields):
    fields = {"videos": [clip.source.name for clip in clips], "question": question} | fields
    *events, last = ask(toy, "toy", request(Ask, fields), clips)
    assert isinstance(last, Result)
    return last.value, events


def test_an_answer_comes_piece_by_piece_and_then_whole(clip):
    answer, events = asked(Toy(), clip, at="0s..2s")
    words = [event.text for event in events if isinstance(event, Spoken)]
    assert len(words) > 1
    assert "".join(words) == answer.text == "1: red from 0.2"
    assert answer.model == "toy"
    assert answer.question == "What is it?"


def test_the_stretch_and_the_frames_that_were_seen_are_told(clip):
    answer, _ = asked(Toy(), clip, at="2s..5s", duplicates=True)
    (shown,) = answer.shown
    assert (shown.start_seconds, shown.stop_seconds) == (2, 5)
    assert len(shown.frame_seconds) == answer.frames == FACTS.frames
    assert all(2 <= seconds < 5 for seconds in shown.frame_seconds)
    assert answer.text == "1: green from 2.3"


def test_several_videos_are_seen_in_their_order(clip, tmp_path):
    other = coloured(tmp_path / "other.mkv", ("blue", 1))
    answer, events = asked(Toy(), other, clip, at="0s..1s")
    assert answer.text == "1: blue from 0.1, red from 0.1"
    assert [event.done for event in events if isinstance(event, Progress)] == [0, 1]
    assert [shown.video for shown in answer.shown] == [other.source.name, clip.source.name]


def test_frames_that_are_left_out_as_alike_are_told_and_can_be_kept(clip):
    answer, events = asked(Toy(), clip, at="0s..2s", frames=8)
    assert answer.frames == 1
    assert any("look like the one before" in event.text for event in events if isinstance(event, Note))
    kept, _ = asked(Toy(), clip, at="0s..2s", frames=8, duplicates=True)
    assert kept.frames == 8
    # Who is not told the times is shown them all.
    untold, _ = asked(Toy(replace_facts(timed=False)), clip, at="0s..2s", frames=8)
    assert untold.frames == 8


def replace_facts(**facts):
    return FACTS.model_copy(update=facts)


def test_a_long_video_is_looked_at_in_parts_and_the_notes_are_put_together(clip):
    toy = Toy(answers=["red things", "green things", "blue things", "all colours"])
    answer, _ = asked(toy, clip, part="2s")
    assert answer.text == "all colours"
    assert [part.text for part in answer.parts] == ["red things", "green things", "blue things"]
    assert answer.parts[0].start_seconds == 0
    assert answer.parts[-1].stop_seconds == 6
    for before, after in zip(answer.parts, answer.parts[1:], strict=False):
        assert before.stop_seconds == after.start_seconds
    *notes, (videos, last) = toy.asked
    assert all(count == 1 and "What is it?" in note for count, note in notes)
    assert videos == 0
    assert "[0:00 – 0:02] red things" in last
    assert last.endswith("What is it?")


def test_parts_are_taken_where_frames_would_lie_too_far_apart(clip):
    # Two frames reach 16 s.
    few = Toy(replace_facts(frames=2, max_frames=2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("moviola.understanding.long.SPARSEST", 1.0)
        answer, events = asked(few, clip)
        assert len(answer.parts) == 3
        assert any("3 parts" in event.text for event in events if isinstance(event, Note))
        # Who says how many frames has said what is to be seen.
        assert asked(few, clip, frames=2)[0].parts == []
    assert asked(few, clip)[0].parts == []


def test_notes_that_are_too_many_are_put_together_first(clip):
    toy = Toy(replace_facts(context=500))
    looked = look(toy, request(Ask, {"videos": "x", "question": "Q?", "max_tokens": 64}), [clip], "Q?", 0.3)
    seen = finished(looked)
    assert len(seen.parts) == 20
    assert 1 <= len(seen.few) < 20
    assert seen.few[0].start_seconds == 0
    assert seen.few[-1].stop_seconds == 6


def test_an_answer_by_a_schema_is_asked_for_until_it_satisfies_it(clip):
    schema = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
    toy = Toy(answers=["It is red.", as_json({"color": "red"}), as_json({"colour": "red"})])
    answer, _ = asked(toy, clip, json_schema=schema)
    assert answer.value == {"colour": "red"}
    assert answer.error is None
    assert answer.attempts == 3


def test_the_best_answer_is_given_with_its_error_where_none_satisfies_the_schema(clip):
    schema = {"type": "object", "required": ["colour", "size"]}
    toy = Toy(answers=[as_json({"colour": "red"}), "no", "no"])
    answer, _ = asked(toy, clip, json_schema=schema)
    assert answer.value == {"colour": "red"}
    assert "size" in answer.error
    assert answer.attempts == 3


def test_a_question_has_to_be_there_and_say_something(clip):
    with pytest.raises(RequestError, match="the question is empty"):
        request(Ask, {"videos": "x", "question": " "})
    with pytest.raises(RequestError, match="say what is asked"):
        asked(Toy(), clip, question=None)


def test_a_stretch_outside_of_the_video_is_refused_with_what_it_covers(clip):
    with pytest.raises(RequestError, match=r"covers 0\.000s to 6\.000s"):
        asked(Toy(), clip, at="20s..30s")


def test_stopping_an_answer_stops_the_speaker_within_a_word(clip):
    toy = Toy(answers=["one two three"])
    events = ask(toy, "toy", request(Ask, {"videos": "x", "question": "Q?"}), [clip])
    assert any(isinstance(event, Spoken) for event in events)
    events.close()
    with pytest.raises(StopIteration):
        next(events)

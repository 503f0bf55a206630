"""Answers that were paid for, on disk."""

import json
import os
import stat
from datetime import UTC, datetime

import pytest

from moviola.hosted.answers import Answers, Heard

HEARD = Heard("A wall.", 100, 7, 20, 10, cut=True)
ASKED = ("openai", "gpt-5.4", "https://acme.example/v1", b'{"input": "What?"}')


@pytest.fixture
def answers(tmp_path):
    return Answers(tmp_path / "home" / "answers")


def the_file(tmp_path):
    (path,) = (tmp_path / "home" / "answers").iterdir()
    return path


def test_an_answer_is_found_again_with_when_it_was_asked(answers):
    assert answers.recall(ASKED) is None
    answers.keep(ASKED, HEARD, 1_790_000_000.4, model="gpt-5.4")
    kept = answers.recall(ASKED)
    assert kept.heard == HEARD
    assert kept.asked == datetime.fromtimestamp(1_790_000_000, UTC)


@pytest.mark.parametrize("changed", range(len(ASKED)))
def test_another_question_is_another_question(answers, changed):
    answers.keep(ASKED, HEARD, 0)
    other = list(ASKED)
    other[changed] = other[changed] + type(other[changed])(b"!" if changed == 3 else "!")
    assert answers.recall(other) is None
    # Where one part ends is a part of it.
    assert answers.recall(("".join(ASKED[:2]), "", *ASKED[2:])) is None


def test_only_its_owner_can_read_it_and_no_key_is_in_it(answers, tmp_path):
    answers.keep(ASKED, HEARD, 0, provider="openai")
    path = the_file(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert json.loads(path.read_bytes())["provider"] == "openai"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"heard": {}, "asked": "x"}', b"\xff"])
def test_what_is_damaged_is_asked_again(answers, tmp_path, content):
    answers.keep(ASKED, HEARD, 0)
    the_file(tmp_path).write_bytes(content)
    assert answers.recall(ASKED) is None
    answers.keep(ASKED, HEARD, 0)
    assert answers.recall(ASKED).heard == HEARD


def test_what_a_later_version_adds_is_passed_over(answers, tmp_path):
    answers.keep(ASKED, HEARD, 0)
    path = the_file(tmp_path)
    held = json.loads(path.read_bytes())
    held["heard"]["colour"] = "red"
    path.write_text(json.dumps(held))
    assert answers.recall(ASKED).heard == HEARD


def test_what_was_not_used_for_the_longest_goes_first(tmp_path):
    answers = Answers(tmp_path, limit=1000)
    for number in range(4):
        answers.keep([str(number)], Heard("x" * 300), 0)
        newest = max(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (number, number))
    assert answers.recall(["0"]) is None
    assert answers.recall(["3"]) is not None


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path):
    (tmp_path / "answers").write_text("a file")
    answers = Answers(tmp_path / "answers")
    answers.keep(ASKED, HEARD, 0)
    assert answers.recall(ASKED) is None

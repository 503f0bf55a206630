"""Cues: lines that are even and no longer than asked, files that no text can break."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.cues import Cue, check_cues, clock, columns, milliseconds, one_line, to_srt, to_vtt, wrapped
from moviola.errors import RequestError

WORDS = "A man in a red coat walks along the beach while two dogs run after the waves"
TEXTS = st.text(
    st.one_of(st.sampled_from(" ab.,-太極。「」（ő\u0301\u200b"), st.characters(codec="utf-8")), max_size=120
)


def packed(text: str) -> str:
    return "".join(text.split())


def test_lines_are_the_fewest_and_as_even_as_can_be():
    assert wrapped(WORDS, 42) == [
        "A man in a red coat walks along the",
        "beach while two dogs run after the waves",
    ]
    assert wrapped(WORDS, 200) == [WORDS]
    assert wrapped("aa bb cc dd", 8) == ["aa bb", "cc dd"], "not 'aa bb cc', 'dd'"


@given(TEXTS, st.integers(1, 50))
def test_no_line_is_too_long_and_nothing_is_lost(text, room):
    lines = wrapped(text, max(room, 2))
    assert packed("".join(lines)) == packed(one_line(text))
    assert all(line and line == line.strip() for line in lines)
    assert all(columns(line) <= max(room, 2) for line in lines)


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=9), max_size=30), st.integers(9, 50))
def test_words_that_fit_stay_whole(words, room):
    assert [word for line in wrapped(" ".join(words), room) for word in line.split()] == words


def test_a_word_longer_than_a_line_is_cut():
    assert wrapped("an " + "x" * 25, 10) == ["an", "x" * 10, "x" * 10, "x" * 5]


def test_east_asian_letters_take_two_columns_and_need_no_spaces_between_lines():
    assert columns("太極拳 ok") == 9
    assert wrapped("太極拳是一種武術", 8) == ["太極拳是", "一種武術"]


def test_closing_signs_begin_no_line_and_opening_ones_end_none():
    assert wrapped("太極拳。武術", 6) == ["太極", "拳。", "武術"]
    assert wrapped("他說「你好」", 6) == ["他說", "「你", "好」"]


def test_length_may_be_measured_in_anything():
    assert wrapped("aa bb", 4, lambda text: 2 * len(text)) == ["aa", "bb"]


@pytest.mark.parametrize("text", ["", " \n ", "\x00\x07"])
def test_nothing_has_no_lines(text):
    assert wrapped(text, 42) == []


def test_one_line_has_no_breaks_and_no_control_characters():
    assert one_line(" a\r\n\r\nb\x00c\u2028d\te ") == "a b c d e"
    family = "👩‍👧"
    assert one_line(family) == family, "what joins an emoji stays"


def test_times_carry_over_and_never_go_below_zero():
    assert clock(3_723_004) == "01:02:03.004"
    assert clock(360_000_000, ",") == "100:00:00,000"
    assert [milliseconds(seconds) for seconds in (-1, 0.0004, 59.9996)] == [0, 0, 60_000]


def test_the_two_formats():
    cues = [Cue(0, 1500, "one\ntwo"), Cue(1500, 2000, "three")]
    assert to_srt(cues) == (
        "1\n00:00:00,000 --> 00:00:01,500\none\ntwo\n\n2\n00:00:01,500 --> 00:00:02,000\nthree\n"
    )
    assert to_vtt(cues) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\none\ntwo\n\n00:00:01.500 --> 00:00:02.000\nthree\n"
    )
    assert (to_srt([]), to_vtt([])) == ("", "WEBVTT\n")


@pytest.mark.parametrize("write", [to_srt, to_vtt])
def test_a_text_that_looks_like_a_time_is_none(write):
    text = write([Cue(0, 1000, "00:00:05,000 --> 00:00:09,000")])
    assert len(re.findall("-->", text)) == 1


def test_webvtt_escapes_what_means_something_in_it():
    assert "\n&lt;b&gt;salt &amp; pepper --&gt; mill\n" in to_vtt([Cue(0, 1, "<b>salt & pepper --> mill")])


@pytest.mark.parametrize("suffix", [".srt", ".vtt"])
def test_a_file_of_cues_is_about_one_video(suffix):
    check_cues(suffix, 1)
    check_cues(".csv", 2)
    for videos in (0, 2):
        with pytest.raises(RequestError, match=f"one video, not of {videos}"):
            check_cues(suffix, videos)

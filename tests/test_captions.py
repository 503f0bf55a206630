"""Captions as text: times that never overlap, cues that can be read, tables and files that read back."""

import csv
import io
import json
import os
from itertools import pairwise

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.captions import (
    LINE,
    LINES,
    SHORTEST,
    check_format,
    check_report,
    cues_of,
    is_report,
    to_csv,
    to_srt,
    to_text,
    to_txt,
    to_vtt,
    write_report,
)
from moviola.cues import columns, one_line
from moviola.errors import OutputError, RequestError
from moviola.tasks.understanding import CaptionedMoment, Captions, VideoCaptions

LONG = (
    "A large grey rabbit wakes up in a green meadow and stretches. He looks at a butterfly, and then walks "
    "slowly towards an apple tree whose red fruit shines in the morning sun, while three small rodents watch "
    "him from a branch. He waves."
)


def moment(start: float, stop: float, text: str) -> CaptionedMoment:
    return CaptionedMoment(start_seconds=start, stop_seconds=stop, text=text)


def video(*moments: tuple[float, float, str], name: str = "a.mp4", **fields: object) -> VideoCaptions:
    return VideoCaptions(video=name, moments=[moment(*told) for told in moments], **fields)


def told(*videos: VideoCaptions) -> Captions:
    return Captions(
        model="tiny",
        videos=list(videos),
        frames=8,
        prompt_tokens=100,
        answer_tokens=20,
        elapsed_seconds=1.5,
    )


DENSE = video((0, 2.5, "A dog runs."), (2.5, 4, "It jumps, and\nlands."))
WHOLE = video((0, 9, "A dog plays."), name="b.mp4", text="A dog plays.\n")
BROKEN = VideoCaptions(video="c.mp4", error="c.mp4 is no video")


def spans(captions: VideoCaptions) -> list[tuple[int, int]]:
    return [(cue.start, cue.stop) for cue in cues_of(captions)]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


# ---------------------------------------------------------------------------------------------------- cues


def test_a_short_caption_is_one_cue_as_long_as_its_moment():
    assert [(cue.start, cue.stop, cue.text) for cue in cues_of(DENSE)] == [
        (0, 2500, "A dog runs."), (2500, 4000, "It jumps, and lands."),
    ]  # fmt: skip
    assert spans(video((0, 600, "A still life."))) == [(0, 600_000)]


def test_a_long_caption_becomes_cues_of_two_lines_of_42():
    cues = cues_of(video((10, 40, LONG)))
    assert len(cues) == 5
    assert (cues[0].start, cues[-1].stop) == (10_000, 40_000)
    assert all(before.stop == after.start for before, after in pairwise(cues))
    for cue in cues:
        lines = cue.text.split("\n")
        assert len(lines) <= LINES
        assert all(columns(line) <= LINE for line in lines)
    assert " ".join(cue.text for cue in cues).split() == LONG.split()


def test_each_cue_lasts_in_proportion_to_its_text():
    cues = cues_of(video((0, 30, LONG)))
    rates = [len(one_line(cue.text)) / (cue.stop - cue.start) for cue in cues]
    assert max(rates) / min(rates) < 1.05


def test_a_cue_ends_with_a_sentence_where_it_can():
    first = "Two children build a castle of sand near the water."
    second = "A wave comes in, and takes the castle away in a moment."
    assert [one_line(cue.text) for cue in cues_of(video((0, 9, f"{first} {second}")))] == [first, second]
    short = "A man sits. He reads. A cat sleeps."
    assert [cue.text for cue in cues_of(video((0, 9, short)))] == [short], "short sentences share a cue"


def test_a_short_moment_has_few_cues_with_more_lines():
    for seconds, most in ((0.5, 1), (1.0, 1), (2.0, 2), (2.6, 3)):
        cues = cues_of(video((0, seconds, LONG)))
        assert 1 <= len(cues) <= most
        assert " ".join(cue.text for cue in cues).split() == LONG.split()


@pytest.mark.parametrize("seconds", [2, 3, 4, 6, 10, 30])
def test_no_part_of_a_caption_flashes_by(seconds):
    for start, stop in spans(video((0, seconds, LONG))):
        assert stop - start > 0.8 * SHORTEST


def test_a_caption_without_words_has_no_cue():
    assert spans(video((0, 1, ""), (1, 2, " \n\x00"), (2, 3, "x"))) == [(2000, 3000)]


def test_captions_that_overlap_give_way_to_the_next():
    assert spans(video((0, 5, "a"), (3, 6, "b"))) == [(0, 3000), (3000, 6000)]
    assert spans(video((3, 6, "b"), (0, 5, "a"))) == [(0, 3000), (3000, 6000)], "in any order"
    assert spans(video((0, 9, "a"), (0, 4, "b"))) == [(0, 1), (1, 4000)]
    assert spans(video((0, 1, "a"), (2, 3, "b"))) == [(0, 1000), (2000, 3000)], "a gap stays"


def test_times_before_zero_and_of_no_length():
    assert spans(video((-2, 1, "a"), (5, 5, "b"), (8, 7, "c"))) == [(0, 1000), (5000, 5001), (8000, 8001)]


TIMES = st.floats(-10, 1e5, allow_nan=False)


@given(st.lists(st.tuples(TIMES, TIMES, st.text(max_size=300)), max_size=6))
def test_whatever_was_said_cues_are_in_order_apart_and_last(moments):
    captions = video(*moments)
    cues = cues_of(captions)
    assert all(0 <= cue.start < cue.stop for cue in cues)
    assert all(before.stop <= after.start for before, after in pairwise(cues))
    assert all(line.strip() for cue in cues for line in cue.text.split("\n"))
    said = sorted(captions.moments, key=lambda moment: moment.start_seconds)
    expected = "".join("".join(one_line(moment.text).split()) for moment in said)
    assert "".join("".join(cue.text.split()) for cue in cues) == expected


@given(st.text(st.sampled_from("aaaab c,.。太極 "), max_size=900), st.floats(0.001, 60))
def test_a_moment_is_filled_by_its_cues(text, seconds):
    cues = cues_of(video((1, 1 + seconds, text)))
    if cues:
        assert cues[0].start == 1000
        assert cues[-1].stop == max(1001, round(1000 * (1 + seconds)))
        assert all(before.stop == after.start for before, after in pairwise(cues))


def test_a_text_without_times_makes_no_cues():
    with pytest.raises(RequestError, match=r"when the caption of b\.mp4"):
        cues_of(VideoCaptions(video="b.mp4", text="A dog."))
    assert cues_of(BROKEN) == []


# ------------------------------------------------------------------------------------------------- formats


def test_text_of_one_video_is_its_text():
    assert to_txt(told(WHOLE)) == "A dog plays.\n"


def test_text_of_scenes_has_a_line_for_each_with_its_times():
    assert to_txt(told(DENSE)) == (
        "[00:00:00.000 – 00:00:02.500] A dog runs.\n[00:00:02.500 – 00:00:04.000] It jumps, and lands.\n"
    )


def test_text_of_several_videos_names_them_and_why_one_has_none():
    assert to_txt(told(WHOLE, BROKEN)) == "b.mp4\nA dog plays.\n\nc.mp4\nno caption: c.mp4 is no video\n"


def test_webvtt_and_subrip():
    assert to_vtt(DENSE) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nA dog runs.\n\n"
        "00:00:02.500 --> 00:00:04.000\nIt jumps, and lands.\n"
    )
    assert to_srt(DENSE).startswith("1\n00:00:00,000 --> 00:00:02,500\nA dog runs.\n\n2\n")
    assert to_vtt(BROKEN) == "WEBVTT\n"


@pytest.mark.parametrize("name", ["a.vtt", "a.srt"])
def test_ffmpeg_reads_what_players_will(tmp_path, name):
    """Also where texts hold what looks like the format itself."""
    texts = ["one --> two & three", "00:00:09,000 --> 00:00:10,000", "1\n\n2", "späť 太極"]
    write_report(told(video(*((n, n + 1, text) for n, text in enumerate(texts)))), tmp_path / name)
    with av.open(str(tmp_path / name)) as container:
        found = [
            (float(p.pts * p.time_base), float(p.duration * p.time_base), bytes(p).decode())
            for p in container.demux(container.streams[0])
            if p.size
        ]
    assert [(start, length) for start, length, _ in found] == [(0, 1), (1, 1), (2, 1), (3, 1)]
    assert [text for *_, text in found][2:] == ["1 2", "späť 太極"]


def test_a_table_has_a_row_for_every_moment():
    assert rows(to_csv(told(DENSE, WHOLE))) == [
        {"video": "a.mp4", "start_seconds": "0.0", "stop_seconds": "2.5", "text": "A dog runs."},
        {"video": "a.mp4", "start_seconds": "2.5", "stop_seconds": "4.0", "text": "It jumps, and\nlands."},
        {"video": "b.mp4", "start_seconds": "0.0", "stop_seconds": "9.0", "text": "A dog plays."},
    ]


def test_a_table_keeps_commas_quotes_and_line_breaks_by_rfc_4180():
    texts = ["open, then close", 'saying "no"', "two\r\nlines", "太极拳"]
    text = to_csv(told(video(*((0, 1, text) for text in texts), name="a,b.mp4")))
    assert [row["text"] for row in rows(text)] == texts
    assert {row["video"] for row in rows(text)} == {"a,b.mp4"}
    assert text.endswith("\r\n")


def test_a_table_misses_no_video_and_makes_no_caption_of_an_error():
    table = rows(to_csv(told(BROKEN, VideoCaptions(video="d.mp4", text="A cat."))))
    empty = {"start_seconds": "", "stop_seconds": ""}
    assert table == [
        {"video": "c.mp4", "text": ""} | empty, {"video": "d.mp4", "text": "A cat."} | empty,
    ]  # fmt: skip


def test_seconds_in_a_table_have_no_noise_of_floats():
    assert "0.3,0.333333,x" in to_csv(told(video((0.1 + 0.2, 1 / 3, "x"))))


def test_json_says_everything_and_reads_back():
    result = told(DENSE, BROKEN)
    text = to_text(result, "json")
    assert Captions.model_validate_json(text) == result
    assert json.loads(text)["videos"][1]["error"] == "c.mp4 is no video"


# --------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("name", ["a.txt", "a.json", "a.csv", "a.vtt", "a.srt", "a.SRT"])
def test_the_suffix_decides(tmp_path, name):
    path = tmp_path / "new" / name
    assert is_report(path)
    write_report(told(DENSE), path)
    assert path.read_bytes().decode() == to_text(told(DENSE), path.suffix[1:].lower())


@pytest.mark.parametrize("name", ["a.mp4", "a.md", "frames", "frames/"])
def test_other_names_are_no_text(tmp_path, name):
    assert not is_report(tmp_path / name)
    with pytest.raises(RequestError, match="use one of txt srt vtt json csv"):
        write_report(told(DENSE), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_subtitles_are_about_one_video(tmp_path, name):
    for refused in (
        lambda: check_format(name, 2),
        lambda: check_report(tmp_path / f"a.{name.upper()}", 2),
        lambda: to_text(told(DENSE, WHOLE), name),
        lambda: write_report(told(DENSE, WHOLE), tmp_path / f"a.{name}"),
    ):
        with pytest.raises(RequestError, match="one video, not of 2"):
            refused()
    check_format("csv", 2)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept_unless_it_may_be_overwritten(tmp_path):
    path = tmp_path / "a.srt"
    path.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        write_report(told(DENSE), path)
    assert path.read_text() == "precious"
    write_report(told(DENSE), path, overwrite=True)
    assert path.read_bytes().decode() == to_srt(DENSE)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_on_the_way_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("precious")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write_report(told(DENSE), path, overwrite=True)
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_letters_that_are_no_text_do_not_lose_the_file(tmp_path):
    write_report(told(video((0, 1, "half \ud83d"), name=os.fsdecode(b"\xff.mp4"))), tmp_path / "a.csv")
    assert "?.mp4,0.0,1.0,half ?" in (tmp_path / "a.csv").read_text(encoding="utf-8")

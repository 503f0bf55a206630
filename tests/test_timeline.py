"""What was recognized, as text: tables read back, players take captions, files are whole or not there."""

import csv
import io
import json
import os
import re

import av
import pytest

from moviola.errors import OutputError, RequestError
from moviola.tasks import Label, Moment, Recognized, VideoLabels
from moviola.timeline import check_report, is_report, moments_of, to_csv, to_srt, to_vtt, write_report


def labels(*pairs: tuple[str, float]) -> list[Label]:
    return [Label(index=index, name=name, score=score) for index, (name, score) in enumerate(pairs)]


def moment(start: float, stop: float, *pairs: tuple[str, float]) -> Moment:
    return Moment(start_seconds=start, stop_seconds=stop, labels=labels(*pairs))


def told(*videos: VideoLabels) -> Recognized:
    return Recognized(model="x3d-m", videos=list(videos), frames=48, elapsed_seconds=1.5)


TIMELINE = VideoLabels(
    video="a.mp4",
    labels=labels(("arm wrestling", 0.6), ("yoga", 0.2)),
    moments=[
        moment(0, 2, ("arm wrestling", 0.9), ("yoga", 0.05)),
        moment(2, 4, ("arm wrestling", 0.8), ("yoga", 0.1)),
        moment(4, 4.5, ("yoga", 0.5), ("arm wrestling", 0.4)),
    ],
)
WHOLE = VideoLabels(video="b.mp4", labels=labels(("yoga", 0.75), ("salsa", 0.125)))
BROKEN = VideoLabels(video="c.mp4", error="c.mp4 is no video")


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_table_has_a_row_for_every_moment_and_rank():
    table = rows(to_csv(told(TIMELINE)))
    assert [(row["start_seconds"], row["rank"], row["label"]) for row in table] == [
        ("0.0", "1", "arm wrestling"), ("0.0", "2", "yoga"),
        ("2.0", "1", "arm wrestling"), ("2.0", "2", "yoga"),
        ("4.0", "1", "yoga"), ("4.0", "2", "arm wrestling"),
    ]  # fmt: skip
    assert [float(row["score"]) for row in table] == [0.9, 0.05, 0.8, 0.1, 0.5, 0.4]
    assert [float(row["stop_seconds"]) for row in table[::2]] == [2, 4, 4.5]


def test_rows_about_a_whole_video_have_no_times():
    first, second = rows(to_csv(told(WHOLE)))
    assert first == {
        "video": "b.mp4",
        "start_seconds": "",
        "stop_seconds": "",
        "rank": "1",
        "label": "yoga",
        "score": "0.75",
    }
    assert (second["rank"], second["label"]) == ("2", "salsa")


def test_a_video_that_could_not_be_read_is_a_row_without_a_label():
    table = rows(to_csv(told(WHOLE, BROKEN, TIMELINE)))
    assert [row["video"] for row in table] == ["b.mp4"] * 2 + ["c.mp4"] + ["a.mp4"] * 6
    assert not any(value for name, value in table[2].items() if name != "video")


def test_a_table_keeps_commas_quotes_and_line_breaks_by_rfc_4180():
    names = ["open, then close", 'saying "no"', "two\r\nlines", "太极拳"]
    text = to_csv(told(VideoLabels(video="a,b.mp4", labels=labels(*((name, 0.1) for name in names)))))
    assert [row["label"] for row in rows(text)] == names
    assert {row["video"] for row in rows(text)} == {"a,b.mp4"}
    assert text.endswith("\r\n")
    assert '"saying ""no"""' in text


def test_a_score_in_a_table_has_no_noise_of_floats():
    text = to_csv(told(VideoLabels(video="a", moments=[moment(0.1 + 0.2, 1 / 3, ("x", 0.8765432109876))])))
    assert "0.3,0.333333,1,x,0.876543" in text


def test_webvtt_begins_with_its_name_and_has_cues_apart():
    assert to_vtt(TIMELINE) == (
        "WEBVTT\n"
        "\n"
        "00:00:00.000 --> 00:00:04.000\n"
        "arm wrestling 85 %\n"
        "\n"
        "00:00:04.000 --> 00:00:04.500\n"
        "yoga 50 %\n"
    )


def test_subrip_numbers_its_cues_and_writes_a_comma():
    assert to_srt(TIMELINE) == (
        "1\n"
        "00:00:00,000 --> 00:00:04,000\n"
        "arm wrestling 85 %\n"
        "\n"
        "2\n"
        "00:00:04,000 --> 00:00:04,500\n"
        "yoga 50 %\n"
    )


def test_the_score_of_a_merged_cue_is_the_mean_over_its_time():
    video = VideoLabels(video="a", moments=[moment(0, 3, ("yoga", 0.9)), moment(3, 4, ("yoga", 0.1))])
    assert "yoga 70 %" in to_vtt(video)


def test_moments_with_a_gap_or_nothing_between_them_are_not_merged():
    apart = VideoLabels(video="a", moments=[moment(0, 1, ("yoga", 0.5)), moment(1.5, 2, ("yoga", 0.5))])
    nothing = VideoLabels(
        video="a", moments=[moment(0, 1, ("yoga", 0.5)), moment(1, 2), moment(2, 3, ("yoga", 0.5))]
    )
    assert to_srt(apart).count("yoga") == 2
    assert to_srt(nothing).count("yoga") == 2


def test_moments_that_meet_but_for_rounding_are_merged():
    video = VideoLabels(
        video="a", moments=[moment(0, 0.1 + 0.2, ("yoga", 0.5)), moment(0.3, 0.6, ("yoga", 0.5))]
    )
    assert to_srt(video).count("yoga") == 1


def test_signs_that_mean_something_in_webvtt_are_escaped():
    video = VideoLabels(video="a", moments=[moment(0, 1, ("<b>salt & pepper --> mill", 0.5))])
    assert "\n&lt;b&gt;salt &amp; pepper --&gt; mill 50 %\n" in to_vtt(video)
    assert "\n<b>salt & pepper → mill 50 %\n" in to_srt(video), "SubRip has no escapes"


def test_a_line_break_in_a_name_does_not_end_its_cue():
    video = VideoLabels(video="a", moments=[moment(0, 1, ("two\n\nlines", 0.5))])
    assert "\ntwo lines 50 %\n" in to_vtt(video)
    assert "\ntwo lines 50 %\n" in to_srt(video)


def test_times_carry_over_to_minutes_and_hours_and_never_go_below_zero():
    video = VideoLabels(
        video="a", moments=[moment(-0.02, 59.9996, ("a", 1)), moment(3599.9, 360000, ("b", 1))]
    )
    times = re.findall(r"\S+ --> \S+", to_vtt(video))
    assert times == ["00:00:00.000 --> 00:01:00.000", "00:59:59.900 --> 100:00:00.000"]


def test_a_cue_of_no_length_lasts_a_millisecond():
    video = VideoLabels(video="a", moments=[moment(1, 1.0001, ("a", 1))])
    assert "00:00:01.000 --> 00:00:01.001" in to_vtt(video)


def test_a_whole_video_is_one_cue_over_its_span():
    assert "\n00:00:02.000 --> 00:00:12.500\nyoga 75 %\n" in to_vtt(WHOLE, (2, 12.5))
    assert "1\n00:00:02,000 --> 00:00:12,500\nyoga 75 %\n" in to_srt(WHOLE, (2, 12.5))


def test_a_whole_video_without_a_known_span_makes_no_captions():
    with pytest.raises(RequestError, match=r"b\.mp4.*--every"):
        to_vtt(WHOLE)


def test_the_moments_of_a_timeline_are_its_own_whatever_the_span():
    assert moments_of(TIMELINE, (0, 99)) == TIMELINE.moments
    assert moments_of(BROKEN) == []
    assert to_vtt(BROKEN) == "WEBVTT\n"


@pytest.mark.parametrize("name", ["a.vtt", "a.srt"])
def test_ffmpeg_reads_the_captions(tmp_path, name):
    write_report(told(TIMELINE), tmp_path / name)
    with av.open(str(tmp_path / name)) as container:
        (stream,) = container.streams
        found = [
            (float(p.pts * p.time_base), float(p.duration * p.time_base), bytes(p).decode())
            for p in container.demux(stream)
            if p.size
        ]
    assert found == [(0, 4, "arm wrestling 85 %"), (4, 0.5, "yoga 50 %")]


@pytest.mark.parametrize("name", ["a.json", "a.csv", "a.vtt", "a.srt", "a.CSV"])
def test_the_suffix_decides(tmp_path, name):
    path = tmp_path / name
    assert is_report(path)
    write_report(told(TIMELINE), path)
    text = path.read_bytes().decode()
    starts = {".json": "{", ".csv": "video,start_seconds", ".vtt": "WEBVTT\n", ".srt": "1\n"}
    assert text.startswith(starts[path.suffix.lower()])


def test_json_says_everything_and_reads_back(tmp_path):
    result = told(TIMELINE, BROKEN)
    write_report(result, tmp_path / "a.json")
    text = (tmp_path / "a.json").read_text()
    assert Recognized.model_validate_json(text) == result
    assert json.loads(text)["videos"][1]["error"] == "c.mp4 is no video"


@pytest.mark.parametrize("name", ["a.mp4", "a.txt", "frames", "frames/"])
def test_other_names_are_no_reports(tmp_path, name):
    assert not is_report(tmp_path / name)
    with pytest.raises(RequestError, match=r"use one of \.json \.csv \.vtt \.srt"):
        write_report(told(WHOLE), tmp_path / name)


@pytest.mark.parametrize("name", ["a.vtt", "a.SRT"])
def test_captions_are_about_one_video(tmp_path, name):
    with pytest.raises(RequestError, match="one video, not of 2"):
        write_report(told(TIMELINE, WHOLE), tmp_path / name)
    with pytest.raises(RequestError, match="one video, not of 3"):
        check_report(tmp_path / name, 3)
    check_report(tmp_path / "a.csv", 3)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept_unless_it_may_be_overwritten(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        write_report(told(WHOLE), path)
    assert path.read_text() == "precious"
    write_report(told(WHOLE), path, overwrite=True)
    assert path.read_bytes().decode() == to_csv(told(WHOLE))
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_on_the_way_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("precious")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write_report(told(WHOLE), path, overwrite=True)
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_folders_on_the_way_are_made(tmp_path):
    write_report(told(WHOLE), tmp_path / "new" / "folder" / "a.csv")
    assert rows((tmp_path / "new" / "folder" / "a.csv").read_text())


@pytest.mark.parametrize("name", ["a.csv", "a.json"])
def test_a_file_name_that_is_no_text_does_not_lose_the_report(tmp_path, name):
    write_report(told(WHOLE.model_copy(update={"video": os.fsdecode(b"\xff.mp4")})), tmp_path / name)
    assert "?.mp4" in (tmp_path / name).read_text(encoding="utf-8")

"""From a request to answers and captions, with a tiny checkpoint that is read as a published one."""

import json
import logging
import wave
from pathlib import Path

import pytest
from coloured_scenes import filmed

import moviola
from moviola import registry
from moviola.clip import Clip
from moviola.errors import InputError, OutputError, RequestError
from moviola.selftest import tiny_checkpoint

MODEL = "qwen3-vl-2b"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny_checkpoint(*registry.find(MODEL), folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return filmed(tmp_path_factory.mktemp("c") / "clip.mp4")


@pytest.fixture
def given(tiny, tmp_path, monkeypatch) -> dict:
    monkeypatch.setenv("MOVIOLA_CACHE", str(tmp_path / "cache"))
    return {"model": MODEL, "weights": tiny, "max_tokens": 6, "dtype": "float32"}


def test_a_question_is_answered(clip, given):
    answer = moviola.ask(clip, "What happens?", **given)
    assert answer.text
    assert answer.model == MODEL
    assert answer.answer_tokens == 6
    assert answer.cut
    assert answer.prompt_tokens > answer.frames > 0


def test_a_second_question_about_a_clip_finds_what_was_seen(clip, given, monkeypatch):
    first = moviola.ask(clip, "What happens?", **given)
    read = []
    monkeypatch.setattr("moviola.understanding.local.pictures_of", lambda *given: read.append(given))
    assert moviola.ask(clip, "What happens?", **given).text == first.text
    assert moviola.ask(clip, "And who?", **given).text
    assert not read


def test_nothing_is_kept_where_that_is_not_wanted(clip, given, tmp_path):
    moviola.ask(clip, "What happens?", cache=False, **given)
    assert not (tmp_path / "cache" / "features").exists()


def test_answers_are_written(clip, given, tmp_path):
    answer = moviola.ask(clip, "What happens?", output=tmp_path / "answer.json", **given)
    told = json.loads((tmp_path / "answer.json").read_text())
    assert told["text"] == answer.text
    assert told["shown"][0]["video"] == str(clip)
    moviola.ask(clip, "What happens?", output=tmp_path / "answer.txt", **given)
    assert (tmp_path / "answer.txt").read_text() == answer.text + "\n"


def test_an_output_is_checked_before_the_work(clip, given, tmp_path):
    with pytest.raises(RequestError, match=r"\.txt or \.json"):
        moviola.ask(clip, "What?", output=tmp_path / "answer.mp4", **given)
    (tmp_path / "answer.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        moviola.ask(clip, "What?", output=tmp_path / "answer.txt", **given)
    assert (tmp_path / "answer.txt").read_text() == "mine"


def test_a_seed_repeats_what_chance_drew(clip, given):
    drawn = {"temperature": 1.5, "seed": 5} | given
    first = moviola.ask(clip, "What happens?", **drawn)
    assert moviola.ask(clip, "What happens?", **drawn).text == first.text
    others = {moviola.ask(clip, "What happens?", **(drawn | {"seed": seed})).text for seed in range(3)}
    assert len(others | {first.text}) > 1


def test_a_talk_sees_its_videos_once(clip, given):
    with moviola.chat(clip, **given) as talk:
        first = talk.ask("What happens?")
        words = list(talk.stream("And then?"))
        assert words
    assert first.text == moviola.ask(clip, "What happens?", **given).text


def test_a_folder_is_captioned_and_scenes_have_their_times(clip, given, tmp_path):
    copies = [tmp_path / "videos" / name for name in ("a.mp4", "b.mp4")]
    copies[0].parent.mkdir()
    for copy in copies:
        copy.write_bytes(clip.read_bytes())
    told = moviola.caption(tmp_path / "videos", dense=True, shortest=0.2, **given)
    assert [Path(video.video).name for video in told.videos] == ["a.mp4", "b.mp4"]
    assert [(m.start_seconds, m.stop_seconds) for m in told.moments] == [(0, 1), (1, 2)]


def test_captions_become_a_track_beside_the_pictures(clip, given, tmp_path):
    output = tmp_path / "captioned.mp4"
    told = moviola.caption(clip, dense=True, shortest=0.2, output=output, **given)
    assert told.output == output
    info = Clip(output).info
    assert len(info.subtitles) == 1
    assert Clip(output).timeline().pts_seconds.tolist() == Clip(clip).timeline().pts_seconds.tolist()


def test_captions_of_several_videos_go_into_no_subtitles(clip, given, tmp_path):
    with pytest.raises(RequestError, match="one video"):
        moviola.caption([clip, clip], output=tmp_path / "captions.srt", **given)


def test_one_is_told_how_it_runs_and_what_is_not_for_commercial_use(clip, given, caplog):
    with caplog.at_level(logging.INFO, logger="moviola"):
        moviola.ask(clip, "What?", **given)
    assert "runs on" in caplog.text


def test_bad_requests_are_told_in_one_line(clip, given, tmp_path):
    with pytest.raises(RequestError, match="does not ask"):
        moviola.ask(clip, "What?", model="x3d-s")
    with pytest.raises(RequestError, match="at once, not 20"):
        moviola.ask([clip] * 20, "What?", **given)
    sound = tmp_path / "sound.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"\0" * 8000)
    with pytest.raises(InputError, match="no video"):
        moviola.ask(sound, "What?", **given)
    with pytest.raises(InputError, match="cannot be read"):
        moviola.ask(clip, "What?", json_schema=tmp_path / "none.json", **given)


def test_what_does_not_fit_the_context_says_how_much_would(clip, given):
    with pytest.raises(RequestError, match=r"reads \d+ in all"):
        moviola.ask(clip, "What? " * 3000, **given)

"""From the request to labels and files of them, with a tiny checkpoint that is read as a published one."""

import csv
import json
import logging
from fractions import Fraction
from pathlib import Path

import pytest

import moviola
from moviola import registry
from moviola.clip import Clip
from moviola.errors import InputError, MoviolaError, OutputError, RequestError
from moviola.film import film
from moviola.selftest import tiny_checkpoint
from moviola.stage import Motion, Scene, Shot


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny_checkpoint(*registry.find("x3d-s"), folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    shots = tuple(Shot(1, ground=n, camera=Motion(velocity=(40, 10))) for n in range(3))
    return film(Scene(shots, size=(96, 64), rate=Fraction(30)), tmp_path_factory.mktemp("c") / "clip.mp4")


@pytest.fixture
def recognize(tiny):
    def call(*videos, **fields):
        return moviola.recognize(list(videos), model="x3d-s", weights=tiny, **fields)

    return call


def test_the_python_verb_takes_one_video_or_several(tiny, clip):
    one = moviola.recognize(clip, model="x3d-s", weights=tiny)
    assert len(one.videos) == 1
    assert len(one.labels) == 5
    assert len(moviola.recognize([clip, clip], model="x3d-s", weights=tiny).videos) == 2


def test_a_timeline_is_written_in_the_form_that_the_suffix_names(recognize, clip, tmp_path):
    for name in ("labels.json", "labels.csv", "labels.vtt", "labels.srt"):
        result = recognize(clip, every="1s", output=tmp_path / name)
        assert result.output == tmp_path / name
    told = json.loads((tmp_path / "labels.json").read_text())
    assert [moment["start_seconds"] for moment in told["videos"][0]["moments"]] == [0, 1, 2]
    with (tmp_path / "labels.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 3 * 5
    assert (tmp_path / "labels.vtt").read_text().startswith("WEBVTT")
    assert "-->" in (tmp_path / "labels.srt").read_text()


def test_a_video_with_labels_keeps_every_frame_its_time_and_the_sound(recognize, clip, tmp_path):
    result = recognize(clip, every="500ms", output=tmp_path / "shown.mp4")
    made, source = Clip(result.output), Clip(clip)
    assert made.timeline().pts_seconds.tolist() == pytest.approx(source.timeline().pts_seconds.tolist())
    assert len(made.info.audio) == len(source.info.audio) == 1
    assert made.info.recipe["model"] == "x3d-s"


def test_captions_of_a_span_stand_where_it_was(recognize, clip, tmp_path):
    recognize(clip, start="1s", stop="2s", output=tmp_path / "middle.vtt")
    assert "00:00:01.000 --> 00:00:02.000" in (tmp_path / "middle.vtt").read_text()


def test_captions_end_with_the_video_however_far_the_span_was_to_reach(recognize, clip, tmp_path):
    recognize(clip, start="1s", stop="1:00", output=tmp_path / "rest.vtt")
    assert "00:00:01.000 --> 00:00:03.000" in (tmp_path / "rest.vtt").read_text()


def test_who_may_not_sell_it_is_told(caplog, tmp_path, clip):
    folder = tmp_path / "videomae"
    tiny_checkpoint(*registry.find("videomae-base-k400"), folder)
    with caplog.at_level(logging.INFO, "moviola"):
        moviola.recognize(clip, model="videomae-base-k400", weights=folder)
    assert any("not for commercial use: CC-BY-NC" in message for message in caplog.messages)


@pytest.mark.parametrize(("fields", "told"), [
    ({"views": "5x2"}, "views"),
    ({"views": "many"}, "write CLIPSxCROPS"),
    ({"every": "2 parsecs"}, "write 2s"),
    ({"every": 0}, "greater than 0"),
    ({"every": 1, "views": "3x1"}, "looks once at each moment"),
    ({"start": "5s"}, "covers 0.000s to 3.000s"),
    ({"output": "labels.xls"}, "cannot write .xls files"),
    ({"output": "labels.mp4", "start": 9}, "covers"),
    ({"labels": ["flying"]}, "no label 'flying'"),
    ({"device": "cuda:7"}, "there is no device 'cuda:7'"),
    ({"dtype": "float16"}, "float16 is slower"),
    ({"options": {"colour": "red"}}, "there is no such option"),
    ({"weights": "nowhere"}, "nowhere"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_one_line(fields, told, recognize, clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MoviolaError) as caught:
        recognize(clip, **fields) if "weights" not in fields else moviola.recognize(
            clip, model="x3d-s", **fields
        )
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_outputs_are_refused_before_the_work(recognize, clip, tmp_path):
    (tmp_path / "there.csv").touch()
    with pytest.raises(OutputError, match="exists"):
        recognize(clip, output=tmp_path / "there.csv")
    with pytest.raises(RequestError, match="one video"):
        recognize(clip, clip, output=tmp_path / "both.mp4")
    with pytest.raises(RequestError, match="captions of one video"):
        recognize(clip, clip, output=tmp_path / "both.vtt")
    with pytest.raises(OutputError, match="is the input too"):
        recognize(clip, output=clip, overwrite=True)


def test_a_checkpoint_of_another_model_is_told_by_its_first_wrong_entry(clip, tmp_path):
    tiny_checkpoint(*registry.find("internvideo2-s-k400"), tmp_path)
    (tmp_path / "moviola.json").unlink()
    with pytest.raises(InputError, match="does not fit x3d-m: it lacks"):
        moviola.recognize(clip, weights=tmp_path)


def test_a_wrong_number_of_classes_is_told(tiny, clip, tmp_path):
    for path in tiny.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    card = json.loads((tmp_path / "moviola.json").read_text())
    card["recognition"]["labels"] = "kinetics-400"
    (tmp_path / "moviola.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match="has 7 classes, but kinetics-400 has 400 labels"):
        moviola.recognize(clip, model="x3d-s", weights=tmp_path)

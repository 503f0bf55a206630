"""Accuracy over labelled clips: counted right, written clip by clip, taken up after an interruption."""

import csv
from contextlib import closing
from pathlib import Path

import pytest

import moviola
from moviola import registry
from moviola.errors import InputError, OutputError, RequestError
from moviola.film import film
from moviola.model import Note, Progress
from moviola.run import run
from moviola.selftest import tiny_checkpoint
from moviola.stage import Motion, Scene, Shot
from moviola.tasks import Measure, request


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny_checkpoint(*registry.find("x3d-s"), folder)
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory, tiny) -> Path:
    """Twelve clips in folders: half by what the tiny model says of them, half by its fourth choice."""
    loose, sorted_by_class = tmp_path_factory.mktemp("loose"), tmp_path_factory.mktemp("clips")
    for number in range(12):
        scene = Scene((Shot(0.6, ground=number, camera=Motion(velocity=(9 * number, 0))),), size=(64, 48))
        path = film(scene, loose / f"{number}.mp4", sound=False)
        said = moviola.recognize(path, model="x3d-s", weights=tiny, views="10x3", top=7).labels
        folder = sorted_by_class / said[0 if number % 2 else 3].name.replace(" ", "_")
        folder.mkdir(exist_ok=True)
        path.rename(folder / path.name)
    return sorted_by_class


def measured(clips, tiny, output, **fields):
    return moviola.measure("accuracy", clips, model="x3d-s", weights=tiny, output=output, **fields)


def test_right_and_nearly_right_are_counted(clips, tiny, tmp_path):
    result = measured(clips, tiny, tmp_path / "out.csv")
    assert (result.clips, result.views) == (12, "10x3")
    assert result.top1 == pytest.approx(0.5)
    assert result.top5 == 1
    assert result.top1_interval[0] < 0.5 < result.top1_interval[1]
    assert sum(one.clips for one in result.classes) == 12
    assert sum(one.clips * one.top1 for one in result.classes) == pytest.approx(6)
    assert sum(pair.clips for pair in result.confusions) == 6
    assert 0 <= result.calibration_error <= 1


def test_an_interrupted_run_goes_on_and_comes_to_the_same(clips, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("moviola.roads.accuracy._AT_ONCE", 3)
    asked = {"metric": "accuracy", "video": clips, "model": "x3d-s", "weights": tiny, "views": "1x1"}
    task = request(Measure, asked | {"output": tmp_path / "half.csv"})
    with closing(run(task)) as events:
        next(event for event in events if isinstance(event, Progress) and event.done == 6)
    # A crash in the middle of a row.
    with (tmp_path / "half.csv").open("a") as file:
        file.write("some/clip.mp4,class 1,cla")
    *events, last = run(task)
    assert any(isinstance(event, Note) and "after 6 clips" in event.text for event in events)
    assert last.value.resumed == 6
    whole = measured(clips, tiny, tmp_path / "whole.csv", views="1x1")
    assert (last.value.top1, last.value.calibration_error) == (whole.top1, whole.calibration_error)
    assert (tmp_path / "half.csv").read_text() == (tmp_path / "whole.csv").read_text()


def test_rows_of_another_setting_are_not_mixed_in(clips, tiny, tmp_path):
    measured(clips, tiny, tmp_path / "out.csv", views="1x1")
    with pytest.raises(OutputError, match="was made otherwise"):
        measured(clips, tiny, tmp_path / "out.csv", views="2x1")
    assert measured(clips, tiny, tmp_path / "out.csv", views="2x1", overwrite=True).views == "2x1"


def test_clips_that_cannot_be_read_are_told_and_not_counted(clips, tiny, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    good = sorted(clips.rglob("*.mp4"))[0]
    table = tmp_path / "clips.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([(good, "class 0"), (tmp_path / "broken.mp4", 1)])
    result = measured(table, tiny, tmp_path / "out.csv")
    assert result.clips == 1
    assert list(result.unreadable) == [str(tmp_path / "broken.mp4")]


def test_what_cannot_be_meant_is_refused(clips, tiny, tmp_path):
    with pytest.raises(RequestError, match="accuracy is of a model"):
        moviola.measure("accuracy", clips)
    with pytest.raises(RequestError, match="psnr takes none; it is for accuracy"):
        moviola.measure("psnr", clips, clips, model="x3d-s")
    with pytest.raises(RequestError, match="does not recognize"):
        moviola.measure("accuracy", clips, model="flow")
    (tmp_path / "data" / "skydiving").mkdir(parents=True)
    (tmp_path / "data" / "bowling").mkdir(parents=True)
    for name in ("skydiving", "bowling"):
        (tmp_path / "data" / name / "a.mp4").touch()
    with pytest.raises(InputError, match="no class 'bowling'"):
        measured(tmp_path / "data", tiny, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()

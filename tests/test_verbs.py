"""The verbs as Python functions: their signatures come from the schemas, their results are values."""

import inspect

import numpy as np
import pytest

import moviola
from moviola.errors import RequestError
from moviola.tasks import TASKS


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.verb)
def test_a_verbs_signature_and_help_are_its_requests_fields(task):
    verb = getattr(moviola, task.verb)
    assert set(inspect.signature(verb).parameters) == set(task.model_fields)
    for name, field in task.model_fields.items():
        assert f"{name}: {field.description}" in verb.__doc__


def test_frames_in_memory_go_in_and_a_clip_comes_out(tmp_path):
    pictures = np.zeros((3, 48, 64, 3), np.uint8)
    pictures[:, 10:30, 10:30] = 200
    result = moviola.interpolate(pictures, rate=10, factor=2, output=tmp_path / "out.mp4")
    assert result.frames == 5
    assert result.clip.info.video.width == 64
    assert result.duration_seconds == pytest.approx(0.3, abs=0.001)


def test_two_arrays_can_be_measured():
    a = np.full((2, 16, 16, 3), 100, np.uint8)
    b = np.full((2, 16, 16, 3), 110, np.uint8)
    scores = moviola.measure("psnr", a, b)
    # 10·log10(255² / 10²)
    assert scores.value == pytest.approx(28.1308, abs=1e-4)


def test_a_misspelled_field_is_refused(tmp_path):
    with pytest.raises(RequestError, match="factr"):
        moviola.interpolate("clip.mp4", factr=2, output=tmp_path / "out.mp4")


def test_events_can_be_streamed_and_stopped(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 255, (8, 32, 32, 3), np.uint8)
    request = moviola.tasks.request(
        moviola.tasks.Interpolate, {"video": pictures, "factor": 2, "output": tmp_path / "out.mp4"}
    )
    events = moviola.stream(request)
    next(events)
    events.close()
    assert not (tmp_path / "out.mp4").exists()

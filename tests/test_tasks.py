"""Requests say what they mean exactly, and refuse in one line what they cannot mean."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.errors import RequestError
from moviola.tasks import TASKS, Interpolate, Measure, Remove, Sample, as_fraction, request
from moviola.vocabulary import VERBS


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("60", Fraction(60)),
        (60, Fraction(60)),
        (2.5, Fraction(5, 2)),
        ("5/2", Fraction(5, 2)),
        ("23.976", Fraction(24000, 1001)),
        ("29.97", Fraction(30000, 1001)),
        (59.94, Fraction(60000, 1001)),
        ("119.88", Fraction(120000, 1001)),
        ("30000/1001", Fraction(30000, 1001)),
    ],
)
def test_rates_are_exact(text, rate):
    assert as_fraction(text) == rate


@pytest.mark.parametrize("text", ["0", "-25", "nan", "inf", "fast", "1/0", "", "1e9"])
def test_rates_that_mean_nothing_are_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011
        as_fraction(text)


@given(st.fractions(min_value=Fraction(1, 1000), max_value=99_999))
def test_any_positive_fraction_survives_its_text(rate):
    assert as_fraction(str(rate)) == rate


@pytest.mark.parametrize(
    ("task", "fields", "message"),
    [
        (Interpolate, {"video": "a.mp4"}, "give at least one of factor, fps and slow_motion"),
        (Interpolate, {"video": "a.mp4", "factor": 2, "fps": 60}, "give factor or fps, not both"),
        (Interpolate, {"video": "a.mp4", "slow_motion": "1/2"}, "1/2 makes nothing slower"),
        (Interpolate, {"video": "a.mp4", "slow_motion": 1, "factor": 2}, "1 makes nothing slower"),
        (Interpolate, {"video": "a.mp4", "slow_motion": 4, "factor": "1/4"}, "it must be above 1/4"),
        (Interpolate, {"video": "a.mp4", "factor": 2, "range": "4..2s"}, "range: a span must end after"),
        (Interpolate, {"video": "a.mp4", "factor": 1}, "factor 1 adds no frames"),
        (Interpolate, {"video": "a.mp4", "factor": "1/2"}, "factor 1/2 adds no frames"),
        (Interpolate, {"video": "a.mp4", "fps": -5}, "fps: -5 is out of range"),
        (Interpolate, {"video": "a.mp4", "fps": 0}, "fps: 0 is out of range"),
        (Interpolate, {"video": "a.mp4", "speed": 2}, "there is no field speed; there are: model"),
        (Remove, {"video": "a.mp4"}, "say what to remove by exactly one of mask, box, point, text and logo"),
        (Remove, {"video": "a.mp4", "mask": ""}, "mask: the name is empty"),
        (Interpolate, {"video": "", "factor": 2}, "video: the name is empty"),
        (Interpolate, {"video": "a\0.mp4", "factor": 2}, "video: the name holds a zero byte"),
        (Interpolate, {"video": "a.mp4", "factor": 2, "output": ""}, "output: the name is empty"),
        (Sample, {"video": "a.mp4"}, "exactly one of n, fps and times"),
        (Sample, {"video": "a.mp4", "n": 0}, "n: Input should be greater than or equal to 1"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(task, fields, message):
    with pytest.raises(RequestError, match=message) as refusal:
        request(task, fields)
    assert "\n" not in str(refusal.value)


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=2, unique=True).map(sorted))
def test_a_span_is_written_down_exactly(bounds):
    asked = request(Interpolate, {"video": "a.mp4", "factor": 2, "range": tuple(bounds)})
    written = asked.model_dump(mode="json")["range"]
    assert request(Interpolate, {"video": "a.mp4", "factor": 2, "range": written}).range == tuple(bounds)


def test_the_vocabulary_is_that_of_the_tasks():
    assert {task.verb: task.__doc__ for task in TASKS} == VERBS


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.verb)
def test_every_task_has_a_json_schema_with_described_fields(task):
    schema = task.model_json_schema()
    assert task.__doc__
    for name, field in schema["properties"].items():
        assert field.get("description"), f"{task.verb}.{name} has no description"


def test_a_request_is_written_down_as_plain_json():
    asked = request(Interpolate, {"video": "a.mp4", "fps": "23.976"})
    assert asked.model_dump(mode="json", exclude_none=True) == {
        "video": "a.mp4",
        "model": "flow",
        "overwrite": False,
        "audio": True,
        "options": {},
        "fps": "24000/1001",
    }


def test_frames_in_memory_are_written_down_by_kind():
    asked = request(Measure, {"metric": "flicker", "video": [1, 2]})
    assert asked.model_dump(mode="json")["video"] == "list"

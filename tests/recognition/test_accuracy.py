"""Figures of accuracy and their uncertainty."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.errors import InputError
from moviola.recognition.accuracy import (
    Judged,
    calibration_error,
    confusions,
    per_class,
    true_names,
    wilson,
)


def judged(label: str, predicted: str, score: float = 0.9, rank: int = 1) -> Judged:
    return Judged("clip", label, predicted, score, rank)


def test_wilson_agrees_with_its_published_example():
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263, 0.2553 to 0.3662; 0 of 20, 0 to 0.1611.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson(29, 29) == pytest.approx((0.8830, 1), abs=5e-5)


@given(st.integers(1, 1000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_share_lies_in_its_interval_and_more_clips_narrow_it(pair):
    right, count = pair
    low, high = wilson(right, count)
    assert 0 <= low <= right / count + 1e-12
    assert right / count - 1e-12 <= high <= 1
    wider = wilson(10 * right, 10 * count)
    assert wider[1] - wider[0] < high - low


def test_a_model_as_often_right_as_it_is_sure_is_calibrated():
    sure = [judged("a", "a", 0.75)] * 3 + [judged("a", "b", 0.75, rank=2)]
    assert calibration_error(sure) == pytest.approx(0)
    assert calibration_error([judged("a", "b", 1.0, rank=2)] * 4) == pytest.approx(1)
    # Half the clips are off by 0.3, half by nothing.
    mixed = [judged("a", "b", 0.3, rank=2)] * 2 + [judged("a", "a", 1.0)] * 2
    assert calibration_error(mixed) == pytest.approx(0.15)


def test_classes_and_confusions_are_counted():
    said = [judged("a", "a"), judged("a", "b", rank=3), judged("b", "c", rank=6), judged("a", "b", rank=9)]
    first, second = per_class(said)
    assert (first.label, first.clips, first.top1, first.top5) == (
        "a",
        3,
        pytest.approx(1 / 3),
        pytest.approx(2 / 3),
    )
    assert (second.label, second.clips, second.top1, second.top5) == ("b", 1, 0, 0)
    assert [(pair.label, pair.taken_for, pair.clips) for pair in confusions(said)] == [
        ("a", "b", 2),
        ("b", "c", 1),
    ]


def test_labels_are_found_by_name_or_number():
    names = ("arm wrestling", "Juggling Balls")
    assert true_names(["arm_wrestling", "juggling balls", "1"], names) == {
        "arm_wrestling": "arm wrestling",
        "juggling balls": "Juggling Balls",
        "1": "Juggling Balls",
    }
    with pytest.raises(InputError, match="no class 'skydiving'; it has 2, such as arm wrestling"):
        true_names(["skydiving"], names)

"""Labels that do not flicker."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.recognition.steady import Hold, Smooth

shares = st.lists(st.floats(0.01, 1), min_size=3, max_size=3).map(
    lambda values: (np.array(values) / sum(values)).astype(np.float32)
)


def test_after_its_time_constant_a_look_weighs_one_over_e():
    smooth = Smooth(2.0)
    smooth.add(np.array([1, 0], np.float32), 0.0)
    assert smooth.add(np.array([0, 1], np.float32), 2.0) == pytest.approx([np.exp(-1), 1 - np.exp(-1)])


def test_no_smoothing_shows_each_look():
    smooth = Smooth(0)
    smooth.add(np.array([1, 0], np.float32), 0.0)
    assert smooth.add(np.array([0, 1], np.float32), 0.1) == pytest.approx([0, 1])


@given(st.lists(st.tuples(shares, st.floats(0, 5)), min_size=1, max_size=10), st.floats(0, 3))
def test_an_average_of_probabilities_sums_to_one(looks, seconds):
    smooth, at = Smooth(seconds), 0.0
    for probabilities, step in looks:
        at += step
        assert smooth.add(probabilities, at).sum() == pytest.approx(1, abs=1e-5)


def test_a_label_enters_above_one_threshold_and_leaves_below_another():
    hold = Hold(enter=0.5, leave=0.3)
    course = [0.4, 0.5, 0.35, 0.31, 0.29, 0.45, 0.6]
    shown = [hold.show({0: share, 1: 0.1}) for share in course]
    assert shown == [None, 0, 0, 0, None, None, 0]


def test_another_label_takes_over_only_when_it_may_enter():
    hold = Hold(enter=0.5, leave=0.3)
    assert hold.show({0: 0.6, 1: 0.4}) == 0
    assert hold.show({0: 0.45, 1: 0.49}) == 0
    assert hold.show({0: 0.4, 1: 0.6}) == 1

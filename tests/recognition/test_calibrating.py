"""Temperature scaling, against cases whose answer is known; and the usual figures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.recognition.calibrating import cross_entropy, probabilities, temperature
from moviola.recognition.judging import confusion, per_class, top


def drawn(count: int, classes: int, heat: float, seed: int = 0):
    """Logits that are exactly `heat` times too large for how often they are right, and the truth."""
    random = np.random.default_rng(seed)
    honest = random.normal(0, 1.5, (count, classes))
    shares = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    targets = (shares.cumsum(axis=1) < random.random((count, 1))).sum(axis=1)
    return (heat * honest).astype(np.float32), np.arange(count), targets


@pytest.mark.parametrize("heat", [0.4, 1.0, 3.0])
def test_the_temperature_by_which_logits_are_too_large_is_found(heat):
    assert temperature(*drawn(8000, 5, heat)) == pytest.approx(heat, rel=0.06)


@given(st.integers(0, 1000), st.floats(0.2, 5))
def test_nothing_is_more_likely_at_twice_or_half_the_temperature(seed, heat):
    logits, clips, targets = drawn(300, 4, heat, seed)
    found = temperature(logits, clips, targets)
    losses = [
        cross_entropy(probabilities(logits, clips, times * found), targets) for times in (0.5, 1.0, 2.0)
    ]
    assert min(losses) == losses[1]


def test_a_few_clips_that_are_all_right_make_nothing_certain():
    # Without the prior, the likelihood would grow without end as the temperature falls.
    logits = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]] * 8
    targets = np.array([0, 1, 2, 0])
    shares = probabilities(logits, np.arange(4), temperature(logits, np.arange(4), targets))
    assert shares.max(axis=1) == pytest.approx(5 / 6, abs=1e-3)


def test_what_is_right_stays_right_at_any_temperature():
    logits, clips, _ = drawn(200, 6, 1.0)
    for heat in (0.1, 1.0, 9.0):
        assert (probabilities(logits, clips, heat).argmax(axis=1) == logits.argmax(axis=1)).all()


def test_views_are_averaged_after_the_softmax():
    logits = np.array([[0, 0], [np.log(3), 0], [0, 100]], np.float32)
    shares = probabilities(logits, np.array([0, 0, 1]), 1.0)
    assert shares == pytest.approx(np.array([[0.625, 0.375], [0, 1]]), abs=1e-6)


def test_figures_of_a_case_that_can_be_counted_by_hand():
    shares = np.array([[0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.1, 0.2, 0.7], [0.2, 0.5, 0.3]])
    targets = np.array([0, 1, 2, 0])
    assert [top(shares, targets, k) for k in (1, 2, 3)] == [50, 75, 100]
    assert cross_entropy(shares, targets) == pytest.approx(-np.log([0.6, 0.4, 0.7, 0.2]).mean())
    counts = confusion(targets, shares.argmax(axis=1), 3)
    assert counts.tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 1]]
    zero, one, two = per_class(counts)
    assert (zero.clips, zero.precision, zero.recall, zero.f1) == (2, 0.5, 0.5, 0.5)
    assert (one.clips, one.precision, one.recall, one.f1) == (1, 0, 0, 0)
    assert (two.precision, two.recall, two.f1) == (1, 1, 1)


def test_a_class_nobody_names_has_no_precision():
    (first, second, third) = per_class(np.array([[3, 0, 0], [2, 0, 0], [0, 0, 0]]))
    assert first.precision == pytest.approx(0.6)
    assert (second.precision, second.recall, second.f1) == (None, 0, 0)
    assert (third.precision, third.recall, third.f1) == (None, None, None)

"""Which frames are chosen follows from the times alone."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.errors import RequestError
from moviola.media.sample import choose
from moviola.media.source import Timeline


def steady(count: int, rate: float, start: float = 0.0) -> Timeline:
    return Timeline(start + np.arange(count) / rate, np.full(count, 1 / rate))


def test_n_frames_lie_at_the_centres_of_n_equal_parts() -> None:
    choice = choose(steady(100, 25), n=4)
    np.testing.assert_allclose(choice.asked_seconds, [0.5, 1.5, 2.5, 3.5])
    assert choice.indices.tolist() == [12, 37, 62, 87]
    np.testing.assert_allclose(choice.pts_seconds, np.array([12, 37, 62, 87]) / 25)


def test_all_frames_are_chosen_once_when_n_is_their_number() -> None:
    assert choose(steady(7, 30), n=7).indices.tolist() == list(range(7))


def test_more_frames_than_there_are_repeats_some() -> None:
    assert choose(steady(2, 25), n=4).indices.tolist() == [0, 0, 1, 1]


def test_a_rate_begins_with_the_span_and_keeps_its_pace() -> None:
    assert choose(steady(100, 25), fps=5).indices.tolist() == list(range(0, 100, 5))
    assert choose(steady(60, 30000 / 1001), fps=Fraction(30000, 1001)).indices.tolist() == list(range(60))
    assert choose(steady(100, 25), fps=0.01).indices.tolist() == [0]


def test_times_are_taken_in_the_order_given() -> None:
    assert choose(steady(100, 25), times=[3.0, 0.0, 0.05]).indices.tolist() == [75, 0, 1]


def test_a_span_is_on_the_sources_own_clock() -> None:
    late = steady(100, 25, start=10.0)
    assert choose(late, n=2, span=(11.0, 12.0)).indices.tolist() == [31, 43]
    assert choose(late, n=1, span=(None, 10.04)).indices.tolist() == [0]
    assert choose(late, fps=1, span=(13.0, 99.0)).indices.tolist() == [75]


def test_frames_of_different_length_are_chosen_by_time_not_by_number() -> None:
    timeline = Timeline(np.array([0.0, 0.1, 0.2, 9.0]), np.array([0.1, 0.1, 8.8, 1.0]))
    assert choose(timeline, n=5).indices.tolist() == [2, 2, 2, 2, 3]


@given(
    gaps=st.lists(st.floats(1e-3, 5), min_size=1, max_size=40),
    n=st.integers(1, 60),
    start=st.floats(-5, 1e4),
)
def test_every_chosen_frame_is_on_screen_at_its_moment(gaps: list[float], n: int, start: float) -> None:
    pts = start + np.concatenate([[0.0], np.cumsum(gaps)[:-1]])
    timeline = Timeline(pts, np.array(gaps))
    choice = choose(timeline, n=n)
    ends = timeline.pts_seconds + timeline.duration_seconds
    assert len(choice) == n
    assert (np.diff(choice.indices) >= 0).all()
    assert (choice.pts_seconds <= choice.asked_seconds + 1e-8).all()
    assert (choice.asked_seconds <= ends[choice.indices] + 1e-8).all()


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({}, "exactly one"),
        ({"n": 3, "fps": 2}, "exactly one"),
        ({"n": 0}, "0 frames"),
        ({"n": -2}, "-2 frames"),
        ({"fps": 0}, "0 per second"),
        ({"fps": -1.5}, "-1.5 per second"),
        ({"fps": float("nan")}, "nan per second"),
        ({"times": [1.0, 4.0]}, "4s is outside"),
        ({"times": [float("nan")]}, "nans is outside"),
        ({"n": 2, "span": (3.0, 1.0)}, "empty"),
        ({"n": 2, "span": (7.0, 9.0)}, "holds no frame"),
    ],
)
def test_what_cannot_be_meant_is_refused(rule: dict[str, object], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        choose(steady(100, 25), **rule)  # type: ignore[arg-type]


def test_an_empty_video_has_nothing_to_choose() -> None:
    with pytest.raises(RequestError, match="no frames"):
        choose(Timeline(np.empty(0), np.empty(0)), n=1)

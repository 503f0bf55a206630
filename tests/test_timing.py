"""The grid of a re-timed clip is exact, tiles over windows, and never blends across a cut."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.frames import Frames
from moviola.timing import Moment, grid, moments
from moviola.windows import Shape, cut_into_windows


def clip(pts: list[float], tail: float) -> Frames:
    """One-pixel frames at these times; the last is shown for `tail` seconds."""
    data = np.zeros((len(pts), 1, 1, 3), np.uint8)
    return Frames(data, np.array(pts), np.diff([*pts, pts[-1] + tail]))


def even(count: int, rate: float = 25, start: float = 0.0) -> Frames:
    return clip([start + i / rate for i in range(count)], 1 / rate)


def retime(
    frames: Frames, *, factor=None, fps=None, cuts=(), at_cut="hold", size=1000
) -> list[tuple[float, Moment]]:
    """All moments of a clip with, for each, the position on the clip's index axis that is shown."""
    flags = np.isin(np.arange(len(frames)), list(cuts))
    rate = grid(factor=factor, fps=fps, start_seconds=float(frames.pts_seconds[0]))
    return [
        (window.first + moment.frame + moment.t, moment)
        for window in cut_into_windows([(frames, flags)], Shape(size, after=1))
        for moment in moments(window, rate, at_cut=at_cut)
    ]


def positions(shown) -> list[float]:
    return [round(position, 6) for position, _ in shown]


def times(shown) -> list[float]:
    return [moment.pts_seconds for _, moment in shown]


def test_twice_the_rate_puts_one_picture_in_the_middle():
    shown = retime(even(3), factor=Fraction(2))
    assert positions(shown) == [0, 0.5, 1, 1.5, 2]
    assert times(shown) == pytest.approx([0, 0.02, 0.04, 0.06, 0.08])


def test_the_last_picture_keeps_its_duration():
    shown = retime(even(3), factor=Fraction(2))
    assert shown[-1][1].duration_seconds == pytest.approx(0.04)


def test_a_fractional_factor_lies_on_the_index_axis():
    assert positions(retime(even(3), factor=Fraction(5, 2))) == [0, 0.4, 0.8, 1.2, 1.6, 2]


def test_a_factor_multiplies_a_variable_rate_where_it_is():
    shown = retime(clip([0, 0.1, 0.5], 0.1), factor=Fraction(2))
    assert times(shown) == pytest.approx([0, 0.05, 0.1, 0.3, 0.5])


def test_a_constant_rate_is_laid_over_a_variable_one():
    shown = retime(clip([1, 1.1, 1.5], 0.1), fps=Fraction(20))
    assert times(shown) == pytest.approx([1 + k / 20 for k in range(11)])
    assert positions(shown) == pytest.approx([0, 0.5, *np.arange(1, 2.1, 1 / 8)])


def test_ntsc_rates_do_not_drift_over_hours():
    pts = [k * 1001 / 24000 for k in range(3)]
    late = clip([3600 + t for t in pts], 1001 / 24000)
    flags = np.zeros(3, bool)
    rate = grid(factor=None, fps=Fraction(60000, 1001), start_seconds=0.0)
    (window,) = cut_into_windows([(late, flags)], Shape(8, after=1))
    shown = moments(window, rate, at_cut="hold")
    ticks = [moment.pts_seconds * 60000 / 1001 for moment in shown]
    assert np.allclose(ticks, np.round(ticks), atol=1e-6)


def test_a_source_picture_is_shown_where_rounded_times_just_miss_the_grid():
    millisecond = [round(k / 30, 3) for k in range(6)]
    shown = retime(clip(millisecond, 1 / 30), fps=Fraction(60))
    assert positions(shown)[::2] == [0, 1, 2, 3, 4, 5]


def test_a_cut_is_held_without_a_duplicate():
    shown = retime(even(4), factor=Fraction(4), cuts={2})
    assert positions(shown) == [0, 0.25, 0.5, 0.75, 1, 2, 2.25, 2.5, 2.75, 3]
    assert shown[4][1].duration_seconds == pytest.approx(0.04)


def test_a_cut_is_filled_with_repeats_where_the_rate_must_be_constant():
    shown = retime(even(4), factor=Fraction(4), cuts={2}, at_cut="repeat")
    assert positions(shown) == [0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 2, 2.25, 2.5, 2.75, 3]
    assert np.allclose(np.diff(times(shown)), 0.01)


def test_off_the_grid_the_last_picture_of_a_scene_is_still_shown():
    shown = retime(even(4), factor=Fraction(5, 2), cuts={2})
    assert positions(shown) == [0, 0.4, 0.8, 1, 2, 2.4, 2.8, 3]


def test_one_frame_stays_one_frame():
    ((position, moment),) = retime(even(1), factor=Fraction(3))
    assert (position, moment.duration_seconds) == (0, pytest.approx(0.04))


clips = st.tuples(
    st.lists(st.integers(1, 8), min_size=1, max_size=30),
    st.sets(st.integers(1, 29)),
    st.integers(1, 9),
    st.sampled_from([0.0, 0.5, 1234.567]),
)
rates = st.one_of(
    st.tuples(st.just("factor"), st.fractions(Fraction(11, 10), 9, max_denominator=12)),
    st.tuples(st.just("fps"), st.sampled_from([Fraction(60), Fraction(60000, 1001), Fraction(144)])),
)


def variable(clip_) -> tuple[Frames, set[int], int]:
    ticks, cuts, size, start = clip_
    pts = start + np.cumsum([0, *ticks])[:-1] / 50
    return clip(pts.tolist(), ticks[-1] / 50), {cut for cut in cuts if cut < len(ticks)}, size


@given(clips, rates, st.sampled_from(["hold", "repeat"]))
def test_windows_of_any_size_give_the_same_result(clip_, rate, at_cut):
    frames, cuts, size = variable(clip_)
    asked = {rate[0]: rate[1], "cuts": cuts, "at_cut": at_cut}
    whole, parts = retime(frames, **asked), retime(frames, **asked, size=size)
    assert positions(parts) == positions(whole)
    assert times(parts) == pytest.approx(times(whole), abs=1e-9)


@given(clips, rates, st.sampled_from(["hold", "repeat"]))
def test_time_only_goes_forward_and_its_total_is_kept(clip_, rate, at_cut):
    frames, cuts, size = variable(clip_)
    shown = retime(frames, **{rate[0]: rate[1]}, cuts=cuts, at_cut=at_cut, size=size)
    pts = times(shown)
    assert pts[0] == pytest.approx(frames.pts_seconds[0])
    assert all(a < b for a, b in pairwise(pts))
    assert all(moment.duration_seconds > 0 for _, moment in shown)
    last = shown[-1][1]
    assert last.pts_seconds + last.duration_seconds == pytest.approx(frames.end_seconds)


@given(clips, rates)
def test_nothing_is_blended_across_a_cut(clip_, rate):
    frames, cuts, size = variable(clip_)
    shown = retime(frames, **{rate[0]: rate[1]}, cuts=cuts, size=size)
    for cut in cuts:
        assert not any(cut - 1 < position < cut for position, _ in shown)


@given(clips, rates)
def test_a_repeated_grid_has_no_gap(clip_, rate):
    frames, cuts, size = variable(clip_)
    shown = retime(frames, **{rate[0]: rate[1]}, cuts=cuts, at_cut="repeat", size=size)
    if rate[0] == "fps":
        assert np.allclose(np.diff(times(shown)), float(1 / rate[1]))

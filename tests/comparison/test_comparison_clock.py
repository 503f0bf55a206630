"""The clock of a comparison: nothing of the result is left out, and both sides are at the same moment."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.comparison.clock import Clock, clock_of, due
from moviola.errors import InputError
from moviola.frames import Frames
from moviola.media.source import Timeline

GAPS = st.lists(st.integers(1, 10).map(lambda tenths: tenths / 10), min_size=1, max_size=12)
STARTS = st.integers(-20, 20).map(lambda tenths: tenths / 10)


def line(gaps: list[float], start: float = 0.0) -> Timeline:
    pts = start + np.cumsum([0, *gaps[:-1]])
    return Timeline(np.asarray(pts, float), np.asarray(gaps, float))


def even(count: int, fps: float, start: float = 0.0) -> Timeline:
    return Timeline(start + np.arange(count) / fps, np.full(count, 1 / fps))


def finer(timeline: Timeline, factor: int) -> Timeline:
    """As interpolation makes it: so many pictures for each, but for the last, which stays."""
    last = len(timeline) - 1
    parts = [(p, d, factor if i < last else 1) for i, (p, d) in enumerate(zip(*times(timeline), strict=True))]
    pts = [p + d * k / n for p, d, n in parts for k in range(n)]
    return Timeline(np.array(pts), np.diff(pts, append=timeline.end_seconds))


def times(timeline: Timeline) -> tuple[list[float], list[float]]:
    return timeline.pts_seconds.tolist(), timeline.duration_seconds.tolist()


def rounded(timeline: Timeline) -> Timeline:
    return Timeline(np.round(timeline.pts_seconds, 3), timeline.duration_seconds)


def shown(timeline: Timeline, seconds: np.ndarray) -> list[int]:
    """Which picture of a side is on screen at each time."""
    return np.maximum(np.searchsorted(timeline.pts_seconds, seconds, side="right") - 1, 0).tolist()


def sides(clock: Clock, before: Timeline, after: Timeline) -> tuple[list[int], list[int]]:
    return shown(before, clock.before_seconds), shown(after, clock.after_seconds)


@given(GAPS, STARTS)
def test_a_video_of_the_same_times_is_seen_in_step(gaps, start):
    video = line(gaps, start)
    clock = clock_of(video, video)
    assert np.array_equal(clock.pts_seconds, video.pts_seconds)
    assert np.allclose(clock.duration_seconds, video.duration_seconds)
    assert sides(clock, video, video) == (list(range(len(video))),) * 2


@given(st.integers(2, 40), st.sampled_from([23.976, 24, 25, 29.97, 60]), st.integers(2, 4), STARTS)
def test_of_an_interpolated_video_every_picture_is_seen_and_the_input_holds_its_own(
    count, fps, factor, start
):
    before = even(count, fps, start)
    after = finer(before, factor)
    for made in (after, rounded(after)):
        clock = clock_of(before, made)
        assert sides(clock, before, made) == ([n // factor for n in range(len(made))], [*range(len(made))])


@given(GAPS, STARTS)
def test_both_begin_together_whatever_their_clocks_say(gaps, start):
    before, after = line(gaps, 1.5), line(gaps, start)
    clock = clock_of(before, after)
    assert sides(clock, before, after) == (list(range(len(before))),) * 2
    assert clock.pts_seconds[0] == start


@given(GAPS, GAPS, STARTS, STARTS)
def test_the_clock_covers_both_and_never_goes_back(one, two, first, second):
    before, after = line(one, first), line(two, second)
    clock = clock_of(before, after)
    assert (clock.duration_seconds > 0).all()
    assert (np.diff(clock.before_seconds) >= 0).all()
    assert (np.diff(clock.after_seconds) >= 0).all()
    assert set(after.pts_seconds) <= set(clock.pts_seconds)
    longer = max(before.end_seconds - before.pts_seconds[0], after.end_seconds - after.pts_seconds[0])
    assert clock.duration_seconds.sum() == pytest.approx(longer)


def test_where_frames_were_left_out_the_result_gives_the_rate():
    before, after = even(60, 60), even(25, 25)
    clock = clock_of(before, after)
    assert np.array_equal(clock.pts_seconds, after.pts_seconds)


def test_after_its_end_a_result_stays_while_the_input_goes_on():
    before, after = even(10, 10), even(4, 10)
    clock = clock_of(before, after)
    assert sides(clock, before, after) == ([*range(10)], [0, 1, 2, 3, 3, 3, 3, 3, 3, 3])


def test_nothing_is_not_compared():
    none, some = even(0, 25), even(3, 25)
    for pair in ((none, some), (some, none)):
        with pytest.raises(InputError):
            clock_of(*pair)


def chunks(*times: float) -> list[Frames]:
    """Pictures whose brightness is their number, two in a chunk."""
    data = np.arange(len(times), dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    return list(Frames(data, np.array(times), np.ones(len(times))).rechunked(2))


def test_each_time_shows_the_last_picture_that_is_not_later():
    pictures = due(chunks(1, 2, 3, 5), [0, 1, 1.9, 2, 4.9, 5, 9])
    assert [int(picture[0, 0, 0]) for picture in pictures] == [0, 0, 0, 1, 2, 3, 3]


def test_pictures_that_come_too_fast_are_passed_over():
    assert [int(picture[0, 0, 0]) for picture in due(chunks(0, 1, 2, 3, 4), [0, 4])] == [0, 4]


def test_without_pictures_nothing_is_due():
    with pytest.raises(InputError):
        next(due([], [0.0]))

"""Which frames are looked at: whole videos as published, moments by their time."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from moviola.card import Recognition
from moviola.media.array import even_timeline
from moviola.media.source import Timeline
from moviola.media.span import span_of
from moviola.recognition import looks


def facts(**changes) -> Recognition:
    given = {
        "labels": None,
        "classes": 5,
        "protocol": "pyslowfast",
        "frames": 4,
        "stride": 2,
        "short_side": 32,
        "crop": (32, 32),
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
    }
    return Recognition(**given | changes)


DENSE, SPREAD = facts(), facts(stride=None)
TENTH = even_timeline(100, 10)  # ten seconds, ten frames in each


def span(timeline=TENTH, start=None, stop=None):
    return span_of(timeline, start, stop, "clip")


def test_moments_tile_the_span_and_the_last_is_shorter():
    assert looks.moments(span(), 4) == [(0, 4), (4, 8), (8, 10)]
    assert looks.moments(span(), 5) == [(0, 5), (5, 10)]
    assert looks.moments(span(), 60) == [(0, 10)]
    assert looks.moments(span(start=1.0, stop=2.0), 0.5) == [(1, 1.5), (1.5, 2)]


def test_a_moment_is_looked_at_around_its_middle_at_the_models_own_pace():
    assert looks.of_moment(DENSE, TENTH, span(), (4.0, 6.0)).tolist() == [47, 49, 51, 53]
    # Twice the rate that the model counts at: every fourth frame.
    assert looks.of_moment(facts(fps=5), TENTH, span(), (4.0, 6.0)).tolist() == [44, 48, 52, 56]


def test_at_both_ends_the_view_is_moved_inside():
    assert looks.of_moment(DENSE, TENTH, span(), (0.0, 0.2)).tolist() == [0, 2, 4, 6]
    assert looks.of_moment(DENSE, TENTH, span(), (9.8, 10.0)).tolist() == [93, 95, 97, 99]


def test_a_model_that_looks_at_wholes_spreads_over_the_moment():
    assert looks.of_moment(SPREAD, TENTH, span(), (4.0, 8.0)).tolist() == [45, 55, 65, 75]


def test_times_count_where_the_rate_varies():
    ends = np.array([0, 1, 2, 3, 3.1, 3.2, 3.3, 3.4, 3.5, 3.6])
    uneven = Timeline(ends[:-1], np.diff(ends))
    found = looks.of_moment(facts(fps=1, stride=1, frames=3), uneven, span(uneven), (0.0, 3.0))
    assert found.tolist() == [0, 1, 2]


def test_what_is_too_short_repeats_its_last_frame_and_says_so():
    short = even_timeline(3, 10)
    assert looks.of_moment(DENSE, short, span(short), (0.0, 0.3)).tolist() == [0, 2, 2, 2]
    assert "3 frames are fewer than the 7" in looks.shortage(DENSE, short, span(short))
    assert "1 frame is fewer" in looks.shortage(DENSE, even_timeline(1, 10), span(even_timeline(1, 10)))
    assert looks.shortage(DENSE, even_timeline(7, 10), span(even_timeline(7, 10))) is None


def test_whole_videos_are_looked_at_within_the_span():
    found = looks.whole(DENSE, TENTH, span(start=2.0, stop=5.0), clips=3)
    assert [look.moment for look in found] == [0, 0, 0]
    assert all(((look.frames >= 20) & (look.frames < 50)).all() for look in found)


def test_a_model_that_is_shown_all_clips_at_once_has_one_view_of_them():
    apart = looks.whole(DENSE, TENTH, span(), clips=3)
    (joined,) = looks.whole(facts(joined=True), TENTH, span(), clips=3)
    assert joined.frames.tolist() == [frame for look in apart for frame in look.frames.tolist()]


@given(
    count=st.integers(1, 300),
    rate=st.sampled_from([5, 24, 25, 30, 60]),
    every=st.floats(0.05, 20),
    frames=st.integers(1, 32),
    stride=st.one_of(st.none(), st.integers(1, 8)),
)
def test_every_moment_has_as_many_frames_as_the_model_takes_in_order_of_time(
    count, rate, every, frames, stride
):
    timeline = even_timeline(count, rate)
    whole = span(timeline)
    for moment in looks.moments(whole, every):
        found = looks.of_moment(facts(frames=frames, stride=stride), timeline, whole, moment)
        assert len(found) == frames
        assert (np.diff(found) >= 0).all()
        assert found[0] >= 0
        assert found[-1] < count

"""A stretch of a video: the frames on screen in it, and what it may not be."""

import numpy as np
import pytest

from moviola.errors import RequestError
from moviola.media.array import even_timeline
from moviola.media.source import Timeline
from moviola.media.span import Span, span_of

TENTH = even_timeline(100, 10)  # ten seconds, ten frames in each


def span(timeline=TENTH, start=None, stop=None):
    return span_of(timeline, start, stop, "clip")


def test_a_span_holds_the_frames_on_screen_in_it():
    assert span() == Span(0.0, 10.0, 0, 100)
    assert (span(start=2.0, stop=3.0).first, span(start=2.0, stop=3.0).end) == (20, 30)
    # 2.05 s lies in the middle of frame 20, 3.05 s in the middle of frame 30: both are on screen.
    assert (span(start=2.05, stop=3.05).first, span(start=2.05, stop=3.05).end) == (20, 31)
    assert span(start=-5, stop=99) == span()


@pytest.mark.parametrize(("start", "stop"), [(10.0, None), (5.0, 5.0), (6.0, 5.0), (None, 0.0)])
def test_a_span_without_a_frame_is_refused_with_what_there_is(start, stop):
    with pytest.raises(RequestError, match=r"covers 0\.000s to 10\.000s"):
        span(start=start, stop=stop)


def test_a_frame_that_lasts_is_in_every_stretch_of_its_time():
    slides = Timeline(np.array([5.0, 8.0, 30.0]), np.array([3.0, 22.0, 1.0]))
    assert span(slides, 10, 20) == Span(10, 20, 1, 2)
    assert span(slides, 7, 9) == Span(7, 9, 0, 2)
    assert span(slides, None, 8) == Span(5, 8, 0, 1)


def test_neighbouring_stretches_share_no_frame_where_they_meet_between_two():
    for number in range(1, 100):
        middle = float(TENTH.pts_seconds[number])
        assert span(stop=middle).end == span(start=middle).first == number

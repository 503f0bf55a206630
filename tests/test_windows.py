"""Windows tile a clip, stay inside scenes, and come out the same when work is taken up in the middle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.frames import Frames
from moviola.model import Place, Window
from moviola.windows import Shape, cross_faded, cut_into_windows


def numbered(count: int, first: int = 0) -> Frames:
    """Frames whose pixel value is their index."""
    data = np.arange(first, first + count, dtype=np.uint16)[:, None, None, None] * np.ones(
        (1, 1, 1, 3), np.uint16
    )
    times = np.arange(first, first + count) / 25
    return Frames(data, times, np.full(count, 1 / 25))


def marked(count: int, cuts: set[int], chunk: int, first: int = 0):
    frames = numbered(count - first, first)
    flags = np.array([index in cuts for index in range(first, count)])
    for start in range(0, count - first, chunk):
        yield frames[start : start + chunk], flags[start : start + chunk]


def summary(window: Window) -> tuple:
    return (
        window.number,
        window.first,
        window.core.start,
        window.core.stop,
        window.opens_scene,
        window.closes_scene,
        window.ends_clip,
        window.frames.data[:, 0, 0, 0].tolist(),
    )


clips = st.integers(1, 60).flatmap(
    lambda count: st.tuples(
        st.just(count),
        st.sets(st.integers(1, max(1, count - 1))).map(lambda cuts: {c for c in cuts if c < count}),
    )
)
shapes = st.tuples(st.integers(1, 12), st.integers(0, 5), st.integers(0, 5)).map(
    lambda s: Shape(max(s[0], s[1] + s[2]), s[1], s[2])
)


@given(clips, shapes, st.integers(1, 9))
def test_cores_tile_the_clip_and_stay_inside_scenes(clip, shape, chunk):
    count, cuts = clip
    windows = list(cut_into_windows(marked(count, cuts, chunk), shape))
    scene = np.cumsum([index in cuts for index in range(count)])
    covered = []
    for window in windows:
        indices = range(window.first, window.first + len(window.frames))
        assert window.frames.data[:, 0, 0, 0].tolist() == list(indices)
        assert len({scene[index] for index in indices}) == 1
        core = list(indices)[window.core]
        assert 1 <= len(core) <= shape.size
        assert window.core.start <= shape.before
        assert len(indices) - window.core.stop <= shape.after
        assert window.opens_scene == (core[0] == 0 or core[0] in cuts)
        assert window.closes_scene == (core[-1] == count - 1 or core[-1] + 1 in cuts)
        assert window.ends_clip == (core[-1] == count - 1)
        covered += core
    assert covered == list(range(count))
    assert [window.number for window in windows] == list(range(len(windows)))


@given(clips, shapes, st.integers(1, 9), st.data())
def test_context_is_as_long_as_the_scene_allows(clip, shape, chunk, data):
    count, cuts = clip
    windows = list(cut_into_windows(marked(count, cuts, chunk), shape))
    window = data.draw(st.sampled_from(windows))
    start, stop = window.first + window.core.start, window.first + window.core.stop
    scene_start = max([c for c in cuts if c <= start], default=0)
    scene_stop = min([c for c in cuts if c > start], default=count)
    assert window.first == max(scene_start, start - shape.before)
    assert window.first + len(window.frames) == min(scene_stop, stop + shape.after)


@given(clips, shapes, st.integers(1, 9), st.integers(1, 9), st.data())
def test_taking_up_the_work_gives_the_same_windows(clip, shape, chunk, other_chunk, data):
    count, cuts = clip
    windows = list(cut_into_windows(marked(count, cuts, chunk), shape))
    number = data.draw(st.integers(0, len(windows) - 1))
    start = windows[number].first + windows[number].core.start
    warm = data.draw(st.integers(0, 3))
    first = max(0, start - shape.before - warm)
    again = cut_into_windows(
        marked(count, cuts, other_chunk, first), shape, first=first, place=Place(number, start)
    )
    assert [summary(w) for w in again] == [summary(w) for w in windows[number:]]


@given(clips, shapes, st.integers(1, 9))
def test_cross_fading_the_identity_gives_the_clip_back(clip, shape, chunk):
    count, cuts = clip
    tail, out = None, []
    for window in cut_into_windows(marked(count, cuts, chunk), shape):
        final, tail = cross_faded(window.frames, window, shape.before, tail)
        out += final.data[:, 0, 0, 0].tolist()
    assert tail is None
    assert out == list(range(count))


def test_cross_fading_runs_linearly_over_the_overlap():
    shape = Shape(4, before=1, after=2)
    tail, out = None, []
    for window in cut_into_windows(marked(8, set(), 8), shape):
        level = np.full_like(window.frames.data, 100 * window.number)
        answer = Frames(level, window.frames.pts_seconds, window.frames.duration_seconds)
        final, tail = cross_faded(answer, window, shape.before, tail)
        out += final.data[:, 0, 0, 0].tolist()
    assert out == [0, 0, 0, 25, 50, 75, 100, 100]


def test_a_core_shorter_than_its_context_is_refused():
    with pytest.raises(ValueError, match="shorter than its context"):
        Shape(4, before=3, after=2)

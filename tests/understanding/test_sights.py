"""The frames a model sees: which, and when they are shown."""

import itertools
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reels import facts, filmed, shown_for

from moviola.clip import Clip
from moviola.errors import InputError, RequestError
from moviola.film import film
from moviola.stage import Scene, Shot
from moviola.understanding.sampling import shares, sight


def free(frames, width, height):
    return 0


def seen(clip, *, card=None, tokens=free, **asked):
    chosen, _ = sight(clip, card or facts(), tokens, **asked)
    assert chosen.seconds.tolist() == clip.timeline().pts_seconds[chosen.indices].tolist()
    return chosen.indices.tolist()


@pytest.fixture(scope="module")
def ten_seconds() -> Clip:
    return filmed(1, 3, 6)


def test_frames_are_taken_from_the_middle_of_equal_parts(ten_seconds):
    assert seen(ten_seconds, frames=4) == [12, 37, 62, 87]
    assert seen(ten_seconds, fps=0.5) == [10, 30, 50, 70, 90]
    assert seen(ten_seconds, frames=1) == [50]
    assert seen(ten_seconds, card=facts(fps=1, min_frames=4, group=4)) == [6, 18, 31, 43, 56, 68, 81, 93]


def test_a_sight_knows_its_stretch(ten_seconds):
    whole, _ = sight(ten_seconds, facts(), free)
    assert (whole.start, whole.stop, len(whole)) == (0, 10, 8)
    part, _ = sight(ten_seconds, facts(), free, at=(2, 3.5))
    assert (part.start, part.stop) == (2, 3.5)


def test_only_the_stretch_asked_for(ten_seconds):
    assert seen(ten_seconds, frames=5, at=(2, 3)) == [21, 23, 25, 27, 29]
    assert seen(ten_seconds, frames=2, at=(None, 1)) == [2, 7]
    assert seen(ten_seconds, frames=2, at=(9, None)) == [92, 97]
    assert seen(ten_seconds, frames=2, at=(9, 99)) == [92, 97]


def test_frames_at_its_edges_are_those_on_screen(ten_seconds):
    # 2.05 s and 3.05 s lie in the middle of frames 20 and 30.
    assert seen(ten_seconds, frames=11, at=(2.05, 3.05)) == list(range(20, 31))
    assert seen(ten_seconds, at=(2.02, 2.04)) == [20]
    assert seen(ten_seconds, at=(9.95, 10)) == [99]


@pytest.mark.parametrize("at", [(10, None), (10, 20), (None, 0), (-5, -1), (4, 4)])
def test_a_stretch_outside_is_refused_with_what_the_video_covers(ten_seconds, at):
    with pytest.raises(RequestError, match=r"array, which covers 0\.000s to 10\.000s"):
        sight(ten_seconds, facts(), free, at=at)


def test_a_short_video_has_each_frame_once_unless_the_number_is_fixed():
    clip = shown_for(1, 1, 1)
    assert seen(clip) == [0, 1, 2]
    assert seen(clip, card=facts(group=2)) == [0, 2]
    assert seen(clip, card=facts(fixed=True)) == [0, 0, 0, 1, 1, 2, 2, 2]
    assert seen(clip, card=facts(fixed=True), sampling="scenes") == [0, 0, 0, 1, 1, 2, 2, 2]


def test_time_counts_and_not_the_number_where_the_rate_varies():
    clip = shown_for(4, 4, 1, 1, 1, 1, start=100)
    assert seen(clip, frames=3) == [0, 1, 4]
    assert seen(clip, frames=1, at=(108, None)) == [4]
    # On screen in the middle of thirds is the first picture alone: those after it are taken for the others.
    assert seen(shown_for(9, 0.1, 0.1, 0.1), frames=3) == [0, 1, 2]
    assert seen(shown_for(0.1, 0.1, 0.1, 9), frames=3) == [1, 2, 3]


@given(
    durations=st.lists(st.floats(0.01, 5), min_size=1, max_size=30),
    frames=st.integers(1, 40),
    fixed=st.booleans(),
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_any_sight_ascends_within_its_stretch(durations, frames, fixed, ends):
    clip = shown_for(*durations)
    total = sum(durations)
    start, stop = (end * total for end in sorted(ends))
    if stop - start < 1e-3:
        start, stop = 0, total
    chosen, _ = sight(clip, facts(frames=frames, fixed=fixed), free, at=(start, stop))
    timeline = clip.timeline()
    shown = np.flatnonzero(
        (timeline.pts_seconds < stop - 1e-6)
        & (timeline.pts_seconds + timeline.duration_seconds > start + 1e-6)
    )
    assert len(chosen) == (frames if fixed else min(frames, len(shown)))
    assert set(chosen.indices.tolist()) <= set(shown.tolist())
    steps = np.diff(chosen.indices)
    assert (steps >= (0 if frames > len(shown) else 1)).all()


def test_scenes_share_the_frames_by_their_length(ten_seconds):
    assert seen(ten_seconds, frames=5, sampling="scenes") == [5, 25, 50, 70, 90]
    assert seen(ten_seconds, frames=10, sampling="scenes") == [5, 15, 25, 35, 45, 55, 65, 75, 85, 95]


def test_the_longest_scenes_win_where_there_are_more_than_frames(ten_seconds):
    assert seen(ten_seconds, frames=2, sampling="scenes") == [25, 70]
    assert seen(ten_seconds, frames=1, sampling="scenes") == [70]


def test_scenes_are_cut_to_the_stretch(ten_seconds):
    assert seen(ten_seconds, frames=2, sampling="scenes", at=(0.5, 1.5)) == [7, 12]
    assert seen(ten_seconds, frames=2, sampling="scenes", at=(5, 6)) == [52, 57]


def test_scenes_of_a_file(tmp_path):
    scene = Scene((Shot(1, ground=1), Shot(3, ground=2)), (96, 64))
    clip = Clip(film(scene, tmp_path / "two.mp4", sound=False))
    assert seen(clip, frames=4, sampling="scenes") == [12, 37, 62, 87]
    assert seen(clip, frames=3, sampling="scenes") == [12, 43, 81]


scene_lists = st.lists(
    st.tuples(st.floats(0.1, 100), st.integers(1, 5)),
    min_size=1,
    max_size=5,
    unique_by=lambda scene: scene[0],
)


@given(scenes=scene_lists, count=st.integers(1, 12))
def test_shares_keep_the_longest_part_as_short_as_can_be(scenes, count):
    seconds, there = map(list, zip(*scenes, strict=True))
    given = shares(seconds, there, count)
    assert sum(given) == count
    if count > sum(there):
        return
    assert all(share <= most for share, most in zip(given, there, strict=True))
    if count <= len(scenes):
        longest = sorted(seconds, reverse=True)[:count]
        assert sorted((s for s, share in zip(seconds, given, strict=True) if share), reverse=True) == longest
        return

    def longest_part(shares):
        return max(length / share for length, share in zip(seconds, shares, strict=True))

    others = (
        shares
        for shares in itertools.product(*(range(1, most + 1) for most in there))
        if sum(shares) == count
    )
    assert longest_part(given) == min(map(longest_part, others))


def test_a_frame_costs_what_its_size_costs(ten_seconds):
    asked_for = []

    def tokens(frames, width, height):
        asked_for.append((frames, width, height))
        return frames * 100

    chosen, notes = sight(ten_seconds, facts(), tokens, budget=650, room=100)
    assert len(chosen) == 6
    assert notes == ["only 6 of 8 frames fit the budget of 650 tokens: 2 are left out"]
    assert asked_for[0] == (8, 96, 64)


def test_what_cannot_be_looked_at_is_one_line(tmp_path):
    with pytest.raises(InputError, match="camera 7 is live; record it to a file first"):
        sight(Clip(7), facts(), free)
    with pytest.raises(InputError, match="array has no frames"):
        sight(shown_for(), facts(), free)
    sound = tmp_path / "sound.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))
    with pytest.raises(InputError, match="no video") as caught:
        sight(Clip(sound), facts(), free)
    assert "\n" not in str(caught.value)

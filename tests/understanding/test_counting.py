"""How many frames a model is shown: as asked, as its card says, as there are, as fit."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reels import facts

from moviola.errors import RequestError
from moviola.understanding.counting import count_frames


def each(tokens: int):
    return lambda frames: tokens * frames


TEN = each(10)


def counted(card=None, *, seconds=60.0, there=1500, tokens=TEN, **asked):
    return count_frames(card or facts(), seconds, there, tokens, **asked)


PACED = facts(fps=2, min_frames=4, max_frames=96, group=2)
FIXED = facts(frames=8, max_frames=8, fixed=True)


def test_where_nothing_is_asked_it_is_as_the_card_says():
    assert counted() == (8, [])
    assert counted(FIXED) == (8, [])


@pytest.mark.parametrize(
    ("seconds", "frames"), [(10.0, 20), (10.4, 20), (10.6, 22), (0.2, 4), (40.0, 80), (3600.0, 96)]
)
def test_a_pace_counts_within_its_bounds_in_whole_groups(seconds, frames):
    assert counted(PACED, seconds=seconds) == (frames, [])


def test_so_many_frames_as_asked():
    assert counted(frames=3) == (3, [])
    assert counted(PACED, frames=2) == (2, [])
    assert counted(frames=64) == (64, [])
    assert counted(FIXED, frames=8) == (8, [])


def test_more_than_the_model_takes_is_refused_with_what_it_takes():
    with pytest.raises(RequestError, match="takes 64 frames at most, not 65"):
        counted(frames=65)


@pytest.mark.parametrize(
    ("asked", "said"), [({"frames": 16}, "not 16"), ({"fps": Fraction(1, 2)}, r"not 0\.5 per second")]
)
def test_a_model_of_a_fixed_number_takes_no_other(asked, said):
    with pytest.raises(RequestError, match=f"takes 8 frames of every video, {said}"):
        counted(FIXED, **asked)


def test_a_number_that_is_no_whole_group_is_rounded_up_and_told():
    frames, notes = counted(PACED, frames=5)
    assert frames == 6
    assert notes == ["the model takes frames 2 at a time: 6 are looked at, not 5"]


def test_a_pace_that_is_asked_for_is_cut_at_the_most_and_told():
    assert counted(fps=0.5) == (30, [])
    frames, notes = counted(fps=4)
    assert frames == 64
    assert notes == ["4 frames per second are 240, and the model takes 64 at most"]
    assert counted(PACED, fps=Fraction(1, 30)) == (2, [])  # below its usual least, as it was asked for


def test_of_a_short_video_each_frame_is_shown_once():
    frames, (note,) = counted(there=5)
    assert frames == 5
    assert note == "the stretch has 5 frames, fewer than 8: 5 are looked at"
    assert counted(PACED, there=5)[0] == 4


def test_frames_are_repeated_only_where_the_model_needs_more():
    frames, (note,) = counted(FIXED, there=5)
    assert frames == 8
    assert "fewer than 8: some are looked at more than once" in note
    assert counted(PACED, there=1)[0] == 2


def test_the_most_frames_that_fit_a_budget_and_how_many_are_left_out():
    assert counted(budget=80) == (8, [])
    frames, (note,) = counted(budget=79)
    assert frames == 7
    assert note == "only 7 of 8 frames fit the budget of 79 tokens: 1 are left out"
    assert counted(PACED, budget=79)[0] == 6


def test_a_budget_too_small_for_anything_says_what_one_frame_takes():
    with pytest.raises(
        RequestError, match="budget of 9 tokens is too small: 1 frame of this video would be 10"
    ):
        counted(budget=9)
    with pytest.raises(RequestError, match="2 frames of this video would be 20"):
        counted(PACED, budget=19)
    with pytest.raises(RequestError, match="8 frames of this video would be 80"):
        counted(FIXED, budget=79)


def test_no_more_than_the_context_has_room_for():
    frames, (note,) = counted(facts(context=1000), tokens=each(100), room=512)
    assert frames == 4
    assert note == "only 4 of 8 frames fit the context of 1000 tokens less 512 for all else: 4 are left out"
    with pytest.raises(RequestError, match="less 990 for all else is too small"):
        counted(facts(context=1000), tokens=each(100), room=990)
    # The narrower of both counts.
    assert counted(facts(context=1000), tokens=each(100), room=512, budget=300)[0] == 3
    assert counted(facts(context=1000), tokens=each(100), room=512, budget=3000)[0] == 4


def test_a_model_that_takes_few_tokens_for_a_whole_video_has_its_frames_for_any_budget():
    assert counted(facts(video_tokens=96), tokens=lambda _: 96, budget=96) == (8, [])


@given(
    group=st.integers(1, 3),
    most=st.integers(3, 40),
    pace=st.none() | st.floats(0.1, 5),
    seconds=st.floats(0.1, 1000),
    there=st.integers(1, 200),
    costs=st.lists(st.integers(1, 50), min_size=121, max_size=121),
    budget=st.integers(1, 300),
)
def test_it_is_the_most_that_can_be_whatever_frames_cost(group, most, pace, seconds, there, costs, budget):
    card = facts(frames=group, max_frames=most, group=group)
    asked = {"fps": pace, "seconds": seconds, "there": there, "tokens": costs.__getitem__}
    wanted, _ = counted(card, **asked)
    assert wanted % group == 0
    assert group <= wanted <= most
    assert wanted <= max(there, group)
    fit = [count for count in range(group, wanted + 1, group) if costs[count] <= budget]
    if fit:
        assert counted(card, **asked, budget=budget)[0] == max(fit)
    else:
        with pytest.raises(RequestError, match=f"budget of {budget} tokens"):
            counted(card, **asked, budget=budget)

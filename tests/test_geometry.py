"""What a request's size, length and rate mean for a model."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.card import Limits, ModelCard, Native
from moviola.errors import RequestError
from moviola.geometry import (
    check_cut,
    cut_off,
    nearest_size,
    shape_of,
    size_fits,
    size_of_shape,
    valid_frames,
)
from moviola.tasks import Generate, request

WAN = ModelCard(
    id="wan",
    tasks=("generate",),
    summary="A model.",
    licence="x",
    limits=Limits(
        min_frames=5, max_frames=81, frame_step=4, frame_base=1, size_multiple=16, max_pixels=832 * 480
    ),
    native=Native(size=(832, 480), frames=81, fps=16, steps=50),
)
FIXED = WAN.model_copy(update={"limits": Limits(sizes=((720, 480), (480, 720)), max_total_frames=49)})


def asked(**fields):
    return request(Generate, {"prompt": "a lake"} | fields)


def shape(card=WAN, image=None, **fields):
    return shape_of(asked(**fields), card, image)[0]


def refusal(card=WAN, **fields):
    with pytest.raises(RequestError) as error:
        shape_of(asked(**fields), card, None)
    return str(error.value)


def test_without_a_wish_the_model_makes_what_it_was_made_for():
    made = shape()
    assert (made.width, made.height, made.frames, made.fps) == (832, 480, 81, 16)


def test_seconds_are_kept_to_the_frame():
    assert shape(seconds=2).frames == 32
    assert shape(seconds=30).frames == 480


def test_frames_outside_of_the_rule_are_refused_with_both_neighbours_or_fitted():
    assert "the nearest to 48: 45 and 49" in refusal(frames=48)
    assert shape(frames=48, fit=True).frames == 49
    assert shape(frames=49).frames == 49


def test_more_frames_than_one_piece_holds_are_made_in_chunks_of_any_total():
    assert shape(frames=200).frames == 200


def test_a_model_that_cannot_go_on_says_how_long_it_reaches():
    assert "at most 49 (3.0625 s), not 80" in refusal(FIXED, seconds=5)
    assert shape(FIXED, seconds=5, fit=True).frames == 49


def test_a_rate_that_the_model_does_not_follow_is_refused_with_the_way_out():
    assert "moviola interpolate" in refusal(fps=30)
    assert shape(fps=30, fit=True).fps == 16
    free = WAN.model_copy(update={"limits": Limits(any_fps=True)})
    assert shape(free, fps="30000/1001").fps == Fraction(30000, 1001)


def test_a_size_that_cannot_be_is_refused_with_the_nearest():
    assert "the nearest is 640x352" in refusal(size="630x350")
    assert "720x480 or 480x720" in refusal(FIXED, size="832x480")
    made = shape(size="1920x1080", fit=True)
    assert size_fits((made.width, made.height), WAN.limits)
    assert cut_off((1920, 1080), (made.width, made.height)) < 0.02


def test_shapes_too_extreme_for_any_model_are_refused_or_brought_back():
    assert "sides of at most 4:1" in refusal(size="1600x16")
    made = shape(size="1600x16", fit=True)
    assert made.width <= 4 * made.height
    wide = shape(aspect="1000")
    assert wide.width <= 4 * wide.height


def test_an_aspect_keeps_the_models_own_area():
    made = shape(aspect="9:16")
    assert made.height > made.width
    assert 0.9 < made.width * made.height / (832 * 480) <= 1


def test_the_first_image_gives_the_shape():
    made = shape(image=(1000, 1000))
    assert made.width == made.height


def test_what_is_cut_off_is_told_and_more_than_rounding_refused():
    assert check_cut("image", (832, 480), (832, 480), fit=False) is None
    assert "0.6% of its height cut off" in str(check_cut("image", (1664, 966), (832, 480), fit=False))
    with pytest.raises(RequestError, match="42% of its height would be cut off"):
        check_cut("image", (1000, 1000), (832, 480), fit=False)
    assert "42.3%" in str(check_cut("image", (1000, 1000), (832, 480), fit=True))


SIDES = st.integers(16, 4000)


@given(st.tuples(SIDES, SIDES))
def test_the_nearest_size_fits_and_a_fitting_size_is_its_own_nearest(size):
    nearest = nearest_size(size, WAN.limits)
    assert size_fits(nearest, WAN.limits)
    if size_fits(size, WAN.limits):
        assert nearest == size


@given(st.integers(1, 500))
def test_valid_counts_obey_the_rule_and_lie_on_the_side_asked_for(frames):
    for found in (valid_frames(frames, WAN.limits, **way) for way in ({}, {"up": True}, {"down": True})):
        assert (found - 1) % 4 == 0
        assert 5 <= found <= 81
    if 5 <= frames <= 81:
        assert (
            valid_frames(frames, WAN.limits, down=True) <= frames <= valid_frames(frames, WAN.limits, up=True)
        )


@given(st.floats(0.3, 3.5))
def test_any_shape_is_met_without_cutting_off_much(ratio):
    size = size_of_shape(ratio, WAN)
    assert size_fits(size, WAN.limits)
    assert cut_off((round(1000 * ratio), 1000), size) < 0.05

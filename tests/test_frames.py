"""Frames carry their times, keep their type, and a model's bad pixels never become black ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from moviola.errors import ModelError
from moviola.frames import Frames, Mask, quantized


def frames(count: int, *, channels: int = 3, dtype=np.uint8) -> Frames:
    data = np.zeros((count, 4, 6, channels), dtype)
    return Frames(data, np.arange(count) / 25, np.full(count, 1 / 25))


def test_a_slice_keeps_each_frames_time():
    part = frames(10)[3:5]
    assert part.pts_seconds.tolist() == [3 / 25, 4 / 25]
    assert part.end_seconds == pytest.approx(5 / 25)


def test_size_depth_and_alpha_are_those_of_the_data():
    deep = frames(2, channels=4, dtype=np.uint16)
    assert (deep.width, deep.height, deep.depth, deep.alpha) == (6, 4, 16, True)
    assert (frames(2).depth, frames(2).alpha) == (8, False)


def test_joining_what_was_cut_gives_it_back():
    whole = frames(7)
    again = Frames.concatenate(whole.rechunked(3))
    assert np.array_equal(again.data, whole.data)
    assert np.array_equal(again.pts_seconds, whole.pts_seconds)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((2, 4, 6), np.uint8), "expected"),
        (np.zeros((2, 4, 6, 2), np.uint8), "expected"),
        (np.zeros((2, 4, 6, 3), np.float32), "expected uint8 or uint16"),
        (np.zeros((3, 4, 6, 3), np.uint8), "pts_seconds"),
    ],
)
def test_arrays_that_are_no_frames_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        Frames(data, np.zeros(2), np.zeros(2))


def test_a_mask_is_boolean():
    with pytest.raises(ValueError, match="bool"):
        Mask(np.zeros((2, 4, 6), np.uint8), np.zeros(2), np.zeros(2))


@given(
    hnp.arrays(np.uint16, (1, 3, 3, 3)),
    st.sampled_from([8, 16]),
)
def test_quantizing_what_was_scaled_down_gives_it_back(levels, depth):
    top = 255 if depth == 8 else 65535
    levels = np.minimum(levels, top)
    assert np.array_equal(quantized(levels / top, depth, source="model"), levels)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -0.1, 1.1, 255.0])
def test_bad_pixels_are_an_error_that_names_the_model(bad):
    values = np.full((1, 2, 2, 3), 0.5)
    values[0, 1, 1, 0] = bad
    with pytest.raises(ModelError, match="rife produced"):
        quantized(values, 8, source="rife")


def test_rounding_noise_is_clipped():
    values = np.array([-0.001, 1.001])
    assert quantized(values, 8, source="model").tolist() == [0, 255]

"""Two pictures side by side: each in its place, in its shape, and seen where it is transparent."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.comparison.clock import Clock
from moviola.comparison.sides import Layout, resized, side_by_side
from moviola.media.info import VideoTrack

SIZES = st.tuples(st.integers(1, 4000), st.integers(1, 3000))


def track(width: int, height: int, aspect: Fraction = Fraction(1)) -> VideoTrack:
    return VideoTrack(
        index=0,
        codec="h264",
        width=width,
        height=height,
        coded_width=width,
        coded_height=height,
        pixel_format="yuv420p",
        bit_depth=8,
        alpha=False,
        time_base=Fraction(1, 25),
        start_seconds=0,
        duration_seconds=1,
        average_rate=Fraction(25),
        sample_aspect=aspect,
    )


def flat(width: int, height: int, *colour: int, dtype: type = np.uint8) -> np.ndarray:
    return np.broadcast_to(np.array(colour, dtype), (height, width, len(colour))).copy()


@given(SIZES, SIZES, st.sampled_from([256, 4096, 8192]))
def test_any_two_sizes_fit_side_by_side_into_an_even_picture(one, two, widest):
    layout = Layout.of(track(*one), track(*two), widest=widest)
    width, height = layout.size
    assert width <= widest
    assert width % 2 == height % 2 == layout.shift % 2 == 0
    assert 0 < layout.width <= layout.shift - layout.gap <= width - layout.shift + 1


def test_equal_pictures_stay_as_they_are():
    noise = np.random.default_rng(0).integers(0, 256, (33, 65, 3), np.uint8)
    layout = Layout.of(track(65, 33), track(65, 33), widest=4096)
    assert layout == Layout(65, 33, 2)
    assert layout.size == (66 + 2 + 66, 34)
    assert layout.fitted(noise, track(65, 33)) is noise


def test_the_lower_picture_is_scaled_to_the_height_of_the_other():
    layout = Layout.of(track(320, 180), track(640, 360), widest=4096)
    assert (layout.width, layout.height) == (640, 360)
    assert layout.fitted(flat(320, 180, 9, 8, 7), track(320, 180)).shape == (360, 640, 3)


def test_the_narrower_picture_lies_in_the_middle_of_black():
    layout = Layout.of(track(100, 40), track(60, 40), widest=4096)
    fitted = layout.fitted(flat(60, 40, 200, 100, 50), track(60, 40))
    lit = np.nonzero(fitted.any(axis=(0, 2)))[0]
    assert (lit[0], lit[-1]) == (20, 79)


def test_pixels_that_are_not_square_are_made_so():
    wide = track(720, 576, Fraction(64, 45))
    layout = Layout.of(wide, wide, widest=4096)
    assert (layout.width, layout.height) == (1024, 576)


@pytest.mark.parametrize(("dtype", "full"), [(np.uint8, 255), (np.uint16, 65535)])
def test_what_is_transparent_is_seen_over_a_checkerboard(dtype, full):
    layout = Layout.of(track(90, 90), track(90, 90), widest=4096)
    clear = layout.fitted(flat(90, 90, full, 0, 0, 0, dtype=dtype), track(90, 90))
    assert clear.dtype == dtype
    assert len(np.unique(clear)) == 2
    opaque = layout.fitted(flat(90, 90, full, 0, 0, full, dtype=dtype), track(90, 90))
    assert np.array_equal(opaque, flat(90, 90, full, 0, 0, dtype=dtype))


@pytest.mark.parametrize(("dtype", "full"), [(np.uint8, 255), (np.uint16, 65535)])
def test_scaling_keeps_a_flat_picture_flat(dtype, full):
    for level in (0, full // 3, full):
        scaled = resized(flat(31, 17, level, level, level, dtype=dtype), (50, 40))
        assert scaled.shape == (40, 50, 3)
        assert (scaled == level).all()


def run(names: tuple[str, str] | None, dtype: type = np.uint8) -> tuple[Layout, np.ndarray]:
    video = track(128, 96)
    layout = Layout.of(video, video, widest=4096)
    count = 6
    clock = Clock(np.arange(count) / 10, np.full(count, 0.1), np.arange(count), np.arange(count))
    left = (flat(128, 96, n, 0, 0, dtype=dtype) for n in range(count))
    right = (flat(128, 96, 0, 0, n, dtype=dtype) for n in range(count))
    parts = list(side_by_side(left, right, clock, layout, names=names))
    assert np.array_equal(np.concatenate([part.pts_seconds for part in parts]), clock.pts_seconds)
    return layout, np.concatenate([part.data for part in parts])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_left_is_left_and_right_is_right_of_a_line(dtype):
    layout, both = run(None, dtype)
    assert both.dtype == dtype
    for number, picture in enumerate(both):
        assert (picture[:, : layout.width] == (number, 0, 0)).all()
        assert (picture[:, layout.shift :] == (0, 0, number)).all()
        assert (picture[:, layout.width : layout.shift] > np.iinfo(dtype).max / 2).all()


def test_names_are_drawn_into_their_side():
    layout, plain = run(None)
    _, named = run(("input", ""))
    changed = np.nonzero((plain != named).any(axis=(0, 1, 3)))[0]
    assert len(changed)
    assert changed[-1] < layout.width

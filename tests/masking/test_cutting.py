"""Pictures without their background: what is shown is the picture's own, nothing of the rest is left."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.masking.cutting import laid_over, made_clear

RNG = np.random.default_rng(0)
SIZE = (24, 32)
SHOWN = np.zeros(SIZE, np.float32)
SHOWN[6:18, 8:24] = 1
EDGE = np.zeros(SIZE, np.float32)
EDGE[6:18, 24:27] = (0.75, 0.5, 0.25)


def noise(dtype: type, channels: int) -> np.ndarray:
    return RNG.integers(0, np.iinfo(dtype).max, (*SIZE, channels), dtype, endpoint=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [3, 4])
def test_what_is_shown_is_the_picture_itself(dtype, channels):
    picture = noise(dtype, channels)
    picture[..., 3:] = np.iinfo(dtype).max
    for made in (made_clear(picture, SHOWN + EDGE), laid_over(picture, SHOWN + EDGE, (0, 255, 0))):
        assert made.dtype == dtype
        assert np.array_equal(made[SHOWN == 1][:, :3], picture[SHOWN == 1][:, :3])


def test_transparency_follows_the_edge_and_is_multiplied_into_the_pictures_own():
    picture = noise(np.uint16, 4)
    made = made_clear(picture, SHOWN + EDGE)
    assert np.allclose(made[..., 3], picture[..., 3] * (SHOWN + EDGE), atol=0.51)
    opaque = made_clear(noise(np.uint8, 3), SHOWN + EDGE)
    assert opaque[10, 24:28, 3].tolist() == [191, 128, 64, 0]


def test_nothing_of_the_background_is_left_under_full_transparency():
    first, second = noise(np.uint8, 3), noise(np.uint8, 3)
    second[SHOWN == 1] = first[SHOWN == 1]
    assert np.array_equal(made_clear(first, SHOWN), made_clear(second, SHOWN))
    assert not made_clear(first, np.zeros_like(SHOWN)).any()


def test_beside_an_edge_its_colour_goes_on():
    picture = np.zeros((*SIZE, 3), np.uint8)
    picture[SHOWN == 1] = (200, 40, 90)
    assert np.array_equal(made_clear(picture, SHOWN)[..., :3], np.full_like(picture, (200, 40, 90)))


@given(st.floats(0, 1, width=32), st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_over_a_colour_both_are_mixed_by_how_much_is_shown(shown, own, level, ground):
    picture = np.full((2, 2, 4), level, np.uint8)
    picture[..., 3] = own
    weight = shown * own / 255
    made = laid_over(picture, np.full((2, 2), shown, np.float32), (ground, ground, ground))
    assert made.shape == (2, 2, 3)
    assert np.allclose(made, level * weight + ground * (1 - weight), atol=0.51)


def test_white_of_a_background_does_not_dazzle_in_hdr():
    made = laid_over(noise(np.uint16, 3), np.zeros_like(SHOWN), (255, 0, 255), white=0.58)
    assert (made == (round(0.58 * 65535), 0, round(0.58 * 65535))).all()

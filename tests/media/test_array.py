"""Arrays and frames in memory are a source like any other."""

from fractions import Fraction

import numpy as np
import pytest

from moviola.errors import InputError
from moviola.frames import Frames
from moviola.media.array import ArraySource
from moviola.media.source import open_source

NOISE = np.random.default_rng(0).integers(0, 256, (10, 6, 8, 3), np.uint8)


def test_an_array_plays_at_its_rate() -> None:
    source = open_source(NOISE, rate=Fraction(30000, 1001))
    info = source.probe()
    assert (info.video.width, info.video.height, info.video.frame_count) == (8, 6, 10)
    assert info.video.average_rate == info.video.real_rate == Fraction(30000, 1001)
    np.testing.assert_allclose(source.timeline().pts_seconds, np.arange(10) * 1001 / 30000)
    assert info.duration_seconds == pytest.approx(10 * 1001 / 30000)


def test_chunks_tile_what_was_asked_for() -> None:
    chunks = list(ArraySource(NOISE).read(start=2, stop=9, chunk=3))
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    whole = Frames.concatenate(chunks)
    assert np.array_equal(whole.data, NOISE[2:9])
    np.testing.assert_allclose(whole.pts_seconds, np.arange(2, 9) / 25)


def test_frames_keep_their_own_times() -> None:
    frames = Frames(NOISE[:3], np.array([1.0, 1.5, 1.6]), np.array([0.5, 0.1, 0.4]))
    source = ArraySource(frames)
    assert source.probe().start_seconds == 1.0
    assert source.probe().duration_seconds == pytest.approx(1.0)
    assert source.probe().video.variable_rate
    assert np.array_equal(source.frames_at([2, 0, 0]).pts_seconds, [1.6, 1.0, 1.0])


def test_depth_and_alpha_are_given_as_asked() -> None:
    deep = next(ArraySource(NOISE).read(depth=16, alpha=True)).data
    assert deep.dtype == np.uint16
    assert np.array_equal(deep[..., :3], NOISE.astype(np.uint16) * 257)
    assert (deep[..., 3] == 65535).all()
    back = next(ArraySource(deep).read()).data
    assert np.array_equal(back, NOISE)


def test_grey_becomes_three_equal_channels() -> None:
    grey = next(ArraySource(NOISE[..., :1]).read()).data
    assert np.array_equal(grey, np.repeat(NOISE[..., :1], 3, axis=-1))


@pytest.mark.parametrize(
    "array", [np.zeros((2, 4, 4)), np.zeros((4, 4, 3), np.uint8), np.zeros((2, 4, 4, 2), np.uint8), NOISE[:0]]
)
def test_what_is_no_video_is_refused(array: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"no video|no pictures"):
        ArraySource(array)


@pytest.mark.parametrize("rate", [0, -1, "fast", float("nan"), float("inf")])
def test_impossible_rates_are_refused(rate: object) -> None:
    with pytest.raises(InputError, match="no frame rate"):
        ArraySource(NOISE, rate)


def test_frames_that_are_not_there_are_refused() -> None:
    with pytest.raises(InputError, match="no frame 10; it has frames 0 to 9"):
        ArraySource(NOISE).frames_at([3, 10])

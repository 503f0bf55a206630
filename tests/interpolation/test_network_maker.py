"""Pictures made by a network: what it is shown, what is kept of its answers, and when it is spared."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from moviola.errors import ModelError
from moviola.interpolation.engine import Pair
from moviola.interpolation.networks import NetworkMaker


class Mean:
    """Blends linearly, and remembers what it was asked."""

    def __init__(self, spoil: float = 0.0) -> None:
        self.seen: list[tuple[int, ...]] = []
        self.asked: list[tuple[float, ...]] = []
        self.spoil = spoil

    def features(self, frame: Tensor, options: Any) -> Tensor:
        self.seen.append(tuple(frame.shape))
        return frame

    def between(
        self, a: Tensor, b: Tensor, seen_a: Any, seen_b: Any, times: Sequence[float], options: Any
    ) -> list[Tensor]:
        assert torch.equal(a, seen_a)
        assert torch.equal(b, seen_b)
        self.asked.append(tuple(times))
        return [(1 - time) * a + time * b + self.spoil for time in times]


def maker(network: Mean) -> NetworkMaker:
    return NetworkMaker(network, device="cpu", name="mean")


def frames(count: int, channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(0, top, (count, 6, 8, channels), dtype=dtype, endpoint=True)


def made(network: Mean, data: np.ndarray, *pairs: Pair) -> list[np.ndarray]:
    return list(maker(network).made(data, pairs, None))


def test_source_pictures_stay_and_those_between_come_at_their_times():
    data = frames(2)
    (pictures,) = made(Mean(), data, Pair(0, (0.0, 0.25, 0.5)))
    assert np.array_equal(pictures[0], data[0])
    for picture, time in zip(pictures[1:], (0.25, 0.5), strict=True):
        expected = (1 - time) * data[0].astype(float) + time * data[1]
        assert np.abs(picture - expected).max() <= 0.51


def test_a_frame_is_looked_at_once_for_both_its_pairs():
    network = Mean()
    made(network, frames(4), *(Pair(first, (0.0, 0.5)) for first in range(3)))
    assert network.seen == [(1, 3, 6, 8)] * 4
    assert network.asked == [(0.5,)] * 3


def test_frames_that_are_shown_alone_are_not_looked_at():
    network = Mean()
    data = frames(3)
    (first, last) = made(network, data, Pair(0, (0.0,)), Pair(2, (0.0, 0.0)))
    assert np.array_equal(first, data[:1])
    assert np.array_equal(last, data[[2, 2]])
    assert network.seen == []


def test_a_frame_that_is_repeated_spares_the_network():
    network = Mean()
    data = frames(1)[[0, 0]].copy()
    data[1, 0, 0, 0] ^= 1  # as coding leaves it
    (pictures,) = made(network, data, Pair(0, (0.0, 0.5)))
    assert np.abs(pictures.astype(int) - data[0]).max() <= 1
    assert network.asked == []


def test_a_small_thing_that_moves_on_a_still_ground_is_no_repeated_frame():
    network = Mean()
    data = np.zeros((2, 360, 640, 3), np.uint8)
    data[0, 100:103, 200:203] = 255
    data[1, 100:103, 206:209] = 255
    made(network, data, Pair(0, (0.0, 0.5)))
    assert network.asked == [(0.5,)]


def test_sixteen_bits_stay_sixteen():
    data = frames(2, dtype=np.uint16)
    (pictures,) = made(Mean(), data, Pair(0, (0.5,)))
    assert pictures.dtype == np.uint16
    assert np.abs(pictures[0] - data.astype(float).mean(axis=0)).max() <= 1


def test_transparency_is_carried_over_and_the_network_does_not_see_it():
    network = Mean()
    data = frames(2, channels=4)
    (pictures,) = made(network, data, Pair(0, (0.5,)))
    assert network.seen == [(1, 3, 6, 8)] * 2
    assert np.abs(pictures[0] - data.astype(float).mean(axis=0)).max() <= 0.51


def test_numbers_that_are_none_are_an_error():
    with pytest.raises(ModelError, match="NaN"):
        made(Mean(spoil=float("nan")), frames(2), Pair(0, (0.5,)))

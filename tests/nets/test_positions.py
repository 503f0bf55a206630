"""Classifying at every place where the training crop fits."""

from __future__ import annotations

import pytest
import torch
from recorded import noise
from torch import Tensor
from torch.nn import functional

from moviola.nets.positions import averaged, pooled


def drawn(name: str, *shape: int) -> Tensor:
    return torch.from_numpy(noise(name, shape))


@pytest.mark.parametrize("window", [(4, 2, 2), (1, 1, 1), (4, 5, 6), (3, 2, 4)])
def test_pooling_is_a_mean_over_every_window(window: tuple[int, int, int]) -> None:
    video = drawn("video", 2, 3, 4, 5, 6)
    assert torch.allclose(pooled(video, window), functional.avg_pool3d(video, window, stride=1), atol=1e-6)


def test_a_window_shrinks_to_a_smaller_video_and_none_is_all_of_time() -> None:
    video = drawn("video", 2, 3, 4, 5, 6)
    mean = video.mean((2, 3, 4), keepdim=True)
    assert torch.allclose(pooled(video, (16, 7, 7)), mean, atol=1e-6)
    assert torch.allclose(pooled(video, (None, 5, 6)), mean, atol=1e-6)


def test_probabilities_are_averaged_and_not_logits() -> None:
    logits = 3 * drawn("logits", 2, 1, 3, 2, 5)
    mean = logits.softmax(-1).mean((1, 2, 3))
    assert torch.allclose(averaged(logits).softmax(-1), mean, atol=1e-6)
    assert not torch.allclose(logits.mean((1, 2, 3)).softmax(-1), mean, atol=1e-2)


def test_one_position_and_positions_alike_keep_their_logits() -> None:
    logits = drawn("logits", 2, 1, 1, 1, 5)
    assert torch.allclose(averaged(logits), logits[:, 0, 0, 0], atol=1e-6)
    assert torch.allclose(averaged(logits.expand(2, 1, 3, 3, 5)), logits[:, 0, 0, 0], atol=1e-6)


def test_certain_positions_do_not_overflow() -> None:
    logits = torch.tensor([[[1e4, 0.0], [0.0, 1e4]]])
    assert torch.allclose(averaged(logits).softmax(-1), torch.tensor([[0.5, 0.5]]))

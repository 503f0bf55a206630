"""What is made in pieces is what is made at once, as far as a network looks no further than they overlap."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from moviola.nets.tiles import tiled


def pair(*shape: int) -> tuple[Tensor, Tensor]:
    return torch.rand(shape, generator=torch.manual_seed(0)), torch.rand(
        shape, generator=torch.manual_seed(1)
    )


def mean(first: Tensor, second: Tensor) -> Tensor:
    return (first + second) / 2


@pytest.mark.parametrize("size", [(64, 64), (33, 200), (65, 31), (150, 97), (1, 70)])
def test_a_network_that_sees_one_pixel_gives_the_same(size: tuple[int, int]) -> None:
    first, second = pair(2, 3, *size)
    assert torch.allclose(tiled(mean, 64, 16)(first, second), mean(first, second), atol=1e-6)


def test_no_piece_is_larger_and_there_are_no_more_than_needed() -> None:
    sizes = []

    def network(first: Tensor, second: Tensor) -> Tensor:
        sizes.append(tuple(first.shape[-2:]))
        return first

    tiled(network, 64, 16)(*pair(1, 3, 112, 161))
    # 64 + 48 pixels are two pieces; 64 + 2 × 48 are one pixel short of 161.
    assert sizes == [(64, 64)] * 2 * 4
    sizes.clear()
    tiled(network, 64, 16)(*pair(1, 3, 40, 64))
    assert sizes == [(40, 64)]


def test_a_difference_between_pieces_fades() -> None:
    number = iter(range(2))

    def network(first: Tensor, second: Tensor) -> Tensor:
        return torch.full_like(first, next(number))

    (row,) = tiled(network, 64, 16)(*pair(1, 1, 1, 112))[0, 0]
    steps = row.diff()
    assert (row[:48] == 0).all()
    assert (row[64:] == 1).all()
    assert (steps >= 0).all()
    assert steps.max() < 0.1


def test_what_is_near_the_edge_of_a_piece_hardly_counts() -> None:
    # A blur of 9 pixels that takes zeros around the piece.
    def blur(first: Tensor, second: Tensor) -> Tensor:
        return functional.avg_pool2d(mean(first, second), 9, 1, 4)

    first, second = (torch.ones(1, 3, 64, 300) for _ in range(2))
    seam = tiled(blur, 64, 32)(first, second)[..., 8:-8, 8:-8]
    assert (seam - 1).abs().max() < 0.07


def test_the_type_is_kept() -> None:
    first, second = (picture.bfloat16() for picture in pair(1, 3, 20, 90))
    made = tiled(mean, 64, 16)(first, second)
    assert made.dtype is torch.bfloat16
    assert torch.allclose(made.float(), mean(first, second).float(), atol=0.01)


@pytest.mark.parametrize("overlap", [0, 64, 80])
def test_pieces_have_to_overlap_and_advance(overlap: int) -> None:
    with pytest.raises(ValueError, match="cannot overlap"):
        tiled(mean, 64, overlap)

"""Where a flow points at, and the short cuts that must not change what is found there."""

from __future__ import annotations

import pytest
import torch
from recorded import clip
from torch import Tensor
from torch.nn import functional

from moviola.nets.warping import grown, shrunk, warped, warped_shrunk


def flow(x: float, y: float, height: int, width: int) -> Tensor:
    return torch.tensor([x, y]).view(1, 2, 1, 1).expand(1, 2, height, width)


def test_a_flow_is_in_pixels_to_the_right_and_down() -> None:
    picture = clip("warping", (1, 2, 6, 9))
    found = warped(picture, flow(3, -2, 6, 9))
    assert torch.allclose(found[..., 2:, :6], picture[..., :4, 3:], atol=1e-5)


def test_between_pixels_neighbours_are_mixed() -> None:
    picture = torch.tensor([[0.0, 1.0, 3.0]]).view(1, 1, 1, 3)
    found = warped(picture, flow(0.25, 0, 1, 3))
    assert found.flatten().tolist() == pytest.approx([0.25, 1.5, 3.0])


def test_beyond_the_border_is_the_borders_colour() -> None:
    picture = clip("border", (1, 1, 4, 5))
    found = warped(picture, flow(100, 0, 4, 5))
    assert torch.allclose(found, picture[..., -1:].expand_as(picture))


def test_one_pixel_is_warped_onto_itself() -> None:
    assert warped(torch.ones(1, 3, 1, 1), flow(5, 5, 1, 1)).flatten().tolist() == [1, 1, 1]


def test_a_picture_of_few_bits_is_fetched_at_exact_places() -> None:
    # In bfloat16, 1001 is 1000, and of 1200 places of a side most are the same.
    picture = torch.arange(1200.0).fmod(7).view(1, 1, 1, 1200).bfloat16()
    found = warped(picture, flow(1001, 0, 1, 1200))
    assert found.dtype is torch.bfloat16
    expected = torch.arange(1001.0, 1200).fmod(7)
    assert torch.allclose(found.float().flatten()[:199], expected, atol=1e-3)


@pytest.mark.parametrize("step", [2, 4, 8, 16])
def test_shrinking_is_bilinear_interpolation_without_a_filter(step: int) -> None:
    maps = clip("shrunk", (2, 3, 32, 48))
    expected = functional.interpolate(maps, scale_factor=1 / step, mode="bilinear")
    assert torch.allclose(shrunk(maps, step), expected, atol=1e-6)
    assert torch.allclose(shrunk(maps, 1 / 2), grown(maps, 2))


@pytest.mark.parametrize("step", [0.5, 1, 2, 4, 8, 16])
def test_what_shrinking_leaves_out_need_not_be_warped(step: float) -> None:
    picture, way = clip("sparse", (2, 3, 32, 48)), 6 * clip("way", (2, 2, 32, 48))
    assert torch.allclose(warped_shrunk(picture, way, step), shrunk(warped(picture, way), step), atol=1e-5)

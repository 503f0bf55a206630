"""CoDeF's two fields: their sizes, and what is easily got wrong in them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from moviola.nets.codef import MARGIN, CanonicalField, CoDeF, DeformationField, fused, pixels

SMALL: dict[str, Any] = {"levels": 4, "log2_rows": 10}


def small() -> CoDeF:
    torch.manual_seed(0)
    network = CoDeF(SMALL, SMALL)
    for field in (network.deformation, network.canonical):
        for table in field.grid.parameters():
            nn.init.normal_(table, std=0.3)
    return network.eval().requires_grad_(False)


def weights(module: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for name, p in module.named_parameters() if name.endswith("weight")]


def test_the_authors_sizes_are_the_defaults() -> None:
    with torch.device("meta"):
        deformation, canonical = DeformationField(), CanonicalField()
    assert weights(deformation.network) == [(64, 35), *[(64, 64)] * 7, (2, 64)]
    assert weights(canonical.network) == [(64, 34), (64, 64), (3, 64)]
    assert len(deformation.grid.grids) == len(canonical.grid.grids) == 16


def test_only_the_first_layer_has_a_bias() -> None:
    """tiny-cuda-nn's has none, but fills its inputs up with ones."""
    assert [layer.bias is not None for layer in fused(5, 8, 3, 2) if isinstance(layer, nn.Linear)] == [
        True,
        False,
        False,
        False,
    ]


def test_a_field_sees_the_point_itself_beside_its_features() -> None:
    """Without any level of the grid the deformation still knows where and when."""
    network = small().deformation
    points = torch.rand(20, 3)
    calm = network(points, [0.0] * 4)
    seen = torch.cat([points, torch.zeros(20, 8)], 1)
    assert torch.allclose(calm, network.network(seen) / 5)
    assert not torch.allclose(calm[0], calm[1])


def test_the_picture_reaches_beyond_the_frame_by_three_tenths() -> None:
    network = small().canonical
    seen: list[Tensor] = []
    network.grid.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    network(torch.tensor([[-MARGIN, 0.5], [1 + MARGIN, 0.0]]))
    assert torch.allclose(seen[0], torch.tensor([[0, 0.5], [1, 0.3 / 1.6]]), atol=1e-6)


def test_pixels_are_taken_at_their_centres_row_by_row() -> None:
    assert torch.allclose(
        pixels(3, 2), torch.tensor([[1, 1], [3, 1], [5, 1], [1, 3], [3, 3], [5, 3]]) / torch.tensor([6, 4])
    )


@pytest.mark.parametrize("size", [(12, 8), (7, 5), (1, 9)])
def test_a_frame_is_the_picture_at_the_deformed_places(size: tuple[int, int]) -> None:
    network = small()
    frame = network.render(0.25, size)
    assert frame.shape == (3, size[1], size[0])
    x, y = size[0] - 1, size[1] // 2
    point = torch.tensor([[(x + 0.5) / size[0], (y + 0.5) / size[1]]])
    offset = network.deformation(torch.cat([point, torch.tensor([[0.25]])], 1))
    assert torch.allclose(frame[:, y, x], network.canonical(point + offset)[0], atol=1e-5)


def test_a_larger_frame_shows_the_same_in_more_pixels() -> None:
    network = small()
    once, thrice = network.render(0.5, (8, 6)), network.render(0.5, (24, 18))
    assert torch.allclose(thrice[:, 1::3, 1::3], once, atol=1e-4)


def test_a_fit_begins_almost_undeformed() -> None:
    torch.manual_seed(1)
    network = CoDeF(SMALL, SMALL)
    points = pixels(16, 16)
    assert (network.places(points, 0.5) - points).abs().max() < 0.2


def test_bfloat16_is_near_float32_and_places_keep_their_precision() -> None:
    network = small()
    exact = network.render(0.5, (24, 16))
    places = network.bfloat16().places(pixels(24, 16), 0.5)
    assert places.dtype is torch.float32
    rough = network.render(0.5, (24, 16))
    assert rough.dtype is torch.bfloat16
    assert (rough.float() - exact).abs().mean() < 0.1 * exact.abs().mean()


def test_on_the_meta_device_it_tells_its_shapes() -> None:
    with torch.device("meta"):
        network = CoDeF()
        assert network.render(0.5, (32, 16)).shape == (3, 16, 32)


def test_everything_learns() -> None:
    torch.manual_seed(0)
    network = CoDeF(SMALL, SMALL)
    network.render(0.5, (16, 16)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())

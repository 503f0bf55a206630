"""The hash encoding against the paper's formulas written out point by point, and its laws."""

from __future__ import annotations

import math
from itertools import pairwise, product

import numpy as np
import pytest
import torch

from moviola.nets.hash_grid import Grid, HashGrid, annealed

SMALL = {"levels": 5, "log2_rows": 9, "base": 4, "growth": 1.7}


def filled(dims: int, **config: float) -> HashGrid:
    grid = HashGrid(dims, **config)
    generator = torch.Generator().manual_seed(dims)
    for table in grid.parameters():
        torch.nn.init.normal_(table, generator=generator)
    return grid.requires_grad_(False)


def points(dims: int, count: int, low: float = 0, high: float = 1) -> torch.Tensor:
    return low + (high - low) * torch.rand(count, dims, generator=torch.Generator().manual_seed(count))


def row(vertex: tuple[int, ...], resolution: int, rows: int) -> int:
    """In 32-bit words, as tiny-cuda-nn's `grid_index` on the device."""
    words = [coordinate % 2**32 for coordinate in vertex]
    if resolution ** len(vertex) <= rows:
        index = sum(word * resolution**axis for axis, word in enumerate(words)) % 2**32
    else:
        index = 0
        for word, prime in zip(words, (1, 2654435761, 805459861), strict=False):
            index ^= word * prime % 2**32
    return index % rows


def encoded(
    point: list[float], tables: list[np.ndarray], base: int, growth: float, log2_rows: int
) -> list[float]:
    """One point's features, from the definition."""
    features: list[float] = []
    for level, table in enumerate(tables):
        scale = base * growth**level - 1
        resolution = math.ceil(scale) + 1
        rows = min(8 * math.ceil(resolution ** len(point) / 8), 2**log2_rows)
        assert len(table) == rows
        found = np.zeros(table.shape[1])
        position = [scale * coordinate + 0.5 for coordinate in point]
        for corner in product((0, 1), repeat=len(point)):
            vertex = tuple(math.floor(p) + step for p, step in zip(position, corner, strict=True))
            weight = math.prod(1 - abs(p - v) for p, v in zip(position, vertex, strict=True))
            found += weight * table[row(vertex, resolution, rows)]
        features += found.tolist()
    return features


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.7, 1.9)])
def test_it_gives_what_the_definition_gives(dims: int, low: float, high: float) -> None:
    # Outside of the unit cube, too: there the indices wrap.
    grid = filled(dims, **SMALL)
    assert {level.hashed for level in grid.grids} == {False, True}
    where = points(dims, 60, low, high)
    tables = [table.double().numpy() for table in grid.parameters()]
    expected = [encoded(point, tables, 4, 1.7, 9) for point in where.double().tolist()]
    assert torch.allclose(grid(where), torch.tensor(expected, dtype=torch.float32), atol=2e-4)


@pytest.mark.parametrize(
    ("dims", "growth", "hashed", "numbers"), [(2, 1.44, 5, 6_698_992), (3, 1.38, 11, 12_196_240)]
)
def test_with_codefs_settings_it_has_as_many_numbers_as_theirs(
    dims: int, growth: float, hashed: int, numbers: int
) -> None:
    with torch.device("meta"):
        grid = HashGrid(dims, growth=growth)
    resolutions = [math.ceil(16 * growth**level - 1) + 1 for level in range(16)]
    expected = [min(-(-(side**dims) // 8) * 8, 2**19) for side in resolutions]
    assert [len(table) for table in grid.parameters()] == expected
    assert sum(level.hashed for level in grid.grids) == hashed
    assert sum(table.numel() for table in grid.parameters()) == numbers == 2 * sum(expected)
    assert grid.width == 32


def test_at_a_vertex_it_is_the_vertex() -> None:
    grid = Grid(2, 2, 2**19, 15.0)
    torch.nn.init.normal_(grid.table)
    vertex = torch.tensor([[3.0, 7.0]])
    assert torch.allclose(grid((vertex - 0.5) / 15), grid.table[3 + 7 * 16], atol=1e-5)


@pytest.mark.parametrize("dims", [2, 3])
def test_it_is_continuous_across_cells(dims: int) -> None:
    """Steps of a thousandth of the finest cell change a feature by no more than a few thousandths."""
    grid = filled(dims, **SMALL)
    along = torch.linspace(0.1, 0.9, 20_001)[:, None] * torch.tensor([[1.0, 0.7, 0.4]])[:, :dims]
    features = grid(along)
    largest = max(float(table.abs().max()) for table in grid.parameters())
    cells = (along[1] - along[0]).sum() * 4 * 1.7**4
    assert (features[1:] - features[:-1]).abs().max() <= 2.2 * largest * cells


def test_vertices_with_one_row_share_what_they_learn() -> None:
    """Two cells whose first corner has the same hash: what one is taught shows at the other."""
    grid = Grid(2, 2, 16, 63.0)
    assert grid.hashed
    seen: dict[int, tuple[int, int]] = {}
    for vertex in product(range(8), range(8)):
        twin = seen.setdefault(row(vertex, 64, 16), vertex)
        if twin != vertex:
            break
    here, there = ((torch.tensor([v], dtype=torch.float32) - 0.5) / 63 for v in (vertex, twin))
    torch.nn.init.zeros_(grid.table)
    grid(here).sum().backward()
    with torch.no_grad():
        grid.table += grid.table.grad
        assert torch.allclose(grid(here), grid(there), atol=1e-4)
        assert (grid(there) > 0.9).all()


def test_dense_levels_have_a_row_for_every_vertex() -> None:
    rows = {row(vertex, 7, 7**3 + 1) for vertex in product(range(7), repeat=3)}
    assert len(rows) == 7**3
    assert not Grid(3, 2, 2**9, 6.0).hashed


def test_gradients_reach_tables_and_points() -> None:
    grid = HashGrid(2, **SMALL).double()
    for table in grid.parameters():
        torch.nn.init.normal_(table)
    where = points(2, 4).requires_grad_()
    grid(where)[:, 3].sum().backward()
    step = 1e-3
    with torch.no_grad():
        for axis in range(2):
            shift = torch.zeros(2)
            shift[axis] = step
            slope = (grid(where + shift)[:, 3] - grid(where - shift)[:, 3]) / (2 * step)
            assert torch.allclose(where.grad[:, axis].double(), slope, rtol=1e-2, atol=1e-2)
    touched = [float(table.grad.abs().sum()) for table in grid.parameters()]
    assert touched[1] == pytest.approx(4, rel=1e-5)  # four points, whose corners weigh 1 together
    assert touched[0] == touched[2] == 0


def test_levels_come_in_one_after_the_other() -> None:
    assert annealed(4, -1) == annealed(4, 0) == [0, 0, 0, 0]
    assert annealed(4, 1) == annealed(4, 7) == [1, 1, 1, 1]
    assert annealed(4, 0.375) == pytest.approx([1, 0.5, 0, 0])
    assert annealed(16, 1 / 64)[0] == pytest.approx((1 - math.cos(math.pi / 4)) / 2)
    rising = [annealed(4, done / 40) for done in range(41)]
    assert all(a <= b for one, next_one in pairwise(rising) for a, b in zip(one, next_one, strict=True))


def test_hidden_levels_are_zero_and_learn_nothing() -> None:
    grid = HashGrid(2, **SMALL)
    where = points(2, 10)
    shown = [1.0, 0.5, 0.0, 0.0, 0.0]
    features = grid(where, shown)
    assert not features[:, 4:].any()
    assert torch.allclose(features[:, :4], grid(where)[:, :4] * torch.tensor([1, 1, 0.5, 0.5]))
    features.sum().backward()
    assert [table.grad is not None for table in grid.parameters()] == [True, True, False, False, False]


def test_in_bfloat16_points_are_still_told_apart() -> None:
    grid = filled(2, levels=8, log2_rows=14, base=16, growth=1.6)
    where = points(2, 200)
    exact = grid(where)
    rough = grid.bfloat16()(where)
    assert rough.dtype is torch.bfloat16
    assert (rough.float() - exact).abs().max() < 0.02 * exact.abs().max()


def test_it_starts_almost_empty_and_takes_no_points_at_all() -> None:
    grid = HashGrid(3, **SMALL)
    assert 0 < grid(points(3, 50)).abs().max() <= 1e-4
    assert grid(torch.empty(0, 3)).shape == (0, 10)
    assert grid.to("meta")(torch.empty(7, 3, device="meta")).shape == (7, 10)

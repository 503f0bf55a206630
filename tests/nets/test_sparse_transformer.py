"""Overlapping patches by convolution, and who attends to whom."""

from __future__ import annotations

import pytest
import torch
from recorded import clip, difference
from torch.nn import functional

from moviola.nets import sparse_transformer
from moviola.nets.sparse_transformer import FeedForward, Overlap, SparseTransformer, cut, divided

SIZES = [(16, 20), (18, 21), (17, 16)]
PATCHES = {"kernel_size": 7, "stride": 3, "padding": 3}


@pytest.fixture
def transformer() -> SparseTransformer:
    torch.manual_seed(0)
    return SparseTransformer(width=16, heads=2, depth=4, inner=3, window=(2, 3), pool=2).eval()


@pytest.mark.parametrize("size", SIZES)
@torch.inference_mode()
def test_to_cut_is_to_unfold_and_embed(size: tuple[int, int]) -> None:
    maps, layer = clip("maps", (2, 4, *size)), cut(4, 5)
    unfolded = functional.unfold(maps, **PATCHES).transpose(1, 2)
    expected = functional.linear(unfolded, layer.weight.flatten(1), layer.bias).transpose(1, 2)
    assert difference(layer(maps).flatten(2), expected.tolist()) < 1e-5


@pytest.mark.parametrize("size", SIZES)
@torch.inference_mode()
def test_to_lay_is_to_embed_and_fold(size: tuple[int, int]) -> None:
    grid = cut(1, 1)(torch.zeros(1, 1, *size)).shape[-2:]
    patches, layer = clip("patches", (2, 5, *grid)), Overlap(5, 4)
    torch.nn.init.normal_(layer.bias)
    embedded = functional.linear(
        patches.flatten(2).transpose(1, 2), layer.weight.flatten(1).t(), layer.bias.flatten()
    )
    expected = functional.fold(embedded.transpose(1, 2), size, **PATCHES)
    assert difference(layer(patches, size), expected.tolist()) < 1e-5


@pytest.mark.parametrize("size", SIZES)
@torch.inference_mode()
def test_the_activation_may_be_done_on_the_maps(size: tuple[int, int]) -> None:
    grid = cut(1, 1)(torch.zeros(1, 1, *size)).shape[-2:]
    patches, layer = clip("patches", (2, 5, *grid)), FeedForward(5, 3)
    count = functional.fold(torch.ones(1, 49, grid.numel()), size, **PATCHES)
    unfolded = functional.unfold(layer.lay(patches, size) / count, **PATCHES).transpose(1, 2)
    made = functional.linear(functional.gelu(unfolded), layer.cut.weight.flatten(1), layer.cut.bias)
    assert difference(layer(patches, size).flatten(2), made.transpose(1, 2).tolist()) < 1e-5


def test_around_a_window_are_as_many_patches_as_in_the_authors_four_moved_windows() -> None:
    parts = divided(torch.zeros(1, 20, 36), (5, 9))
    assert parts.own.shape == (16, 45)
    assert parts.near.shape == (16, 45 + 148)
    assert (parts.rows, parts.columns) == (20, 36)
    first = parts.own[5].view(5, 9)
    assert first[0].tolist() == list(range(5 * 36 + 9, 5 * 36 + 18))
    # None is in the window itself, none counts twice, and at the border the grid goes on at its other end.
    for own, near in zip(parts.own, parts.near, strict=True):
        assert len(near.unique()) == len(near)
        assert set(own.tolist()) < set(near.tolist())
    assert 19 * 36 + 35 in parts.near[0].tolist()


def test_a_window_with_a_hole_in_any_clip_is_marked_in_that_clip() -> None:
    holes = torch.zeros(2, 6, 10)
    holes[1, 5, 9] = 0.5
    assert divided(holes, (5, 9)).masked.tolist() == [[False] * 4, [False] * 3 + [True]]


def test_windows_without_holes_do_not_attend_to_others(transformer: SparseTransformer) -> None:
    # Attention alone: patches that overlap exchange something in the feed-forward part.
    attention = transformer.blocks[0].attention
    patches, changed = clip("patches", (1, 4, 4, 6, 16)), clip("patches", (1, 4, 4, 6, 16)).clone()
    changed[:, 2, 3, 5] += 1
    holes = torch.zeros(1, 4, 6)
    holes[:, 0, 0] = 1
    windows = divided(holes, (2, 3))

    def touched(frames: slice) -> list[list[bool]]:
        with torch.inference_mode():
            one, other = attention(patches, windows, frames), attention(changed, windows, frames)
        apart = (one - other).abs().amax(-1)[0] > 1e-7
        return [[bool(frame[:2, :3].any()), bool(frame[2:, 3:].any())] for frame in apart]

    # The first window has a hole and sees, in every frame, the frames it is told to; the last only itself.
    assert touched(slice(0, None, 2)) == [[True, False], [True, False], [True, True], [True, False]]
    assert touched(slice(1, None, 2)) == [[False, False], [False, False], [False, True], [False, False]]


def test_how_many_windows_are_attended_to_at_once_does_not_matter(
    transformer: SparseTransformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    patches, holes = clip("patches", (2, 3, 6, 7, 16)), clip("holes", (2, 6, 7)).relu()
    with torch.inference_mode():
        together = transformer(patches, (18, 21), holes)
        monkeypatch.setattr(sparse_transformer, "_AT_ONCE", 1)
        assert difference(transformer(patches, (18, 21), holes), together.tolist()) < 1e-5


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_clip_may_be_shorter_than_the_stride(transformer: SparseTransformer, length: int) -> None:
    patches = clip("patches", (1, length, 6, 7, 16))
    with torch.inference_mode():
        made = transformer(patches, (18, 21), torch.ones(1, 6, 7), stride=3)
    assert made.shape == patches.shape
    assert made.isfinite().all()

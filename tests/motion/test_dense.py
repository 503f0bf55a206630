"""Dense flow finds known motion, on pictures of every size and kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moviola.motion import dense_flow, inconsistency, luma8, warp
from moviola.stage import texture


def ground(height: int, width: int, seed: int = 3) -> np.ndarray:
    paint = texture(seed, tile=256).transpose(1, 2, 0)[:height, :width]
    return np.ascontiguousarray(np.rint(paint).clip(0, 255).astype(np.uint8))


def shifted(dx: int, dy: int, height: int = 120, width: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """Two views of one texture; what lies at (x, y) in the first is at (x + dx, y + dy) in the second."""
    wide = ground(height + 40, width + 40)
    first, second = (
        wide[20 - y : 20 - y + height, 20 - x : 20 - x + width].copy() for x, y in ((0, 0), (dx, dy))
    )
    return first, second


@pytest.mark.parametrize("preset", ["fast", "balanced", "best"])
@pytest.mark.parametrize(("dx", "dy"), [(3, -2), (-12, 7)])
def test_a_shift_is_found_to_a_tenth_of_a_pixel(preset, dx, dy):
    flow = dense_flow(*shifted(dx, dy), preset=preset)[20:-20, 20:-20]
    assert flow.dtype == np.float32
    assert np.abs(flow - (dx, dy)).mean() < 0.1


def test_refinement_smooths_what_moves_alike():
    roughness = [
        np.abs(np.diff(dense_flow(*shifted(3, -2), preset="balanced", refinements=passes), axis=1)).mean()
        for passes in (0, 5)
    ]
    assert roughness[1] < 0.75 * roughness[0]


def test_warping_the_second_picture_back_gives_the_first():
    a, b = shifted(5, 4)
    back = warp(b, dense_flow(a, b, preset="best"))
    assert np.abs(back.astype(int) - a)[20:-20, 20:-20].mean() < 1.5


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (7, 3), (16, 200), (200, 16), (33, 31), (31, 700)])
@pytest.mark.parametrize("preset", ["fast", "balanced", "best"])
def test_any_size_has_a_flow(size, preset):
    a, b = np.random.default_rng(1).integers(0, 256, (2, *size, 3), np.uint8)
    flow = dense_flow(a, b, preset=preset)
    assert flow.shape == (*size, 2)
    assert np.isfinite(flow).all()


def test_depth_and_alpha_do_not_change_the_flow():
    a, b = shifted(4, 2)
    plain = dense_flow(a, b)
    deep = dense_flow(a.astype(np.uint16) * 257, b.astype(np.uint16) * 257)
    opaque = [np.dstack([side, np.full(side.shape[:2], 255, np.uint8)]) for side in (a, b)]
    assert np.array_equal(deep, plain)
    assert np.array_equal(dense_flow(*opaque), plain)


def test_a_black_shape_on_nothing_is_seen():
    picture = np.zeros((40, 40, 4), np.uint8)
    picture[10:20, 10:20, 3] = 255
    assert luma8(picture)[15, 15] == 0
    assert luma8(picture)[30, 30] == 128


def test_flows_that_agree_are_consistent_and_what_is_covered_is_not():
    a, b = shifted(0, 0)
    sprite = ground(40, 40, seed=8)
    a[40:80, 20:60] = sprite
    b[40:80, 32:72] = sprite
    forward, backward = dense_flow(a, b, preset="balanced"), dense_flow(b, a, preset="balanced")
    distance = inconsistency(forward, backward)
    covered = np.zeros((120, 160), bool)
    covered[44:76, 63:70] = True
    far = np.ones((120, 160), bool)
    far[25:95, 5:90] = False
    assert distance[far].mean() < 0.05
    assert np.median(distance[covered]) > 2


@settings(deadline=None, max_examples=25)
@given(st.floats(-6, 6), st.floats(-6, 6))
def test_warping_along_a_constant_flow_and_back_keeps_a_plane(dx, dy):
    y, x = np.mgrid[:40, :50].astype(np.float32)
    plane = 2 * x + y
    flow = np.empty((40, 50, 2), np.float32)
    flow[:] = dx, dy
    again = warp(warp(plane, flow), -flow)
    # Bilinear weights are kept to 1/32 of a pixel.
    assert np.abs(again - plane)[12:-12, 12:-12].max() < 3 * 2 / 32 + 1e-3

"""The stage tells the truth: its flow, masks and backgrounds agree with its pictures."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moviola.frames import Frames
from moviola.stage import Motion, Scene, Shot, Sprite, demo_scene, render, sample, texture

SIZE = (96, 64)

motions = st.builds(
    Motion,
    position=st.tuples(st.floats(-40, 40), st.floats(-25, 25)),
    velocity=st.tuples(st.floats(-90, 90), st.floats(-90, 90)),
    sway=st.tuples(st.floats(0, 10), st.floats(0, 10)),
    turn=st.floats(-180, 180),
    spin=st.floats(-90, 90),
    growth=st.floats(0.7, 1.4),
)
sprites = st.builds(
    Sprite,
    shape=st.sampled_from(["disc", "square", "star"]),
    radius=st.floats(6, 25),
    colour=st.tuples(*[st.floats(0, 1)] * 3),
    motion=motions,
    seed=st.integers(0, 3),
)
shots = st.builds(
    Shot,
    seconds=st.floats(0.2, 0.6),
    ground=st.integers(0, 3),
    camera=motions,
    sprites=st.lists(sprites, max_size=3).map(tuple),
)
scenes = st.builds(Scene, st.lists(shots, min_size=1, max_size=2).map(tuple), st.just(SIZE))


def every_frame(scene: Scene, chunk: int = 16) -> np.ndarray:
    return Frames.concatenate(render(scene).frames(chunk=chunk)).data


def fetched(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear look-up, written apart from the stage's own."""
    height, width = picture.shape[:2]
    left, top = np.clip(x.astype(int), 0, width - 2), np.clip(y.astype(int), 0, height - 2)
    u, v = (x - left)[..., None], (y - top)[..., None]
    upper = picture[top, left] * (1 - u) + picture[top, left + 1] * u
    lower = picture[top + 1, left] * (1 - u) + picture[top + 1, left + 1] * u
    return upper * (1 - v) + lower * v


@given(scenes)
@settings(max_examples=30, deadline=None)
def test_next_frame_warped_back_by_the_flow_is_this_frame(scene: Scene) -> None:
    stage = render(scene)
    pictures = every_frame(scene).astype(np.float64)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]].astype(np.float64)
    for index, (here, there) in enumerate(pairwise(pictures)):
        flow = stage.flow(index)
        error = np.abs(fetched(there, x + flow.vectors[..., 0], y + flow.vectors[..., 1]) - here).max(axis=2)
        # A soft edge mixes two layers that move apart: it is left to the other tests.
        sure = flow.valid & ~edges(stage.labels_at(stage.time_of(index)))
        if sure.any():
            assert np.median(error[sure]) < 5
            assert np.mean(error[sure] > 40) < 0.02


def edges(labels: np.ndarray) -> np.ndarray:
    """Pixels within two of another label."""
    near = np.zeros(labels.shape, bool)
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            near |= np.roll(labels, (dy, dx), (0, 1)) != labels
    return near


@given(scenes, st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_outside_of_the_mask_the_picture_is_the_background(scene: Scene, share: float) -> None:
    stage, t = render(scene), share * scene.seconds
    mask = stage.mask_at(t)
    assert np.array_equal(stage.frame_at(t)[~mask], stage.background_at(t)[~mask])
    assert mask[stage.labels_at(t) > 0].all()


@given(scenes, st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_pictures_change_without_jumps_between_cuts(scene: Scene, share: float) -> None:
    stage, t = render(scene), share * scene.shots[0].seconds * 0.9
    for step, most in ((1e-5, 1), (1e-3, 12)):
        change = np.abs(stage.frame_at(t + step).astype(int) - stage.frame_at(t))
        assert np.mean(change > most) < 0.02


@given(scenes, st.integers(1, 7))
@settings(max_examples=15, deadline=None)
def test_the_same_scene_gives_the_same_pixels_in_chunks_of_any_size(scene: Scene, chunk: int) -> None:
    assert np.array_equal(every_frame(scene), every_frame(scene, chunk))


def test_a_mask_covers_all_that_a_sprite_changes() -> None:
    disc = Sprite("disc", 12, (1, 0, 0), Motion((5, 3)))
    stage = render(Scene((Shot(1, sprites=(disc,)),), SIZE))
    changed = (stage.frame_at(0) != stage.background_at(0)).any(axis=2)
    mask = stage.mask_at(0)
    assert mask.sum() == pytest.approx(np.pi * 12**2, rel=0.1)
    assert not (changed & ~mask).any()
    assert (changed & mask).sum() > 0.95 * mask.sum()
    row, column = np.nonzero(mask)
    assert column.mean() == pytest.approx((SIZE[0] - 1) / 2 + 5, abs=0.1)
    assert row.mean() == pytest.approx((SIZE[1] - 1) / 2 + 3, abs=0.1)


def test_a_panning_camera_moves_the_ground_the_other_way() -> None:
    stage = render(Scene((Shot(1, camera=Motion(velocity=(50, -25))),), SIZE, Fraction(25)))
    flow = stage.flow(0)
    assert np.allclose(flow.vectors, (-2, 1), atol=1e-4)
    assert flow.valid[:-1, 2:].all()
    assert not flow.valid[:, :2].any()
    assert not flow.valid[-1].any()


def test_flow_has_no_say_where_a_sprite_comes_to_cover_another() -> None:
    still = Sprite("square", 10, (0, 1, 0), Motion((0, 0)))
    comes = Sprite("square", 10, (1, 0, 0), Motion((-30, 0), velocity=(250, 0)))
    stage = render(Scene((Shot(1, sprites=(still, comes)),), SIZE, Fraction(25)))
    hidden = (stage.labels_at(0.08) == 1) & (stage.labels_at(0.12) == 2)
    assert hidden.sum() > 100
    assert not stage.flow(2).valid[hidden].any()
    assert np.allclose(stage.flow(2).vectors[stage.labels_at(0.08) == 2], (10, 0), atol=1e-4)


def test_a_cut_falls_on_its_frame_and_breaks_the_flow() -> None:
    scene = Scene((Shot(0.4, ground=1), Shot(0.4, ground=2)), SIZE, Fraction(25))
    stage, pictures = render(scene), every_frame(scene).astype(int)
    assert scene.cuts == (0.4,)
    assert stage.cut_frames == (10,)
    changes = np.abs(np.diff(pictures, axis=0)).mean(axis=(1, 2, 3))
    assert np.nonzero(changes)[0].tolist() == [9]
    assert not stage.flow(9).valid.any()
    assert stage.flow(8).valid.all()
    assert np.array_equal(stage.frame_at(0.3999), pictures[9])


def test_frames_and_masks_carry_the_times_of_the_rate() -> None:
    scene = Scene(
        (Shot(0.5, sprites=(Sprite("star", 9, (0, 0, 1), Motion()),)),), SIZE, Fraction(30000, 1001)
    )
    stage = render(scene)
    frames, masks = Frames.concatenate(stage.frames(chunk=4)), stage.masks()
    assert len(stage) == len(frames) == len(masks) == 15
    assert np.array_equal(frames.pts_seconds, np.arange(15) * 1001 / 30000)
    assert np.array_equal(masks.pts_seconds, frames.pts_seconds)
    assert np.array_equal(masks.data[3], stage.mask_at(frames.pts_seconds[3]))
    assert np.array_equal(stage.masks(3, 5).data, masks.data[3:5])


def test_the_ground_paves_the_plane_without_a_seam() -> None:
    tile = texture(5, tile=128)
    along = np.abs(np.diff(tile, axis=2)).mean()
    seam = np.abs(tile[:, :, 0] - tile[:, :, -1]).mean()
    assert seam < 2 * along
    z = np.arange(-3, 3, 0.37, dtype=np.float32)[None] + 0j
    assert np.allclose(sample(tile, z), sample(tile, z + 64 + 128j), atol=0.01)


def test_the_demo_has_a_crossing_a_cut_and_a_caption() -> None:
    scene = demo_scene(seconds=2, size=(160, 90))
    stage = render(scene)
    assert len(stage) == 50
    assert stage.cut_frames == (30,)
    counts = [np.bincount(stage.labels_at(t).ravel(), minlength=3)[1] for t in (0.0, 0.5, 0.6, 0.7)]
    assert min(counts[1:]) < 0.8 * counts[0], "the star hides part of the disc on its way"
    for thing in ("disc", "star", "square"):
        assert thing in stage.caption
    assert not np.array_equal(stage.frame_at(0), render(demo_scene(2, (160, 90), seed=9)).frame_at(0))

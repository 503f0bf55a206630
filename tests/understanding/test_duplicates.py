"""Frames that show nothing new are left out, and no other ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.clip import Clip
from moviola.frames import Frames
from moviola.stage import Motion, Scene, Shot, Sprite, render
from moviola.understanding.duplicates import THRESHOLD, difference, distinct, look

SIZE = (320, 180)


def still(ground: int = 0) -> np.ndarray:
    return render(Scene((Shot(1, ground),), SIZE)).frame_at(0)


def kept(pictures, **asked) -> list[int]:
    return np.flatnonzero(distinct(map(look, pictures), **asked)).tolist()


def noisy(picture: np.ndarray, level: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, level, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def test_a_look_is_the_mean_of_the_cells():
    picture = np.zeros((36, 64, 3), np.uint8)
    picture[:2, :2] = [[(8, 0, 0), (0, 8, 0)], [(0, 0, 8), (8, 8, 8)]]
    cells = look(picture)
    assert cells.shape == (18, 32, 3)
    assert cells[0, 0].tolist() == [4, 4, 4]
    assert not cells.any(axis=2)[1:].any()
    assert not cells.any(axis=2)[:, 1:].any()


@pytest.mark.parametrize("size", [(1, 1), (2, 40), (17, 31), (37, 100), (1080, 1920), (640, 360)])
def test_pictures_of_any_size_have_looks(size):
    cells = look(np.full((*size, 3), 77, np.uint8))
    assert cells.shape == (min(18, size[0]), min(32, size[1]), 3)
    assert (cells == 77).all()


def test_a_look_holds_on_to_no_picture():
    picture = still()
    cells = look(picture)
    before = cells.copy()
    picture[:] = 0
    assert np.array_equal(cells, before)


def test_the_difference_is_the_mean_and_the_largest_of_the_cells():
    a = np.zeros((18, 32, 3), np.float32)
    b = a.copy()
    b[3, 4] = (30, 0, 0)
    b[5, 6] = (0, -3, 3)
    assert difference(a, b) == pytest.approx(10 + (10 + 2) / (18 * 32))
    assert difference(a, a + 7) == pytest.approx(14)
    assert difference(b, a) == difference(a, b)


def test_slides_are_shown_once_each_however_noisy():
    slides = [still(ground) for ground in range(3)]
    shown = [noisy(slides[number // 10], 8, number) for number in range(30)]
    assert kept(shown) == [0, 10, 20]


def test_a_small_thing_that_moves_on_a_still_ground_is_not_lost():
    radius = (0.002 * SIZE[0] * SIZE[1] / np.pi) ** 0.5  # of a disc with 0.2 % of the picture
    ball = Sprite("disc", radius, (0.5, 0.5, 0.5), Motion((-60, 0), (4 * radius, 0)))
    frames = next(render(Scene((Shot(4, 1, sprites=(ball,)),), SIZE, rate=2)).frames())
    assert kept(frames.data) == list(range(8))


def test_a_colour_that_changes_at_the_same_brightness_is_seen():
    grey = np.full((90, 160, 3), 120, np.uint8)
    red = grey.copy()
    red[40:50, 60:80] = (220, 82, 56)
    luma = np.array([0.299, 0.587, 0.114])
    assert (red @ luma).max() == pytest.approx(120, abs=1)
    assert kept([grey, red]) == [0, 1]


def test_what_changes_slowly_is_kept_now_and_then():
    ramp = [np.full((36, 64, 3), level, np.uint8) for level in range(100, 124)]
    # Level differences count twice, in the mean and in the largest: 6 levels are 12.
    assert kept(ramp) == [0, 6, 12, 18]


def test_the_last_one_kept_is_what_counts_and_not_the_one_before():
    a, b = still(1), still(2)
    assert kept([a, b, a, a, b]) == [0, 1, 2, 4]


def test_so_many_remain_at_least_evenly_spread():
    same = [still()] * 9
    assert kept(same) == [0]
    assert kept(same, least=3) == [0, 3, 7]
    assert kept(same, group=2) == [0, 5]
    assert kept([*same, still(1), still(2)], least=2, group=2) == [0, 5, 9, 10]
    assert kept(same, least=20) == list(range(9))
    assert kept([]) == []


@given(
    levels=st.lists(st.integers(0, 60), min_size=1, max_size=40),
    least=st.integers(1, 12),
    group=st.integers(1, 4),
)
def test_laws_of_what_is_kept(levels, least, group):
    looks = [np.full((2, 2, 3), level, np.float32) for level in levels]
    free = distinct(iter(looks))
    assert free[0]
    last = looks[0]
    for new, stays in zip(looks[1:], free[1:], strict=True):
        assert stays == (difference(last, new) >= THRESHOLD)
        last = new if stays else last
    mask = distinct(iter(looks), least=least, group=group)
    assert mask.shape == (len(levels),)
    assert mask[free].all()
    goal = max(least, int(free.sum()))
    assert mask.sum() == min(len(levels), -(-goal // group) * group)


def test_frames_are_compared_as_they_are_decoded(tmp_path):
    slides = np.stack([still(ground) for ground in (0, 0, 1, 1, 1, 2)])
    clip = Clip(Frames(slides, np.arange(6.0), np.ones(6))).save(tmp_path / "slides.mp4")
    made = clip.source.reduced_at(range(6), lambda picture: (picture[::4, ::4].copy(), look(picture)))
    in_order = [made[number] for number in sorted(made)]
    assert np.flatnonzero(distinct(cells for _, cells in in_order)).tolist() == [0, 2, 5]


@pytest.mark.parametrize("name", ["sample_demo_3.mp4", "carphone_pristine.mp4", "bikes.mp4", "sam2_dog.mp4"])
def test_of_real_clips_in_which_something_moves_nothing_is_lost(media, name):
    """A still room with a child, a talking head, panning cameras, a dog: frames a second apart."""
    pictures = Clip(media / "clips" / name).sample(fps=1).data
    assert kept(pictures) == list(range(len(pictures)))


def test_a_real_clip_that_rests_now_and_then_is_thinned(media):
    """Hands come and lay out peppers; between them nothing moves for a moment."""
    pictures = Clip(media / "clips" / "sample_demo_9.mp4").sample(fps=12).data
    assert 0.4 * len(pictures) < len(kept(pictures)) < 0.8 * len(pictures)


@pytest.mark.parametrize("name", ["bikes.mp4", "carphone_pristine.mp4", "SOX5yA1l24A.mp4"])
@pytest.mark.parametrize("quality", [18, 28])
def test_a_still_of_a_real_clip_stays_one_frame_in_spite_of_noise_and_coding(media, tmp_path, name, quality):
    (one,) = Clip(media / "clips" / name).source.frames_at([20]).data
    again = np.stack([noisy(one, 4, number) for number in range(24)])
    clip = Clip(again, rate=25).save(tmp_path / "still.mp4", quality=quality)
    assert kept(clip.sample(n=24).data) == [0]

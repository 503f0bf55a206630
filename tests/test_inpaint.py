"""Holes are filled with what is really behind them, and nothing else is touched."""

import cv2
import numpy as np
import pytest

from moviola import inpaint
from moviola.inpaint.background import widened
from moviola.inpaint.paint import painted, softly_painted
from moviola.stage import Motion, Scene, Shot, Sprite, render

SIZE = (192, 128)


def fill(pictures: np.ndarray, masks: np.ndarray, grow: int = 4) -> np.ndarray:
    return inpaint.fill(pictures, np.stack([widened(mask, grow) for mask in masks]))


def filmed(camera: Motion, sprites: tuple[Sprite, ...], frames: int = 24):
    """Frames, masks of the sprites, and the same frames without sprites."""
    stage = render(Scene((Shot(frames / 25, ground=5, camera=camera, sprites=sprites),), SIZE))
    pictures = np.concatenate([part.data for part in stage.frames()])
    behind = np.stack([stage.background_at(stage.time_of(index)) for index in range(len(stage))])
    return pictures, stage.masks().data, behind


def decibels(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    top = 255 if a.dtype == np.uint8 else 65535
    error = np.mean(np.square(a[where].astype(float) - b[where]))
    return float(10 * np.log10(top**2 / max(error, 1e-9)))


def spatial(pictures: np.ndarray, masks: np.ndarray, method: int) -> np.ndarray:
    return np.stack(
        [
            cv2.inpaint(picture, mask.astype(np.uint8), 5, method)
            for picture, mask in zip(pictures, masks, strict=True)
        ]
    )


BALL = Sprite("disc", 14, (0.9, 0.3, 0.2), Motion(position=(-50, 0), velocity=(100, 10)))


def flicker(pictures: np.ndarray, behind: np.ndarray, where: np.ndarray) -> float:
    """How far the change from frame to frame is from the true change, inside of masks that overlap."""
    both = where[1:] & where[:-1]
    change, truth = np.diff(pictures.astype(int), axis=0), np.diff(behind.astype(int), axis=0)
    return float(np.abs(change - truth)[both].mean())


def test_a_still_camera_gives_back_the_very_background():
    pictures, masks, behind = filmed(Motion(), (BALL,))
    assert np.abs(fill(pictures, masks).astype(int) - behind).max() <= 1


@pytest.mark.parametrize(
    "camera",
    [Motion(velocity=(60, 20)), Motion(sway=(6, 4), period=0.7), Motion(spin=12, growth=1.15)],
    ids=["pan", "shake", "roll and zoom"],
)
def test_a_moving_camera_is_followed(camera):
    pictures, masks, behind = filmed(camera, (BALL,))
    filled = fill(pictures, masks)
    assert decibels(filled, behind, masks) > 40
    for method in (cv2.INPAINT_TELEA, cv2.INPAINT_NS):
        rival = spatial(pictures, masks, method)
        assert decibels(filled, behind, masks) > decibels(rival, behind, masks) + 10
        assert flicker(filled, behind, masks) < flicker(rival, behind, masks) / 2


def test_a_mark_that_stands_on_the_screen_is_filled_from_where_the_camera_shows_it():
    pictures, _, behind = filmed(Motion(velocity=(90, 0)), ())
    masks = np.zeros(pictures.shape[:3], bool)
    masks[:, 50:74, 80:110] = True
    pictures[masks] = 255
    assert decibels(fill(pictures, masks), behind, masks) > 35


def test_an_object_that_leaves_and_returns():
    visitor = Sprite("square", 12, (0.1, 0.4, 0.9), Motion(position=(-70, 0), sway=(120, 0), period=0.8))
    pictures, masks, behind = filmed(Motion(velocity=(15, 5)), (visitor,))
    here = masks.any((1, 2))
    assert here[0]
    assert here[-1]
    assert not here.all()
    filled = fill(pictures, masks)
    assert (filled[~here] == pictures[~here]).all()
    assert decibels(filled, behind, masks) > 38


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [3, 4])
def test_outside_of_the_grown_mask_every_bit_stays(dtype, channels):
    rng = np.random.default_rng(3)
    pictures = rng.integers(0, np.iinfo(dtype).max, (5, 40, 52, channels), dtype, endpoint=True)
    masks = np.zeros(pictures.shape[:3], bool)
    masks[:, 10:18, 20:30] = True
    before = pictures.copy()
    filled = fill(pictures, masks, grow=3)
    assert (pictures == before).all()
    assert filled.dtype == dtype
    untouched = cv2.dilate(masks[0].astype(np.uint8), np.ones((7, 7))) == 0
    assert (filled[:, untouched] == pictures[:, untouched]).all()
    assert (filled[..., 3:] == pictures[..., 3:]).all()
    assert (filled[masks][:, :3] != pictures[masks][:, :3]).any()


def test_sixteen_bits_are_filled_in_full_scale():
    pictures, masks, behind = filmed(Motion(velocity=(40, 10)), (BALL,), frames=16)
    deep = pictures.astype(np.uint16) * 257
    filled = fill(deep, masks)
    assert decibels(filled, behind.astype(np.uint16) * 257, masks) > 38
    assert len(np.unique(filled[masks] % 257)) > 100, "the values between those of 8 bits are used"


def test_nothing_masked_changes_nothing():
    pictures, masks, _ = filmed(Motion(velocity=(40, 10)), (BALL,), frames=4)
    assert (fill(pictures, np.zeros_like(masks)) == pictures).all()


def test_what_is_never_seen_is_painted_from_around_and_does_not_flicker():
    pictures, _, _ = filmed(Motion(), ())
    masks = np.zeros(pictures.shape[:3], bool)
    masks[:, 50:74, 80:110] = True
    rng = np.random.default_rng(4)
    pictures[masks] = rng.integers(0, 256, pictures[masks].shape)
    filled = fill(pictures, masks)
    assert np.abs(np.diff(filled.astype(int), axis=0)).max() <= 1
    around = cv2.dilate(masks[0].astype(np.uint8), np.ones((21, 21))) > masks[0]
    low, high = pictures[0][around].min(0).astype(int), pictures[0][around].max(0).astype(int)
    inside = filled[0][masks[0]]
    assert (inside >= low - 8).all()
    assert (inside <= high + 8).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "hole", [(30, 70, 40, 90), (0, 40, 0, 40), (10, 90, 61, 127)], ids=["middle", "corner", "large"]
)
def test_painting_goes_on_with_the_texture(dtype, hole):
    top = np.iinfo(dtype).max
    stripes = np.where(np.arange(127) % 12 < 6, 0.2, 0.8) * top
    picture = np.broadcast_to(stripes[None, :, None], (101, 127, 3)).astype(dtype)
    gap = np.zeros(picture.shape[:2], bool)
    gap[hole[0] : hole[1], hole[2] : hole[3]] = True
    torn = picture.copy()
    torn[gap] = top
    filled = painted(torn, gap)
    assert (filled[~gap] == picture[~gap]).all()
    soft = softly_painted(torn, gap)
    assert decibels(filled, picture, gap) > decibels(soft, picture, gap) + 3
    assert (painted(torn, gap) == filled).all()


def test_one_frame_alone_is_painted():
    picture = np.full((1, 48, 64, 3), 90, np.uint8)
    mask = np.zeros((1, 48, 64), bool)
    mask[0, 20:30, 25:40] = True
    picture[mask] = 255
    assert np.abs(fill(picture, mask).astype(int) - 90).max() <= 1


@pytest.mark.parametrize("size", [(1, 2), (2, 2), (40, 1), (3, 40), (31, 33)])
def test_tiny_pictures_work(size):
    rng = np.random.default_rng(5)
    pictures = rng.integers(0, 256, (4, *size, 3), np.uint8)
    masks = np.zeros(pictures.shape[:3], bool)
    masks[:, 0, 0] = True
    filled = fill(pictures, masks)
    assert filled.shape == pictures.shape


def test_the_same_input_gives_the_same_answer():
    pictures, masks, _ = filmed(Motion(velocity=(60, 20)), (BALL,), frames=10)
    assert (fill(pictures, masks) == fill(pictures, masks)).all()

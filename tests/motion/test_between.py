"""Pictures in between: close to the truth, sharp where motion is known, safe where it is not."""

import numpy as np
import pytest
from PIL import Image

from moviola.motion.between import interpolate_pair
from moviola.stage import Motion, Scene, Shot, Sprite, render

SPRITE = Sprite("disc", 24, (0.9, 0.2, 0.1), Motion(position=(-30, 0), velocity=(200, 40)))
SHOT = Shot(1, ground=4, camera=Motion(velocity=(60, -25)), sprites=(SPRITE,))
STAGE = render(Scene((SHOT,), size=(240, 160), rate=25))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Decibels, of uint8 pictures."""
    return float(10 * np.log10(255**2 / np.mean(np.square(a.astype(np.float64) - b))))


def blend(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    return np.rint((1 - t) * a + t * b).astype(a.dtype)


@pytest.mark.parametrize("quality", ["fast", "balanced", "best"])
def test_a_rendered_scene_is_met_at_any_time(quality):
    times = [0.1, 0.25, 0.5, 0.8]
    a, b = STAGE.frame_at(0.2), STAGE.frame_at(0.28)
    for t, picture in zip(times, interpolate_pair(a, b, times, quality=quality), strict=True):
        truth = STAGE.frame_at(0.2 + 0.08 * t)
        assert psnr(picture, truth) > 30
        assert psnr(picture, truth) > psnr(blend(a, b, t), truth) + 5


def test_the_ends_are_the_pictures_themselves():
    a, b = STAGE.frame_at(0), STAGE.frame_at(0.04)
    first, last = interpolate_pair(a, b, [0, 1])
    assert np.array_equal(first, a)
    assert np.array_equal(last, b)


def test_time_runs_the_same_both_ways():
    a, b = STAGE.frame_at(0.2), STAGE.frame_at(0.24)
    (there,), (back,) = interpolate_pair(a, b, [0.3]), interpolate_pair(b, a, [0.7])
    assert psnr(there, back) > 38


def test_sixteen_bits_keep_their_depth():
    a, b = (STAGE.frame_at(t).astype(np.uint16) * 257 + 100 * (t > 0) for t in (0, 0.04))
    (deep,) = interpolate_pair(a, b, [0.5])
    (shallow,) = interpolate_pair((a // 257).astype(np.uint8), (b // 257).astype(np.uint8), [0.5])
    assert deep.dtype == np.uint16
    assert psnr(deep / 257, shallow) > 45
    assert len(np.unique(deep)) > 1000


def test_transparency_moves_with_its_shape_and_lends_no_colour():
    a, b = (np.zeros((64, 96, 4), np.uint8) for _ in "ab")
    a[..., :3] = b[..., :3] = (0, 255, 0)  # hidden under full transparency
    a[20:44, 20:44] = b[20:44, 32:56] = (200, 40, 40, 255)
    (middle,) = interpolate_pair(a, b, [0.5])
    expected = np.zeros((64, 96))
    expected[20:44, 26:50] = 255
    assert np.abs(middle[..., 3] - expected).mean() < 4
    visible = middle[..., 3] > 40
    assert np.abs(middle[visible][:, :3].astype(int) - (200, 40, 40)).max() < 12


@pytest.mark.parametrize("size", [(1, 1), (1, 64), (2, 3), (9, 200), (35, 33)])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_size_and_kind_has_a_picture_between(size, channels, dtype):
    top = np.iinfo(dtype).max
    a, b = np.random.default_rng(2).integers(0, top, (2, *size, channels), dtype, endpoint=True)
    pictures = interpolate_pair(a, b, [0.25, 0.5])
    assert pictures.shape == (2, *size, channels)
    assert pictures.dtype == dtype


def test_white_stays_white_in_sixteen_bits():
    a = STAGE.frame_at(0).astype(np.uint16) * 257
    b = STAGE.frame_at(0.04).astype(np.uint16) * 257
    a[40:120, 100:200] = b[40:120, 100:200] = 65535
    (middle,) = interpolate_pair(a, b, [0.5])
    assert (middle[60:100, 120:180] == 65535).all()


def test_identical_pictures_stay_untouched():
    a = STAGE.frame_at(0)
    for picture in interpolate_pair(a, a.copy(), [0.2, 0.5, 0.9]):
        assert np.array_equal(picture, a)


def test_noise_on_a_still_picture_is_not_taken_for_motion():
    rng = np.random.default_rng(5)
    still = STAGE.frame_at(0).clip(20, 235)
    a, b = (np.rint(still + rng.normal(0, 0.8, still.shape)).astype(np.uint8) for _ in "ab")
    (middle,) = interpolate_pair(a, b, [0.5])
    assert np.array_equal(middle, blend(a, b, 0.5)) or psnr(middle, still) > psnr(a, still)


def test_a_slow_fade_is_followed():
    a = STAGE.frame_at(0)
    b = (a * 0.9).astype(np.uint8)
    (middle,) = interpolate_pair(a, b, [0.5])
    assert psnr(middle, a * 0.95) > 34


def test_pictures_without_common_content_are_no_worse_than_a_blend():
    a, b = STAGE.frame_at(0), np.ascontiguousarray(STAGE.frame_at(0.9)[::-1, ::-1])
    (middle,) = interpolate_pair(a, b, [0.5])
    mean = blend(a, b, 0.5)
    assert abs(float(middle.mean()) - float(mean.mean())) < 12
    # Torn pieces would add edges that neither picture has.
    edges = lambda image: float(np.abs(np.diff(image.astype(float), axis=1)).mean())  # noqa: E731
    assert edges(middle) < 1.2 * max(edges(a), edges(b))


def test_what_enters_the_picture_is_taken_from_the_frame_that_shows_it():
    wide = STAGE.frame_at(0)
    a, b = (np.ascontiguousarray(wide[:, x : x + 180]) for x in (0, 24))
    (middle,) = interpolate_pair(a, b, [0.5])
    truth, mean = wide[:, 12:192], blend(a, b, 0.5)
    for edge in (slice(0, 12), slice(-12, None)):
        assert psnr(middle[:, edge], truth[:, edge]) > psnr(mean[:, edge], truth[:, edge]) + 3


def test_real_triplets_are_met(media):
    scores = []
    for truth in sorted((media / "interpolation/davis/gt").glob("*/frame10i11.png")):
        folder = media / "interpolation/davis/input" / truth.parent.name
        a, b, between = (
            np.asarray(Image.open(path).convert("RGB"))
            for path in (folder / "frame10.png", folder / "frame11.png", truth)
        )
        scores.append(psnr(interpolate_pair(a, b, [0.5])[0], between))
    assert len(scores) == 7
    assert np.mean(scores) > 25.3

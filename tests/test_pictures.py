"""Single pictures that a request names."""

import numpy as np
import pytest
from PIL import Image

from moviola.errors import InputError
from moviola.film import film
from moviola.pictures import feathered, fitted, pasted, picture
from moviola.stage import Scene, Shot


def test_a_picture_is_read_from_whatever_holds_one(tmp_path):
    array = np.random.default_rng(0).integers(0, 255, (8, 12, 3), np.uint8)
    file = tmp_path / "one.png"
    Image.fromarray(array).save(file)
    for origin in (array, array[None], Image.fromarray(array), file, str(file)):
        assert np.array_equal(np.asarray(picture(origin, "image")), array)


def test_of_a_video_it_is_the_first_frame(tmp_path):
    clip = film(Scene((Shot(0.2),), size=(32, 16)), tmp_path / "clip.mp4")
    assert picture(clip, "image").size == (32, 16)


def test_a_damaged_or_absent_picture_is_one_clear_line(tmp_path):
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    for origin in (damaged, tmp_path / "absent.png"):
        with pytest.raises(InputError) as error:
            picture(origin, "image")
        assert origin.name in str(error.value)


def test_fitting_covers_the_size_and_cuts_evenly():
    stripes = np.zeros((10, 40, 3), np.uint8)
    stripes[:, 15:25] = 255
    square = np.asarray(fitted(Image.fromarray(stripes), (10, 10)))
    assert square.shape == (10, 10, 3)
    assert square.min() > 200


@pytest.mark.parametrize("size", [(47, 33), (1279, 719), (333, 211)])
def test_any_size_is_fitted_to_any_other(size):
    image = Image.new("RGB", size)
    for width in range(2, 64, 3):
        assert fitted(image, (width, round(width * size[1] / size[0]))).width == width


def test_a_picture_of_the_right_size_is_not_touched():
    image = Image.new("RGB", (8, 8))
    assert fitted(image, (8, 8)) is image


def test_a_change_shows_whole_under_its_mask_fades_around_it_and_ends():
    mask = Image.new("L", (200, 160))
    mask.paste(255, (80, 60, 120, 100))
    shown = feathered(mask)
    assert (shown[60:100, 80:120] == 1).all()
    assert 0 < shown[80, 122] < 1
    assert (shown[:, :70] == 0).all()
    original = Image.new("RGB", (200, 160), (10, 20, 30))
    mixed = pasted(np.full((160, 200, 3), 200, np.uint8), original, shown)
    assert (mixed[80, 100] == 200).all()
    assert np.array_equal(mixed[:, :70], np.asarray(original)[:, :70])

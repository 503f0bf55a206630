"""Removal at the edges, from file to file, with and without a network."""

import numpy as np
import pytest
from PIL import Image

import moviola
from moviola import registry, weights
from moviola.clip import Clip
from moviola.errors import InputError
from moviola.frames import Frames
from moviola.models import propainter
from moviola.tasks import VideoResult


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    weights.write_own_card(propainter.tiny(registry.find("propainter")[1], folder), folder)
    return folder


@pytest.fixture(params=["propagate", "propainter"])
def model(request, tiny):
    if request.param == "propagate":
        return {"model": "propagate"}
    return {"model": "propainter", "weights": tiny, "device": "cpu", "options": {"iterations": 1}}


def pictures(count: int, height: int, width: int, channels: int = 3) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(
        0, 256, (height // 8 + 1, (width + 2 * count) // 8 + 1, channels)
    )
    ground = coarse.astype(np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    return np.stack([ground[:height, 2 * n : 2 * n + width] for n in range(count)])


def removed(pixels: np.ndarray, mask, output, model, **fields) -> tuple[np.ndarray, VideoResult]:
    result = moviola.remove(pixels, mask=mask, output=output, **model, **fields)
    return Frames.concatenate(Clip(result.output).chunks()).data, result


@pytest.mark.parametrize("count", [1, 2])
def test_a_clip_of_a_frame_or_two(model, count, tmp_path):
    made, result = removed(pictures(count, 48, 64), "20,16,12,10", f"{tmp_path}/out/", model)
    assert result.frames == len(made) == count


def test_a_clip_one_pixel_wide(model, tmp_path):
    made, _ = removed(pictures(3, 40, 1), "0,12,1,6", tmp_path / "out.webm", model, grow=1)
    assert made.shape == (3, 40, 1, 3)


def test_an_object_that_leaves_and_returns(model, tmp_path):
    pixels = pictures(9, 48, 64)
    masks = np.zeros(pixels.shape[:3], bool)
    for index in (0, 1, 2, 6, 7, 8):
        masks[index, 16:26, 3 + 6 * index : 13 + 6 * index] = True
    pixels[masks] = 255
    here = masks.any((1, 2))
    made, _ = removed(pixels, masks, f"{tmp_path}/out/", model, grow=1)
    assert np.array_equal(made[~here], pixels[~here])
    assert (np.abs(made.astype(int) - pixels)[masks] > 20).any()


def test_an_animation_with_transparency(model, tmp_path):
    pixels = pictures(4, 48, 64)
    images = []
    for picture in pixels:
        image = Image.fromarray(picture).convert("RGBA")
        image.paste((0, 0, 0, 0), (0, 0, 16, 16))
        images.append(image)
    source = tmp_path / "in.gif"
    images[0].save(source, save_all=True, append_images=images[1:], duration=80, disposal=2)
    result = moviola.remove(source, mask="30,20,12,10", output=tmp_path / "out.gif", **model)
    made = Frames.concatenate(Clip(result.output).chunks(alpha=True)).data
    assert len(made) == 4
    assert (made[:, 2:14, 2:14, 3] == 0).all()
    assert (made[:, 20:, 20:, 3] == 255).all()


def test_frames_that_are_covered_wholly(model, tmp_path):
    masks = np.zeros((5, 48, 64), bool)
    masks[:, 16:26, 20:32] = True
    masks[2] = True
    made, _ = removed(pictures(5, 48, 64), masks, f"{tmp_path}/out/", model)
    assert made.shape == (5, 48, 64, 3)
    masks[:] = True
    with pytest.raises(InputError, match="selects every pixel"):
        removed(pictures(5, 48, 64), masks, f"{tmp_path}/none/", model)


def test_an_empty_mask_changes_nothing_and_says_so(model, tmp_path):
    pixels = pictures(3, 48, 64)
    made, result = removed(pixels, np.zeros((48, 64), bool), f"{tmp_path}/out/", model)
    assert np.array_equal(made, pixels)
    assert "mask array selects nothing; the pictures are unchanged" in result.notes

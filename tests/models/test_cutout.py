"""The object kept and its background removed, from file to file."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import moviola
from moviola.clip import Clip
from moviola.errors import InputError, RequestError
from moviola.film import film
from moviola.stage import Motion, Scene, Shot, Sprite, render

SPRITE = Sprite("disc", 14, (0.9, 0.2, 0.1), Motion(position=(-30, 0), velocity=(60, 0)))
SCENE = Scene((Shot(0.4, ground=3, sprites=(SPRITE,)),), size=(160, 96), rate=Fraction(25))


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return film(SCENE, tmp_path_factory.mktemp("film") / "clip.mkv", codec="ffv1")


@pytest.fixture(scope="module")
def masks() -> np.ndarray:
    """(T, H, W), True on the disc."""
    return render(SCENE).masks().data


def pixels(path: Path, *, depth: int = 8, alpha: bool = True) -> np.ndarray:
    return np.concatenate([chunk.data for chunk in Clip(path).chunks(depth=depth, alpha=alpha)])


def test_on_transparency_the_object_is_the_input_and_the_rest_is_not_there(clip, masks, tmp_path):
    result = moviola.remove(clip, mask=masks, keep="transparent", output=tmp_path / "out.mkv", codec="ffv1")
    made, given = pixels(result.output), pixels(clip)
    assert np.array_equal(made[..., 3], np.where(masks, 255, 0))
    assert np.array_equal(made[masks], given[masks])
    assert result.recipe["model"] == "cutout"
    assert result.recipe["request"]["keep"] == "transparent"


def test_over_a_colour_the_object_is_the_input(clip, masks, tmp_path):
    result = moviola.remove(clip, mask=masks, keep="#ff8000", output=tmp_path / "%05d.png")
    made, given = pixels(tmp_path), pixels(clip, alpha=False)
    assert not Clip(result.output.parent).info.video.alpha
    assert np.array_equal(made[masks][:, :3], given[masks])
    assert (made[~masks][:, :3] == (255, 128, 0)).all()


def test_the_edge_fades_around_the_grown_mask(clip, masks, tmp_path):
    fields = {"mask": masks, "keep": "transparent", "codec": "ffv1", "feather": 3}
    made = pixels(moviola.remove(clip, **fields, output=tmp_path / "out.mkv").output)
    wide = moviola.remove(clip, **fields, grow=2, output=tmp_path / "wide.mkv").output
    levels = np.unique(made[..., 3])
    assert levels[0] == 0
    assert levels[-1] == 255
    assert len(levels) > 4
    assert np.array_equal(made[..., 3] == 255, masks)
    assert ((pixels(wide)[..., 3] == 255) >= masks).all()
    assert (pixels(wide)[..., 3] == 255).sum() > masks.sum()


def test_the_videos_own_transparency_is_multiplied_in(masks, tmp_path):
    given = np.random.default_rng(0).integers(0, 256, (*masks.shape, 4), np.uint8)
    asked = {"video": given, "mask": masks}
    clear = moviola.remove(**asked, keep="transparent", output=tmp_path / "a.mkv", codec="ffv1")
    assert np.array_equal(pixels(clear.output)[..., 3], given[..., 3] * masks)
    over = moviola.remove(**asked, keep="white", output=tmp_path / "b.mkv", codec="ffv1")
    share = (given[..., 3:] / 255) * masks[..., None]
    assert not Clip(over.output).info.video.alpha
    assert np.allclose(pixels(over.output)[..., :3], given[..., :3] * share + 255 * (1 - share), atol=0.51)


def test_ten_bits_are_kept_with_transparency(masks, tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (*masks.shape, 3), np.uint16)
    kept = moviola.remove(deep, mask=masks, keep="transparent", output=tmp_path / "a.mov")
    video = Clip(kept.output).info.video
    assert video.codec == "prores"
    assert video.bit_depth >= 10
    assert video.alpha
    exact = moviola.remove(deep, mask=masks, keep="transparent", output=tmp_path / "b.mkv", codec="ffv1")
    made = pixels(exact.output, depth=16)
    assert np.array_equal(made[masks][:, :3], deep[masks])


@pytest.mark.parametrize("name", ["a.webm", "a.mkv", "a.mov", "a.gif", "a.webp", "frames/%05d.png"])
def test_every_format_with_transparency_will_do(clip, name, tmp_path):
    output = tmp_path / name
    moviola.remove(clip, mask="40,20,60,50", keep="transparent", output=output)
    made = pixels(output.parent if "%" in name else output)
    assert made[0, 40, 70, 3] == 255
    assert made[0, 5, 5, 3] == 0


def test_the_output_is_named_so_that_it_can_be_transparent(clip, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    clear = moviola.remove(clip, mask="40,20,60,50", keep="transparent")
    assert clear.output == Path("clip-remove.webm")
    assert moviola.remove(clip, mask="40,20,60,50", keep="black").output == Path("clip-remove.mp4")


def test_a_format_without_transparency_is_refused_by_naming_those_with_it(clip, tmp_path):
    for bad in ({"output": "a.mp4"}, {"output": "a.mp4", "codec": "vp9"}):
        with pytest.raises(RequestError, match=r"cannot hold transparency; write one of .*\.webm"):
            moviola.remove(clip, mask="1,1,5,5", keep="transparent", **bad)
    with pytest.raises(RequestError, match="h264 stores no transparency"):
        moviola.remove(clip, mask="1,1,5,5", keep="transparent", output="a.mkv", codec="h264")


def test_models_that_keep_and_models_that_fill_are_told_apart(clip):
    with pytest.raises(RequestError, match="propagate removes objects and keeps none"):
        moviola.remove(clip, mask="1,1,5,5", keep="green", model="propagate")
    with pytest.raises(RequestError, match="cutout needs keep"):
        moviola.remove(clip, mask="1,1,5,5", model="cutout")


def test_an_empty_mask_leaves_nothing_and_a_full_one_everything(clip, tmp_path):
    black = Image.new("L", (160, 96))
    none = moviola.remove(clip, mask=black, keep="green", output=tmp_path / "none.mkv", codec="ffv1")
    assert "mask image selects nothing; everything vanishes" in none.notes
    assert (pixels(none.output)[..., :3] == (0, 255, 0)).all()
    white = Image.new("L", (160, 96), 255)
    every = moviola.remove(clip, mask=white, keep="green", output=tmp_path / "all.mkv", codec="ffv1")
    assert np.array_equal(pixels(every.output), pixels(clip))
    with pytest.raises(InputError, match="selects every pixel"):
        moviola.remove(clip, mask=white, output=tmp_path / "filled.mkv")

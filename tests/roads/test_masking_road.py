"""From what points at an object to its mask, and to a video without it."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import moviola
from moviola.clip import Clip
from moviola.errors import InputError, RequestError
from moviola.film import film
from moviola.media.masks import open_mask
from moviola.stage import Motion, Scene, Shot, Sprite, render

SPRITE = Sprite("disc", 14, (0.9, 0.2, 0.1), Motion(position=(-30, 0), velocity=(60, 0)))
SCENE = Scene((Shot(0.8, ground=3, sprites=(SPRITE,)),), size=(160, 96), rate=Fraction(25))


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return film(SCENE, tmp_path_factory.mktemp("film") / "clip.mkv", codec="ffv1")


def truth() -> np.ndarray:
    """(T, H, W), True on the disc."""
    return render(SCENE).masks().data


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_a_box_on_the_first_frame_becomes_a_mask_that_follows(clip, tmp_path):
    made = moviola.mask(clip, box="34,32,32,32", output=tmp_path / "mask.mkv")
    assert made.frames == made.seen == 20
    masks = open_mask(made.output, Clip(clip).source).at(0, 20)
    assert iou(masks, truth()) > 0.9


def test_an_object_that_is_pointed_at_is_removed_wherever_it_goes(clip, tmp_path):
    result = moviola.remove(clip, box="34,32,32,32", output=tmp_path / "clean.mkv", codec="ffv1")
    clean = np.concatenate([chunk.data for chunk in Clip(result.output).chunks()])
    given = np.concatenate([chunk.data for chunk in Clip(clip).chunks()])
    stage, on = render(SCENE), truth()
    behind = np.stack([stage.background_at(n / 25) for n in range(20)])

    def off(pictures: np.ndarray) -> float:
        return float(np.abs(pictures[on].astype(int) - behind[on]).mean())

    assert off(clean) < off(given) / 5
    assert result.frames == 20


def test_the_mask_that_was_followed_can_be_kept(clip, tmp_path):
    kept = tmp_path / "mask.mkv"
    moviola.remove(clip, box="34,32,32,32", save_mask=kept, output=tmp_path / "clean.mp4")
    assert iou(open_mask(kept, Clip(clip).source).at(0, 20), truth()) > 0.9


def test_exactly_one_thing_says_what(clip):
    with pytest.raises(RequestError, match="exactly one of mask, box, point, text and logo"):
        moviola.remove(clip, mask="1,1,5,5", box="1,1,5,5")
    with pytest.raises(RequestError, match="exactly one of mask, box, point, text and logo"):
        moviola.remove(clip)
    with pytest.raises(RequestError, match="exactly one of box, point and text"):
        moviola.mask(clip)


def test_what_is_outside_of_the_picture_is_refused_in_one_line(clip):
    with pytest.raises(RequestError, match="500"):
        moviola.mask(clip, point="500,500")
    with pytest.raises((RequestError, InputError), match="9"):
        moviola.mask(clip, point="50,50@9s")


def test_models_that_find_and_models_that_follow_are_told_apart(clip):
    with pytest.raises(RequestError, match="--detector"):
        moviola.mask(clip, box="1,1,5,5", model="grounding-dino-tiny")
    with pytest.raises(RequestError, match="choose another detector"):
        moviola.mask(clip, text="a disc", detector="track")

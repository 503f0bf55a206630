"""A logo is told from the scene behind it: by the clip alone, opaque or not, and doubt is said."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from moviola.clip import Clip
from moviola.masking.logo import GROWN, find, told_apart
from moviola.stage import Motion, Scene, Shot, render
from moviola.tasks.prompts import Box

SIZE = (160, 96)
BOX = Box(84, 8, 70, 34)


def scene(*, moving: bool = True) -> np.ndarray:
    camera = Motion(velocity=(60, 15)) if moving else Motion()
    shots = (Shot(1, ground=3, camera=camera), Shot(1, ground=8, camera=camera))
    return np.concatenate([part.data for part in render(Scene(shots, SIZE, Fraction(15))).frames()])


def letters() -> np.ndarray:
    """(H, W) in 0–1: how much of each pixel the logo covers."""
    picture = Image.new("L", SIZE)
    ImageDraw.Draw(picture).text((92, 10), "TV 8", 255, ImageFont.load_default(26))
    return np.asarray(picture) / 255


def stamped(pictures: np.ndarray, cover: np.ndarray, *, opacity: float, level: float) -> np.ndarray:
    weight = (cover * opacity)[..., None]
    return np.rint(pictures * (1 - weight) + level * weight).astype(np.uint8)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("opacity", [1.0, 0.5, 0.3])
@pytest.mark.parametrize("level", [250, 5])
def test_a_logo_is_found_opaque_or_not(monkeypatch, opacity, level):
    cover = letters()
    clip = Clip(stamped(scene(), cover, opacity=opacity, level=level), rate=15)
    wide = find(clip, BOX)
    assert wide.doubt is None
    assert (wide.selected >= (cover > 0.5)).all()
    monkeypatch.setattr("moviola.masking.logo.GROWN", 0)
    assert iou(find(clip, BOX).selected, cover > 0.5) > (0.65 if opacity < 0.5 else 0.75)


def test_an_opaque_logo_is_known_by_its_steadiness_where_it_is_no_brighter_than_the_scene():
    pictures = scene()
    cover = np.zeros(SIZE[::-1])
    cover[14:34, 96:140] = 1
    middle = np.median(pictures[:, 14:34, 96:140])
    found = find(Clip(stamped(pictures, cover, opacity=1, level=middle), rate=15), BOX)
    assert found.doubt is None
    assert (found.selected >= (cover > 0)).mean() > 0.99
    assert iou(found.selected, cover > 0) > 0.6


def test_where_there_is_no_logo_the_box_is_taken_and_that_is_said():
    found = find(Clip(scene(), rate=15), Box(10, 50, 40.5, 30))
    assert found.doubt == "nothing stands out"
    assert np.array_equal(np.argwhere(found.selected)[[0, -1]], [[50, 10], [79, 50]])
    assert found.selected.sum() == 30 * 41


@pytest.mark.parametrize("frames", [slice(None), slice(1)], ids=["a still scene", "one frame"])
def test_where_the_scene_stands_still_the_box_is_taken(frames):
    pictures = stamped(scene(moving=False)[:15], letters(), opacity=1, level=250)
    found = find(Clip(pictures[frames], rate=15), BOX)
    assert found.doubt == "the scene around it stands still"
    assert found.selected.sum() == 34 * 70


def test_where_all_of_the_box_stands_out_it_is_taken():
    cover = np.zeros(SIZE[::-1])
    cover[6:44, 82:156] = 1
    found = find(Clip(stamped(scene(), cover, opacity=1, level=250), rate=15), BOX)
    assert found.doubt == "all of it stands out"
    assert found.selected.sum() == 34 * 70


def test_nothing_outside_of_the_box_is_selected():
    whole = np.ones(SIZE[::-1], np.bool_)
    pictures = stamped(scene(), letters(), opacity=1, level=250)
    half = whole.copy()
    half[:, 110:] = half[50:] = False
    found, doubt = told_apart(pictures, half)
    assert doubt is None
    assert found.any()
    assert not (found & ~half).any()
    assert not told_apart(pictures, whole)[0].all(), "without a ring the logo is told apart as well"


def test_long_and_large_is_worked_on_in_parts(monkeypatch):
    pictures = stamped(scene(), letters(), opacity=0.5, level=250)
    at_once = find(Clip(pictures, rate=15), BOX).selected
    monkeypatch.setattr("moviola.masking.logo._BAND", 30 * 94 * 3 * 7)
    assert np.array_equal(find(Clip(pictures, rate=15), BOX).selected, at_once)
    assert GROWN > 0

"""Removal by a model that paints: what it sees, what of its answer is shown, and that all else stays."""

import json
from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import moviola
from moviola import registry
from moviola.cli import moviola as command
from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.frames import Frames
from moviola.media.masks import open_mask
from moviola.removal.engine import laid_in
from moviola.roads.painting import NEGATIVE_PROMPT, PROMPT, around, resized
from moviola.selftest import tiny_checkpoint

MODEL = "wan-vace-1.3b"
RNG = np.random.default_rng(0)
SMALL = RNG.integers(0, 255, (6, 32, 64, 3), np.uint8)
BOX = "16,8,20,12"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    tiny_checkpoint(*registry.find(MODEL), folder)
    return folder


@pytest.fixture
def seen(monkeypatch):
    """What the pipeline is called with, call by call."""
    import diffusers

    calls = []
    plain = diffusers.WanVACEPipeline.__call__

    # The parameters are read from the signature, by name.
    def spied(
        self, *, callback_on_step_end, prompt=None, negative_prompt=None, video=None, mask=None, **rest
    ):
        asked = {"prompt": prompt, "negative_prompt": negative_prompt, "video": video, "mask": mask}
        calls.append(asked | rest)
        return plain(self, callback_on_step_end=callback_on_step_end, **asked, **rest)

    monkeypatch.setattr(diffusers.WanVACEPipeline, "__call__", spied)
    return calls


def removed(video, tiny, folder, **fields):
    asked = {"mask": BOX, "model": MODEL, "weights": tiny, "dtype": "float32"}
    output = folder / f"out{len(list(folder.iterdir()))}.mkv"
    return moviola.remove(video, **asked | {"output": output, "codec": "ffv1"} | fields)


def pixels(result, **how):
    return np.concatenate([chunk.data for chunk in Clip(result.output).chunks(**how)])


def beyond(video, margin):
    """True further than `margin` pixels from the box."""
    mask = open_mask(BOX, Clip(video).source).at(0, 1)[0]
    rows, columns = np.nonzero(mask)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    away = np.hypot(
        np.maximum(0, np.maximum(rows.min() - y, y - rows.max())),
        np.maximum(0, np.maximum(columns.min() - x, x - columns.max())),
    )
    return away > margin


def test_under_the_mask_it_is_painted_and_beyond_it_every_pixel_stays(tiny, tmp_path, seen):
    result = removed(SMALL, tiny, tmp_path)
    made = pixels(result)
    assert np.array_equal(made[:, beyond(SMALL, 5)], SMALL[:, beyond(SMALL, 5)])
    assert (made[:, 10:18, 20:32] != SMALL[:, 10:18, 20:32]).mean() > 0.9
    assert result.recipe["verb"] == "remove"
    assert result.recipe["plan"]["dtype"] == "float32"
    assert {call["prompt"] for call in seen} == {PROMPT}
    assert {call["negative_prompt"] for call in seen} == {NEGATIVE_PROMPT}


def test_what_should_be_seen_instead_can_be_said(tiny, tmp_path, seen):
    options = {"prompt": "a lawn", "negative_prompt": "mud", "seed": 3, "steps": 1, "guidance": 2.0}
    first = removed(SMALL, tiny, tmp_path, options=options | {"conditioning_scale": 0.5})
    assert (seen[0]["prompt"], seen[0]["negative_prompt"]) == ("a lawn", "mud")
    assert (seen[0]["num_inference_steps"], seen[0]["guidance_scale"]) == (1, 2.0)
    assert seen[0]["conditioning_scale"] == 0.5
    again = removed(SMALL, tiny, tmp_path, options=options | {"conditioning_scale": 0.5})
    other = removed(SMALL, tiny, tmp_path, options=options | {"seed": 4})
    assert np.array_equal(pixels(first), pixels(again))
    assert not np.array_equal(pixels(first), pixels(other))


def test_depth_transparency_and_an_odd_size_are_kept(tiny, tmp_path):
    deep = RNG.integers(0, 65536, (6, 45, 71, 4), np.uint16)
    made = pixels(removed(deep, tiny, tmp_path, feather=2), depth=16, alpha=True)
    assert made.shape == deep.shape
    assert np.array_equal(made[..., 3], deep[..., 3])
    assert np.array_equal(made[:, beyond(deep, 8)], deep[:, beyond(deep, 8)])
    assert not np.array_equal(made[:, 10:18, 20:32], deep[:, 10:18, 20:32])


def test_of_a_part_of_the_video_that_part_is_painted(tiny, tmp_path):
    part = removed(SMALL, tiny, tmp_path, range="0.08s..0.2s")
    assert part.frames == 3
    assert np.array_equal(pixels(part)[:, beyond(SMALL, 5)], SMALL[2:5, beyond(SMALL, 5)])


def test_frames_without_a_mask_are_not_painted(tiny, tmp_path, seen):
    empty = removed(SMALL, tiny, tmp_path, mask=np.zeros(SMALL.shape[:3], bool))
    assert np.array_equal(pixels(empty), SMALL)
    assert "mask array selects nothing; the pictures are unchanged" in empty.notes
    assert not seen


def test_bad_options_name_the_good_ones(tiny, tmp_path):
    with pytest.raises(RequestError, match="conditioning_scale"):
        removed(SMALL, tiny, tmp_path, options={"promt": "a lawn"})
    with pytest.raises(RequestError, match="option steps"):
        removed(SMALL, tiny, tmp_path, options={"steps": 0})
    with pytest.raises(RequestError, match="keeps none"):
        removed(SMALL, tiny, tmp_path, keep="green")
    assert not list(tmp_path.iterdir())


def test_it_is_planned_without_being_loaded(tiny, tmp_path):
    Clip(SMALL, rate=Fraction(25)).save(tmp_path / "clip.mkv", codec="ffv1")
    asked = ["remove", str(tmp_path / "clip.mkv"), "--mask", BOX, "--plan"]
    told = CliRunner().invoke(
        command, [*asked, "--model", MODEL, "--weights", str(tiny), "--json"], catch_exceptions=False
    )
    assert json.loads(told.output)["request"]["size"] == "64x32"
    with pytest.raises(RequestError, match="propagate needs no plan"):
        CliRunner().invoke(command, asked, catch_exceptions=False)


@given(st.integers(0, 190), st.integers(0, 90), st.integers(1, 60), st.integers(1, 60))
def test_all_that_is_to_be_removed_is_seen_in_as_much_detail_as_there_is_room_for(left, top, wide, high):
    holes = np.zeros((2, 100, 200), np.bool_)
    holes[1, top : top + high, left : left + wide] = True
    rows, columns = around(holes, (64, 32))
    area = holes[:, rows, columns]
    assert area.sum() == holes.sum()
    assert (area.shape[1], area.shape[2]) >= (32, 64)
    if wide <= 40 and high <= 20:
        assert area.shape[1:] == (32, 64)


def test_what_is_small_is_seen_whole():
    holes = np.zeros((1, 20, 40), np.bool_)
    holes[0, 3:5, 3:5] = True
    assert around(holes, (64, 32)) == (slice(0, 20), slice(0, 40))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_laid_in_shows_as_far_as_it_is_to_and_changes_nothing_else(dtype):
    data = RNG.integers(0, np.iinfo(dtype).max, (1, 20, 40, 3), dtype, endpoint=True)
    opacity = np.zeros((1, 20, 40), np.float32)
    opacity[0, 5:10, 10:20] = 1
    opacity[0, 5:10, 20] = 0.5
    made = np.full((1, 16, 32, 3), 255, np.uint8)
    laid = laid_in(Frames(data, [0.0], [0.04]), made, opacity, (slice(2, 18), slice(4, 36))).data
    assert (laid[opacity == 1] == np.iinfo(dtype).max).all()
    assert np.array_equal(laid[opacity == 0], data[opacity == 0])
    middle = (data[0, 5:10, 20].astype(float) + np.iinfo(dtype).max) / 2
    assert np.allclose(laid[0, 5:10, 20], middle, atol=0.51)


def test_a_picture_of_the_size_itself_is_not_touched():
    assert resized(SMALL, (64, 32)) is SMALL
    assert resized(SMALL, (32, 16)).shape == (6, 16, 32, 3)

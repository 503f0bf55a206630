"""Slow motion and parts of a clip, from the request to the file: pictures, times, sound and recipe."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import moviola
from clapping import clapping, clicks, flashes, pitch
from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.film import film
from moviola.frames import Frames
from moviola.stage import Motion, Scene, Shot, Sprite, render

SPRITE = Sprite("disc", 14, (0.9, 0.2, 0.1), Motion(position=(-30, 0), velocity=(60, 0)))
SCENE = Scene((Shot(0.8, ground=3, sprites=(SPRITE,)),), size=(160, 96), rate=Fraction(25))


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    """20 frames of a disc that moves over a still ground, lossless."""
    return film(SCENE, tmp_path_factory.mktemp("film") / "clip.mkv", codec="ffv1")


@pytest.fixture(scope="module")
def board(tmp_path_factory) -> Path:
    return clapping(tmp_path_factory.mktemp("film") / "board.mp4", [0.4, 1.0, 1.6], seconds=2.0)


def pictures(path: Path) -> Frames:
    return Frames.concatenate(Clip(path).chunks())


def test_a_slow_clip_has_as_many_more_pictures_at_the_same_rate(board, tmp_path):
    result = moviola.interpolate(board, slow_motion=3, output=tmp_path / "slow.mp4")
    times = Clip(result.output).timeline().pts_seconds
    assert times == pytest.approx(np.arange(49 * 3 + 1) / 25, abs=1e-4)
    assert result.duration_seconds == pytest.approx(6.0, abs=0.05)
    assert Clip(result.output).info.video.real_rate == 25
    assert flashes(result.output) == pytest.approx([1.2, 3.0, 4.8])
    # Within the duration of a frame.
    assert clicks(result.output) == pytest.approx([1.2, 3.0, 4.8], abs=0.02)
    assert pitch(result.output) == pytest.approx(440, rel=0.01)
    assert any("3 times as long at its pitch" in note for note in result.notes)


def test_sound_is_left_out_where_it_is_not_wanted(board, tmp_path):
    result = moviola.interpolate(board, slow_motion=2, audio=False, output=tmp_path / "slow.mp4")
    assert not Clip(result.output).info.audio


@pytest.mark.parametrize(
    ("fields", "step", "count"),
    [
        ({"slow_motion": 2, "factor": 2}, 1 / 50, 77),
        ({"slow_motion": 2, "factor": Fraction(3, 2)}, 2 / 75, 58),
        ({"slow_motion": "5/2", "fps": 40}, 1 / 40, 77),
        ({"slow_motion": 4, "fps": 5}, 1 / 5, 16),
    ],
)
def test_slow_motion_goes_with_another_rate(scene, tmp_path, fields, step, count):
    result = moviola.interpolate(scene, **fields, output=tmp_path / "slow.mp4")
    times = Clip(result.output).timeline().pts_seconds
    assert times == pytest.approx(np.arange(count) * step, abs=1e-4)
    told = [note for note in result.notes if "fewer than the slowed input's 6.25" in note]
    assert len(told) == ("fps" in fields and fields["fps"] == 5)


def test_a_variable_rate_stays_as_it_is_and_slower(tmp_path):
    pts = np.array([2.0, 2.04, 2.2, 2.24])
    frames = pictures(film(SCENE, tmp_path / "in.mkv", codec="ffv1"))[:4]
    uneven = Frames(frames.data, pts, np.append(np.diff(pts), 0.04))
    result = moviola.interpolate(uneven, slow_motion=2, output=tmp_path / "slow.mkv", codec="ffv1")
    made = pictures(result.output)
    assert made.pts_seconds == pytest.approx([0, 0.04, 0.08, 0.24, 0.4, 0.44, 0.48], abs=0.001)
    assert np.array_equal(made.data[::2], frames.data)


def test_a_part_alone_is_interpolated_and_made_again(scene, tmp_path):
    result = moviola.interpolate(scene, factor=2, range="0.2..0.4s", output=tmp_path / "a.mkv", codec="ffv1")
    made = pictures(result.output)
    assert made.pts_seconds == pytest.approx(np.arange(9) / 50, abs=0.001)
    assert np.array_equal(made.data[::2], pictures(scene).data[5:10])
    assert result.recipe["request"]["range"] == "0.2s..0.4s"
    again = moviola.again(result.output, output=tmp_path / "b.mkv")
    assert np.array_equal(pictures(again.output).data, made.data)


def test_slow_motion_is_made_again_from_the_file(board, tmp_path):
    first = moviola.interpolate(board, slow_motion=2, range="0.3..0.7s", output=tmp_path / "a.mp4")
    again = moviola.again(first.output, output=tmp_path / "b.mp4")
    assert again.recipe == first.recipe
    assert again.output.read_bytes() == first.output.read_bytes()


def test_a_mask_of_the_whole_video_is_matched_where_a_part_is_cleaned(scene, tmp_path):
    masks, given = render(SCENE).masks().data, pictures(scene).data
    kept = {"codec": "ffv1", "grow": 0}
    result = moviola.remove(scene, mask=masks, range="0.4..", output=tmp_path / "clean.mkv", **kept)
    changed = (pictures(result.output).data != given[10:]).any(axis=3)
    assert not (changed & ~masks[10:]).any()
    assert (changed & masks[10:]).sum() > masks[10:].sum() / 2


def test_an_object_is_followed_through_the_part_alone(scene, tmp_path):
    # The times of prompts are those of the whole video.
    box = "46,32,32,32@0.2s"
    found = moviola.remove(
        scene, box=box, range="0.2..0.6s", save_mask=tmp_path / "mask.mkv", output=tmp_path / "clean.mp4"
    )
    assert found.frames == 10
    masks = pictures(tmp_path / "mask.mkv").data[..., 0] > 127
    truth = render(SCENE).masks().data[5:15]
    assert (masks & truth).sum() / (masks | truth).sum() > 0.9


def test_a_part_that_is_not_there_is_refused_and_nothing_is_left(scene, tmp_path):
    with pytest.raises(RequestError, match=r"no frame of .* begins in 5s\.\.9s; it has frames from 0.000s"):
        moviola.interpolate(scene, factor=2, range="5..9s", output=tmp_path / "out.mp4")
    assert not list(tmp_path.iterdir())

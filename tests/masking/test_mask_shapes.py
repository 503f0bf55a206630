"""Masks made wider, softer, and saved."""

from fractions import Fraction

import numpy as np
import pytest

from moviola.clip import Clip
from moviola.errors import OutputError
from moviola.frames import Mask
from moviola.masking.saving import save
from moviola.masking.shapes import feathered, grown
from moviola.media.masks import open_mask

TIMES = np.arange(6) / 25
Y, X = np.mgrid[:32, :48]


def dots() -> Mask:
    """A disc that moves, and nothing in the last frame."""
    data = np.stack([np.hypot(X - 12 - 4 * t, Y - 15) <= 5 for t in range(6)])
    data[-1] = False
    return Mask(data, TIMES, np.full(6, 1 / 25))


def test_grown_by_a_disc_of_so_many_pixels():
    mask = grown(dots(), 4)
    distance = np.hypot(X - 12, Y - 15)
    assert mask.data[0][distance <= 8].all()
    assert not mask.data[0][distance > 10].any()
    assert not mask.data[-1].any()
    assert np.array_equal(mask.pts_seconds, TIMES)
    assert grown(dots(), 0).data.sum() == dots().data.sum()


def test_what_would_cover_everything_is_not_grown():
    assert np.array_equal(grown(dots(), 60).data, dots().data)


def test_a_feather_falls_to_nothing_over_its_radius_and_leaves_the_mask_whole():
    mask = dots()
    soft = feathered(mask, 4)
    assert soft.dtype == np.float32
    assert (soft[mask.data] == 1).all()
    outward = soft[0, 15, 17:23]  # the disc ends at column 17
    assert outward[0] == 1
    assert outward[1:5] == pytest.approx([0.8, 0.6, 0.4, 0.2], abs=0.05)
    assert outward[5] == 0
    assert (soft[-1] == 0).all()
    assert np.array_equal(feathered(mask, 0), mask.data.astype(np.float32))


@pytest.mark.parametrize(
    "name", ["mask.mkv", "mask.mp4", "mask.mov", "mask.webm", "mask.gif", "mask", "m/%03d.png"]
)
def test_saved_masks_read_back_equal(name, tmp_path):
    mask = dots()
    save((mask[first : first + 4] for first in (0, 4)), tmp_path / name)
    video = Clip(np.zeros((6, 32, 48, 3), np.uint8), rate=Fraction(25))
    assert np.array_equal(open_mask(str(tmp_path / name), video.source).at(0, 6), mask.data)


@pytest.mark.parametrize("name", ["mask.mkv", "mask.mp4"])
def test_noise_survives_too_and_times_are_kept(name, tmp_path):
    data = np.random.default_rng(1).random((5, 33, 47)) > 0.5
    durations = np.array([0.04, 0.08, 0.04, 0.12, 0.04])
    mask = Mask(data, np.cumsum(durations) - durations, durations)
    save([mask], tmp_path / name)
    saved = Clip(tmp_path / name)
    video = Clip(np.zeros((5, 33, 47, 3), np.uint8), rate=25)
    assert np.array_equal(open_mask(str(tmp_path / name), video.source).at(0, 5), data)
    assert saved.timeline().pts_seconds == pytest.approx(mask.pts_seconds, abs=0.001)


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    (tmp_path / "mask.mkv").write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        save([dots()], tmp_path / "mask.mkv")

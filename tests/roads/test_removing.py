"""What is to be removed, and how it is said."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import moviola
from moviola.clip import Clip
from moviola.errors import OutputError, RequestError
from moviola.media.masks import open_mask
from moviola.stage import Motion, Scene, Shot, render

PANNING = Motion(velocity=(60, 15))
SCENE = Scene((Shot(1, ground=3, camera=PANNING), Shot(1, ground=8, camera=PANNING)), (160, 96), Fraction(15))
LOGO = (slice(12, 22), slice(100, 140))


@pytest.fixture(scope="module")
def stamped() -> np.ndarray:
    """Frames of a moving scene with a half transparent bar."""
    pictures = np.concatenate([part.data for part in render(SCENE).frames()])
    pictures[:, *LOGO] = pictures[:, *LOGO] // 2 + 125
    return pictures


def pixels(path: Path) -> np.ndarray:
    return np.concatenate([chunk.data for chunk in Clip(path).chunks()])


def test_a_logo_is_found_removed_and_its_mask_kept(stamped, tmp_path):
    kept, output = tmp_path / "mask.mkv", tmp_path / "clean.mkv"
    result = moviola.remove(stamped, logo="90,4,64,30", save_mask=kept, output=output, codec="ffv1")
    assert any(note.startswith("logo: found, ") for note in result.notes)
    masks = open_mask(kept, Clip(output).source).at(0, len(stamped))
    assert masks[:, *LOGO].all()
    assert masks[0].sum() < 64 * 30 / 2
    behind = np.concatenate([part.data for part in render(SCENE).frames()])[:, *LOGO].astype(int)
    clean = pixels(output)
    assert np.abs(clean[:, *LOGO] - behind).mean() < np.abs(stamped[:, *LOGO] - behind).mean() / 4
    assert np.array_equal(clean[:, 40:], stamped[:, 40:])


def test_where_no_logo_is_told_apart_the_box_is_removed_and_that_is_said(stamped, tmp_path):
    result = moviola.remove(stamped, logo="10,50,40,30", output=tmp_path / "a.mp4")
    assert "logo: nothing stands out, so all of the box 10,50,40,30 is taken" in result.notes


def test_a_logo_outside_of_the_picture_or_with_a_time_is_refused(stamped, tmp_path):
    output = tmp_path / "a.mp4"
    for bad in ("150,4,20,10", "-1,4,20,10", "4,90,20,10"):
        with pytest.raises(RequestError, match=f"logo {bad} .* reaches outside of the video, 160x96"):
            moviola.remove(stamped, logo=bad, output=output)
    with pytest.raises(RequestError, match="leave the time out"):
        moviola.remove(stamped, logo="90,4,64,30@2s", output=output)
    assert not list(tmp_path.iterdir())


def test_a_mask_is_not_written_over_another_file(stamped, tmp_path):
    kept = tmp_path / "mask.mkv"
    kept.write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        moviola.remove(stamped, logo="90,4,64,30", save_mask=kept, output=tmp_path / "a.mp4")
    assert kept.read_bytes() == b"mine"


def test_of_a_part_of_the_video_the_mask_is_as_long_as_the_part(stamped, tmp_path):
    kept = tmp_path / "mask.mkv"
    fields = {"logo": "90,4,64,30", "save_mask": kept, "keep": "green", "range": "0.4s.."}
    result = moviola.remove(stamped, **fields, output=tmp_path / "part.mkv", codec="ffv1")
    assert result.frames == len(Clip(kept).timeline()) == 20
    assert np.array_equal(pixels(result.output)[:, *LOGO], stamped[10:, *LOGO])

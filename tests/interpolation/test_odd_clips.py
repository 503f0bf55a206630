"""Clips that are short, narrow, uneven, still, deep or transparent, through every kind of interpolator."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from moviola import registry
from moviola.clip import Clip
from moviola.frames import Depth, Frames
from moviola.media.encoding import choose_encoding
from moviola.media.info import Colour
from moviola.media.write import write
from moviola.run import run
from moviola.selftest import tiny_checkpoint
from moviola.tasks import Interpolate, VideoResult, request

every_kind = pytest.mark.parametrize("model", ["flow", "rife-4.25", "rife-paper", "film-style"])

Made = Callable[..., VideoResult]


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Callable[[str], dict[str, Any]]:
    """What a request says beside its model: for a network, a tiny checkpoint of it."""
    folders: dict[str, Path] = {}

    def of(model: str) -> dict[str, Any]:
        if model == "flow":
            return {}
        if model not in folders:
            folders[model] = tmp_path_factory.mktemp(model)
            tiny_checkpoint(*registry.find(model), folders[model])
        return {"weights": folders[model], "dtype": "float32", "device": "cpu"}

    return of


@pytest.fixture
def made(weights, model, tmp_path) -> Made:
    """The result of a request, lossless unless its output is named."""

    def made(video: Any, output: str = "out.mkv", **fields: Any) -> VideoResult:
        lossless = {"codec": "ffv1"} if output == "out.mkv" else {}
        given = {"video": video, "model": model, "output": tmp_path / output} | lossless
        *_, last = run(request(Interpolate, given | weights(model) | {"factor": 2} | fields))
        return last.value

    return made


def moving(count: int, height: int = 48, width: int = 64, channels: int = 3) -> np.ndarray:
    """Texture that moves by two pixels from frame to frame."""
    scene = np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)
    return np.stack([np.roll(scene, 2 * number, axis=1) for number in range(count)])


def pictures(result: VideoResult, depth: Depth = 8, alpha: bool = False) -> Frames:
    return Frames.concatenate(Clip(result.output).chunks(depth=depth, alpha=alpha))


@every_kind
def test_one_frame_stays_one_and_two_get_one_between(made: Made):
    assert np.array_equal(pictures(made(moving(1))).data, moving(1))
    two = pictures(made(moving(2), overwrite=True))
    assert np.array_equal(two.data[::2], moving(2))
    assert len(two) == 3


@every_kind
@pytest.mark.parametrize(("height", "width"), [(48, 1), (1, 48), (1, 1)])
def test_a_clip_one_pixel_wide_is_a_clip_too(made: Made, height: int, width: int):
    result = made(moving(3, height, width), output="out/%05d.png")
    found = np.concatenate([frames.data for frames in Clip(result.output.parent).chunks()])
    assert found.shape == (5, height, width, 3)
    assert np.array_equal(found[::2], moving(3, height, width))
    assert made(moving(3, height, width), output="out.mp4").frames == 5


@every_kind
def test_a_gif_keeps_its_clear_parts_and_its_times(made: Made, tmp_path: Path):
    stills = []
    for number in range(3):
        still = Image.new("RGBA", (40, 30), (0, 0, 0, 0))
        still.paste((200, 40 * number, 30, 255), (4 + 6 * number, 5, 20 + 6 * number, 25))
        stills.append(still)
    stills[0].save(
        tmp_path / "in.gif", save_all=True, append_images=stills[1:], duration=[100, 200, 100], disposal=2
    )
    found = pictures(made(str(tmp_path / "in.gif"), output="out.gif"), alpha=True)
    given = Frames.concatenate(Clip(tmp_path / "in.gif").chunks(alpha=True))
    assert found.pts_seconds == pytest.approx([0, 0.05, 0.1, 0.2, 0.3])
    assert np.array_equal(found.data[::2, ..., 3], given.data[..., 3])
    assert set(np.unique(found.data[..., 3])) == {0, 255}


@every_kind
def test_fewer_frames_than_there_are_is_told(made: Made):
    result = made(moving(6), rate=25, factor=None, fps=10)
    assert result.frames == 3
    (note,) = [note for note in result.notes if "frames are left out" in note]
    assert "10 frames/s are fewer than the input's 25" in note


@every_kind
def test_ten_bits_and_hdr_stay(made: Made, tmp_path: Path):
    colour = Colour("bt2020", "smpte2084", "bt2020nc", "limited")
    encoding = choose_encoding(tmp_path / "in.mp4", depth=10, rate=Fraction(25))
    ramp = np.linspace(8000, 30_000, 64, dtype=np.uint16)[None, :, None].repeat(48, 0).repeat(3, 2)
    data = np.stack([np.roll(ramp, 2 * number, axis=1) for number in range(3)])
    frames = Frames(data, np.arange(3) / 25, np.full(3, 1 / 25))
    write([frames], tmp_path / "in.mp4", encoding=replace(encoding, colour=colour))
    result = made(str(tmp_path / "in.mp4"), output="out.mp4")
    video = Clip(result.output).info.video
    assert (video.bit_depth, video.colour, result.frames) == (10, colour, 5)
    source = Frames.concatenate(Clip(tmp_path / "in.mp4").chunks(depth=16))
    error = np.abs(pictures(result, 16).data[::2].astype(int) - source.data)
    assert np.median(error) < 65535 / 255  # finer than 8 bits could be


@every_kind
def test_transparency_stays(made: Made):
    data = moving(3, channels=4)
    data[..., 3] = np.array([0, 100, 200])[:, None, None]
    found = pictures(made(data), alpha=True)
    assert np.array_equal(found.data[::2], data)
    assert found.data[:, 0, 0, 3].tolist() == [0, 50, 100, 150, 200]


@every_kind
def test_uneven_times_are_halved_where_they_are(made: Made):
    pts = np.array([0, 0.04, 0.2, 0.24])
    uneven = Frames(moving(4), pts, np.array([0.04, 0.16, 0.04, 0.04]))
    found = pictures(made(uneven))
    assert found.pts_seconds == pytest.approx([0, 0.02, 0.04, 0.12, 0.2, 0.22, 0.24], abs=0.001)
    assert np.array_equal(found.data[::2], moving(4))


@every_kind
def test_a_frame_that_is_repeated_or_stands_still_invents_nothing(made: Made):
    still = moving(2)[[0, 0, 0, 1]]
    found = pictures(made(still)).data
    assert (found[:5] == still[0]).all()
    assert not np.array_equal(found[5], still[0])

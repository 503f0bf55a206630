"""GIF, WebP and APNG with their own durations and transparency."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moviola.errors import InputError, MediaError
from moviola.media.animation import AnimationSource
from moviola.media.source import open_source

DURATIONS = [100, 40, 500, 70]


def animate(path: Path, mode: str = "RGB", durations: list[int] = DURATIONS) -> list[np.ndarray]:
    """Frames made by Pillow, each a flat colour with a square of another."""
    frames = []
    for index in range(len(durations)):
        frame = Image.new(mode, (20, 16), (60 * index, 10, 200, 255)[: len(mode)])
        frame.paste((255, 255, 0, 0)[: len(mode)], (index, 2, index + 6, 8))
        frames.append(frame)
    options = {"lossless": True} if path.suffix == ".webp" else {}
    if path.suffix == ".png":
        options = {"disposal": 1, "blend": 0}
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0, **options)
    return [np.asarray(frame) for frame in frames]


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_frames_and_durations_are_those_stored(tmp_path: Path, name: str) -> None:
    pictures = animate(tmp_path / name)
    source = AnimationSource(tmp_path / name)
    timeline = source.timeline()
    np.testing.assert_allclose(timeline.duration_seconds, np.array(DURATIONS) / 1000)
    np.testing.assert_allclose(timeline.pts_seconds, [0, 0.1, 0.14, 0.64])
    chunks = list(source.read(chunk=3))
    assert [len(chunk) for chunk in chunks] == [3, 1]
    shown = np.concatenate([chunk.data for chunk in chunks])
    assert np.abs(shown.astype(int) - np.stack(pictures)).max() <= (3 if name == "a.gif" else 0)
    info = source.probe()
    assert info.video.frame_count == 4
    assert info.video.variable_rate
    assert info.duration_seconds == pytest.approx(0.71)


@pytest.mark.parametrize("name", ["a.webp", "a.png"])
def test_transparency_is_kept_on_request(tmp_path: Path, name: str) -> None:
    pictures = animate(tmp_path / name, "RGBA")
    source = AnimationSource(tmp_path / name)
    assert source.probe().video.alpha
    shown = next(source.read(alpha=True)).data
    assert np.array_equal(shown[..., 3], np.stack(pictures)[..., 3])


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_frames_come_in_the_order_asked(tmp_path: Path, name: str) -> None:
    animate(tmp_path / name)
    source = AnimationSource(tmp_path / name)
    everything = next(source.read())
    some = source.frames_at([3, 0, 3, 1])
    assert np.array_equal(some.data, everything.data[[3, 0, 3, 1]])
    assert np.array_equal(some.pts_seconds, everything.pts_seconds[[3, 0, 3, 1]])


def test_a_frame_without_a_duration_shows_as_long_as_in_a_browser(tmp_path: Path) -> None:
    animate(tmp_path / "a.gif", durations=[0, 0])
    assert list(AnimationSource(tmp_path / "a.gif").timeline().duration_seconds) == pytest.approx([0.1, 0.1])


def test_a_still_picture_is_one_frame(tmp_path: Path) -> None:
    Image.new("RGB", (5, 3), (9, 8, 7)).save(tmp_path / "a.webp", lossless=True)
    source = open_source(tmp_path / "a.webp")
    assert source.probe().video.frame_count == 1
    assert next(source.read()).data.tolist() == [[[[9, 8, 7]] * 5] * 3]


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        AnimationSource(tmp_path / "a.gif")
    (tmp_path / "a.gif").write_text("not a GIF")
    with pytest.raises(MediaError, match=r"cannot read .*a\.gif"):
        AnimationSource(tmp_path / "a.gif")
    animate(tmp_path / "b.webp")
    data = (tmp_path / "b.webp").read_bytes()
    (tmp_path / "b.webp").write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError):
        list(AnimationSource(tmp_path / "b.webp").read())

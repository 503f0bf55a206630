"""One door: what the origin is decides which source reads it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rendered import render

from moviola.errors import InputError
from moviola.frames import Frames
from moviola.media.animation import AnimationSource
from moviola.media.array import ArraySource
from moviola.media.container import ContainerSource
from moviola.media.images import ImagesSource
from moviola.media.live import LiveSource
from moviola.media.source import open_source

PICTURE = Image.fromarray(np.zeros((8, 8, 3), np.uint8))


def test_files_are_told_apart_by_what_they_are(tmp_path: Path) -> None:
    clip = render(tmp_path / "clip.mp4", count=2)
    (tmp_path / "folder").mkdir()
    for number in range(2):
        PICTURE.save(tmp_path / "folder" / f"{number:05d}.png")
    PICTURE.save(tmp_path / "moving.gif", save_all=True, append_images=[PICTURE])
    assert isinstance(open_source(clip), ContainerSource)
    assert isinstance(open_source(str(clip)), ContainerSource)
    assert isinstance(open_source(clip.as_uri()), ContainerSource)
    assert isinstance(open_source(clip.read_bytes()), ContainerSource)
    assert isinstance(open_source(tmp_path / "folder"), ImagesSource)
    assert isinstance(open_source(tmp_path / "folder" / "%05d.png"), ImagesSource)
    assert isinstance(open_source(tmp_path / "folder" / "00000.png"), ImagesSource)
    assert isinstance(open_source(tmp_path / "moving.gif"), AnimationSource)


def test_things_in_memory_are_told_apart() -> None:
    array = np.zeros((2, 8, 8, 3), np.uint8)
    assert isinstance(open_source(array), ArraySource)
    assert isinstance(open_source(Frames(array, np.arange(2.0), np.ones(2))), ArraySource)
    assert isinstance(open_source([PICTURE, PICTURE]), ImagesSource)
    source = open_source(array)
    assert open_source(source) is source


@pytest.mark.parametrize("address", ["rtsp://camera/1", "udp://@:5000", "https://host/live.m3u8?key=1"])
def test_live_addresses_are_live(address: str) -> None:
    assert isinstance(open_source(address), LiveSource)


def test_what_cannot_be_read_is_said() -> None:
    with pytest.raises(InputError, match="cannot read video from float"):
        open_source(1.5)
    with pytest.raises(InputError, match="does not exist"):
        open_source("nowhere.mp4")


def test_a_png_that_moves_is_an_animation(tmp_path: Path) -> None:
    still, moving = tmp_path / "still.png", tmp_path / "moving.png"
    PICTURE.save(still)
    other = Image.eval(PICTURE, lambda value: 255 - value)
    PICTURE.save(moving, save_all=True, append_images=[other])
    assert len(open_source(moving).timeline()) == 2
    assert len(open_source(still).timeline()) == 1


@pytest.mark.parametrize("suffix", ["", ".mp4", ".png", ".gif"])
def test_a_name_longer_than_a_name_can_be_is_only_missing(suffix: str) -> None:
    with pytest.raises(InputError, match="does not exist"):
        open_source("n" * 300 + suffix)


def test_damage_is_told_without_reading(tmp_path: Path) -> None:
    clip = render(tmp_path / "clip.mkv", count=20)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 3])
    source = open_source(clip)
    source.timeline()
    assert any("cut short" in loss for loss in source.losses)


def test_a_file_open_as_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("text")
    with (tmp_path / "clip.mp4").open() as file, pytest.raises(InputError, match="open it with mode 'rb'"):
        open_source(file)

"""Folders, patterns and lists of pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from moviola.errors import InputError, MediaError
from moviola.frames import Frames
from moviola.media.encoding import choose_encoding
from moviola.media.images import ImagesSource
from moviola.media.source import open_source
from moviola.media.write import write


def picture(value: int, size: tuple[int, int] = (8, 6), mode: str = "RGB") -> Image.Image:
    return Image.new(mode, size, value if mode == "L" else (value, 2 * value % 256, 3, 100)[: len(mode)])


def values(source: ImagesSource) -> list[int]:
    return [int(value) for chunk in source.read(chunk=2) for value in chunk.data[:, 0, 0, 0]]


def test_a_folder_is_read_in_natural_order_and_other_files_are_ignored(tmp_path: Path) -> None:
    for number in (10, 2, 1, 100):
        picture(number).save(tmp_path / f"shot{number}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_bytes(b"")
    source = open_source(tmp_path)
    assert values(source) == [1, 2, 10, 100]
    info = source.probe()
    assert (info.container, info.video.width, info.video.height, info.video.frame_count) == (
        "images",
        8,
        6,
        4,
    )


@pytest.mark.parametrize("pattern", ["%05d.png", "%d.png"])
def test_a_pattern_takes_only_what_fits(tmp_path: Path, pattern: str) -> None:
    for number in (3, 4, 5):
        picture(number).save(tmp_path / f"{number:05d}.png")
    picture(9).save(tmp_path / "mask.png")
    assert values(open_source(str(tmp_path / pattern))) == [3, 4, 5]


def test_lists_keep_their_order(tmp_path: Path) -> None:
    picture(7).save(tmp_path / "b.png")
    picture(8).save(tmp_path / "a.png")
    assert values(open_source([tmp_path / "b.png", str(tmp_path / "a.png")])) == [7, 8]
    assert values(open_source([picture(5), picture(4)], rate=10)) == [5, 4]


def test_colours_pass_through_untouched_by_profiles(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.fromarray(noise).save(tmp_path / "a.png", icc_profile=profile)
    assert np.array_equal(next(ImagesSource([tmp_path / "a.png"]).read()).data[0], noise)


@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_png_is_kept(tmp_path: Path, channels: int) -> None:
    noise = np.random.default_rng(0).integers(0, 65536, (3, 7, 9, channels), np.uint16)
    encoding = choose_encoding(tmp_path / "deep", depth=16, alpha=channels == 4)
    write([Frames(noise, np.arange(3) / 25, np.full(3, 0.04))], tmp_path / "deep", encoding=encoding)
    source = open_source(tmp_path / "deep")
    assert (source.probe().video.bit_depth, source.probe().video.alpha) == (16, channels == 4)
    assert np.array_equal(next(source.read(depth=16, alpha=channels == 4)).data, noise)
    assert np.abs(next(source.read()).data[..., :3] * 257.0 - noise[..., :3]).max() <= 128.5


def test_16_bit_grey_is_kept(tmp_path: Path) -> None:
    grey = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
    Image.fromarray(grey).save(tmp_path / "g.png")
    data = next(ImagesSource(tmp_path).read(depth=16)).data[0]
    assert np.array_equal(data, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA"])
def test_every_kind_of_picture_becomes_rgb(tmp_path: Path, mode: str) -> None:
    image = picture(90, mode="RGBA").convert(mode)
    image.save(tmp_path / "a.png")
    expected = np.asarray(image.convert("RGBA"))
    source = ImagesSource(tmp_path)
    assert np.array_equal(next(source.read()).data[0], expected[..., :3])
    assert np.array_equal(next(source.read(alpha=True)).data[0], expected)


def test_pictures_of_two_sizes_are_one_clear_error(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "1.png")
    picture(2, (9, 6)).save(tmp_path / "2.png")
    with pytest.raises(MediaError, match=r"2\.png is 9×6, but the first picture is 8×6"):
        values(ImagesSource(tmp_path))


def test_what_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no pictures"):
        ImagesSource(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        ImagesSource(tmp_path / "nowhere" / "%d.png")
    with pytest.raises(InputError, match=r"gone\.png does not exist"):
        ImagesSource([tmp_path / "gone.png"])
    with pytest.raises(InputError, match="a list of int"):
        ImagesSource([1, 2])
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    with pytest.raises(MediaError, match=r"bad\.png as a picture"):
        ImagesSource(tmp_path)

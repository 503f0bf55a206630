"""One call from frames to a file: size, times, colour, depth, alpha and the recipe come back."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from moviola.errors import OutputError
from moviola.frames import Frames
from moviola.media.encoding import choose_encoding
from moviola.media.info import Colour
from moviola.media.source import open_source
from moviola.media.write import write

BARS = [
    [255, 255, 255], [255, 255, 0], [0, 255, 255], [0, 255, 0], [255, 0, 255],
    [255, 0, 0], [0, 0, 255], [0, 0, 0], [128, 128, 128], [64, 160, 32],
]  # fmt: skip
EVERY = [
    ("a.mp4", {}), ("a.mp4", {"codec": "h265"}), ("a.mp4", {"codec": "av1"}),
    ("a.mp4", {"codec": "vp9"}), ("a.mov", {"codec": "prores"}), ("a.mkv", {"codec": "ffv1"}),
    ("a.webm", {}), ("a.webm", {"codec": "av1"}),
    ("a.gif", {}), ("a.webp", {}), ("a.apng", {}), ("frames/", {}),
]  # fmt: skip
LOSSLESS = {"ffv1", "png", "apng"}


def bars(count: int = 3, depth: int = 8, height: int = 64, width: int = 160) -> np.ndarray:
    picture = np.array(BARS, np.uint16)[np.arange(width) * len(BARS) // width][None].repeat(height, 0)
    picture = picture.astype(np.uint8) if depth == 8 else picture * 257
    return picture[None].repeat(count, 0)


def frames_of(data: np.ndarray, rate: int = 25) -> Frames:
    return Frames(data, np.arange(len(data)) / rate, np.full(len(data), 1 / rate))


def read_back(path: Path, **options: object) -> Frames:
    return Frames.concatenate(open_source(path).read(**options))


@pytest.mark.parametrize(("name", "options"), EVERY)
def test_size_times_and_colour_come_back(tmp_path: Path, name: str, options: dict) -> None:
    encoding = choose_encoding(tmp_path / name, **options)
    frames = frames_of(bars())
    assert write([frames[:2], frames[2:]], tmp_path / name, encoding=encoding) == []
    back = read_back(tmp_path / name)
    assert back.data.shape == frames.data.shape
    np.testing.assert_allclose(back.pts_seconds, frames.pts_seconds, atol=1e-9)
    np.testing.assert_allclose(back.duration_seconds, frames.duration_seconds, atol=1e-9)
    middles = slice(8, None, 16)
    error = np.abs(back.data[:, 8:-8, middles].astype(int) - frames.data[:, 8:-8, middles]).max()
    assert error <= (0 if encoding.codec in LOSSLESS else 4)


def test_subsampled_colour_does_not_smear(tmp_path: Path) -> None:
    blocks = np.random.default_rng(0).integers(60, 196, (2, 32, 40, 3), np.uint8).repeat(2, 1).repeat(2, 2)
    write([frames_of(blocks)], tmp_path / "a.mp4", encoding=choose_encoding("a.mp4", quality=0))
    assert np.abs(read_back(tmp_path / "a.mp4").data.astype(int) - blocks).max() <= 4


@pytest.mark.parametrize("codec", ["h264", "h265", "prores", "ffv1", "png"])
def test_deep_colour_comes_back_finer_than_8_bits(tmp_path: Path, codec: str) -> None:
    name = {"prores": "a.mov", "ffv1": "a.mkv", "png": "frames/"}.get(codec, "a.mp4")
    ramp = np.linspace(8000, 60000, 256).astype(np.uint16)
    data = np.broadcast_to(ramp[None, None, :, None], (2, 64, 256, 3))
    encoding = choose_encoding(tmp_path / name, codec=codec, depth=10, quality=5 if codec[0] == "h" else None)
    write([frames_of(np.ascontiguousarray(data))], tmp_path / name, encoding=encoding)
    source = open_source(tmp_path / name)
    back = Frames.concatenate(source.read(depth=16)).data.astype(int)
    assert source.probe().video.bit_depth == encoding.depth > 8
    tolerance = 0 if codec in LOSSLESS else 3 * 65535 // 1023
    assert np.abs(back - data).max() <= tolerance


@pytest.mark.parametrize("codec", ["h264", "h265", "av1", "ffv1", "vp9"])
@pytest.mark.parametrize(
    "colour",
    [
        Colour("smpte170m", "smpte170m", "smpte170m", "limited"),
        Colour("bt709", "bt709", "bt709", "full"),
        Colour("bt2020", "arib-std-b67", "bt2020nc", "limited"),
        Colour("bt2020", "smpte2084", "bt2020nc", "limited"),
    ],
    ids=lambda colour: f"{colour.transfer}-{colour.range}",
)
def test_tags_and_values_survive_together(tmp_path: Path, codec: str, colour: Colour) -> None:
    path = tmp_path / "a.mkv"
    deep = 8 if codec == "vp9" else 10
    encoding = replace(choose_encoding(path, codec=codec, depth=deep), colour=colour)
    frames = frames_of(bars())
    write([frames], path, encoding=encoding)
    source = open_source(path)
    found = source.probe().video.colour
    assert (found.primaries, found.transfer) == (colour.primaries, colour.transfer)
    if codec != "ffv1":
        assert (found.matrix, found.range) == (colour.matrix, colour.range)
    back = Frames.concatenate(source.read()).data
    assert np.abs(back[:, 8:-8, 8::16].astype(int) - frames.data[:, 8:-8, 8::16]).max() <= 5


@pytest.mark.parametrize("name", ["a.webm", "a.mkv", "a.mov", "a.webp", "a.apng", "a.gif", "frames/"])
def test_transparency_comes_back(tmp_path: Path, name: str) -> None:
    codec = {"a.mkv": "ffv1", "a.mov": "prores"}.get(name)
    alpha = np.zeros((3, 64, 160, 1), np.uint8)
    alpha[:, :, 80:] = 255
    if name != "a.gif":
        alpha[:, :, :40] = 100
    frames = frames_of(np.concatenate([bars(), alpha], axis=3))
    write([frames], tmp_path / name, encoding=choose_encoding(tmp_path / name, codec=codec, alpha=True))
    back = read_back(tmp_path / name, alpha=True).data
    assert np.abs(back[..., 20::40, 3].astype(int) - frames.data[..., 20::40, 3]).max() <= 2


@pytest.mark.parametrize(("name", "options"), EVERY)
@pytest.mark.parametrize("size", [(65, 49), (1, 1)], ids=lambda size: "×".join(map(str, size)))
def test_odd_sizes_are_kept_or_refused(
    tmp_path: Path, name: str, options: dict, size: tuple[int, int]
) -> None:
    width, height = size
    frames = frames_of(np.full((2, height, width, 3), 90, np.uint8))
    encoding = choose_encoding(tmp_path / name, **options)
    if size == (1, 1) and encoding.codec in ("h265", "av1"):
        with pytest.raises(OutputError, match="cannot store 1×1 pixels"):
            write([frames], tmp_path / name, encoding=encoding)
        assert list(tmp_path.iterdir()) == []
        return
    write([frames], tmp_path / name, encoding=encoding)
    assert read_back(tmp_path / name).data.shape == (2, height, width, 3)


@pytest.mark.parametrize(
    "name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.gif", "a.webp", "a.apng", "frames/"]
)
@pytest.mark.parametrize("count", [1, 3])
def test_what_made_a_file_is_read_back(tmp_path: Path, name: str, count: int) -> None:
    recipe = {"model": "flow", "seed": 7, "request": {"text": 'it\'s "Ü" <b>&amp;'}}
    write([frames_of(bars(count))], tmp_path / name, recipe=recipe)
    info = open_source(tmp_path / name).probe()
    assert info.recipe == recipe
    assert read_back(tmp_path / name).data.shape == (count, 64, 160, 3)


def test_pillow_reads_what_was_embedded(tmp_path: Path) -> None:
    write([frames_of(bars())], tmp_path / "a.apng", recipe={"seed": 7})
    with Image.open(tmp_path / "a.apng") as image:
        assert json.loads(image.info["moviola"]) == {"seed": 7}
        assert image.n_frames == 3


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_metadata_is_written(tmp_path: Path, name: str) -> None:
    write([frames_of(bars())], tmp_path / name, metadata={"title": "Ein Titel", "artist": "somebody"})
    with av.open(str(tmp_path / name)) as container:
        found = {key.lower(): text for key, text in container.metadata.items()}
    assert (found["title"], found["artist"]) == ("Ein Titel", "somebody")


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.apng"])
def test_durations_of_an_animation_come_back(tmp_path: Path, name: str) -> None:
    starts = np.array([0.0, 0.1, 0.13, 0.5])
    frames = Frames(bars(4), starts + 3, np.array([0.1, 0.03, 0.37, 0.25]))
    frames.data[:, :8, :8] = np.arange(4, dtype=np.uint8)[:, None, None, None] * 60
    write([frames], tmp_path / name)
    timeline = open_source(tmp_path / name).timeline()
    np.testing.assert_allclose(timeline.pts_seconds, starts, atol=1e-9)
    np.testing.assert_allclose(timeline.duration_seconds, frames.duration_seconds, atol=1e-9)


def test_a_gif_too_fast_to_be_shown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="50 frames/s"):
        write([frames_of(bars(4), rate=60)], tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept_unless_it_may_be_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("precious")

    def never() -> None:
        raise AssertionError("work began")
        yield

    with pytest.raises(OutputError, match="exists already"):
        write(never(), path)
    assert path.read_text() == "precious"
    write([frames_of(bars())], path, overwrite=True)
    assert read_back(path).data.shape == (3, 64, 160, 3)


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "frames/"])
def test_a_failure_on_the_way_leaves_nothing(tmp_path: Path, name: str) -> None:
    def failing() -> None:
        yield frames_of(bars())
        raise RuntimeError("the model broke")

    with pytest.raises(RuntimeError, match="the model broke"):
        write(failing(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_shorter_sequence_leaves_no_old_frames_behind(tmp_path: Path) -> None:
    pattern = tmp_path / "frames" / "f%03d.png"
    write([frames_of(bars(5))], pattern)
    (tmp_path / "frames" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        write([frames_of(bars(2))], pattern)
    write([frames_of(bars(2))], pattern, overwrite=True)
    names = sorted(item.name for item in (tmp_path / "frames").iterdir())
    assert names == ["f000.png", "f001.png", "notes.txt"]


def test_a_place_that_cannot_be_written_is_said_before_work_begins(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="may be written to"):
        write([], tmp_path / "file" / "a.mp4")


def test_no_frames_make_no_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no frames"):
        write([], tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_pixel_aspect_survives(tmp_path: Path, name: str) -> None:
    encoding = replace(choose_encoding(name), sample_aspect=Fraction(16, 15))
    write([frames_of(bars())], tmp_path / name, encoding=encoding)
    assert open_source(tmp_path / name).probe().video.sample_aspect == Fraction(16, 15)

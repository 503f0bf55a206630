"""Colour follows the formulas of the standards, for every matrix, range and depth."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from moviola.media.colour import Orientation, Painter, bit_depth, colour_of, has_alpha, stand_in

# Kr, Kb of ITU-R BT.601, BT.709 and BT.2020 by H.273 code point.
WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
PATCHES = np.random.default_rng(1).uniform(0.02, 0.98, (6, 8, 3))
"""R'G'B' in 0–1, each 8 pixels wide and high, so that chroma subsampling does not mix them."""


def encode(rgb: NDArray[Any], matrix: int, full: bool, bits: int) -> tuple[NDArray[Any], ...]:
    """R'G'B' in 0–1 to Y'CbCr code values, ITU-T H.273 equations 8.3."""
    kr, kb = WEIGHTS[matrix]
    luma = kr * rgb[..., 0] + (1 - kr - kb) * rgb[..., 1] + kb * rgb[..., 2]
    blue, red = (rgb[..., 2] - luma) / (2 * (1 - kb)), (rgb[..., 0] - luma) / (2 * (1 - kr))
    step, top = 1 << (bits - 8), (1 << bits) - 1
    if full:
        planes = luma * top, blue * top + 128 * step, red * top + 128 * step
    else:
        planes = (219 * luma + 16) * step, (224 * blue + 128) * step, (224 * red + 128) * step
    return tuple(np.rint(plane) for plane in planes)


def decode(planes: tuple[NDArray[Any], ...], matrix: int, full: bool, bits: int) -> NDArray[Any]:
    """The same equations backwards, from the rounded codes."""
    kr, kb = WEIGHTS[matrix]
    step, top = 1 << (bits - 8), (1 << bits) - 1
    black, span, chroma = (0, top, top) if full else (16 * step, 219 * step, 224 * step)
    luma, blue, red = ((planes[0] - black) / span, *((plane - 128 * step) / chroma for plane in planes[1:]))
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    return np.stack([r, (luma - kr * r - kb * b) / (1 - kr - kb), b], -1).clip(0, 1)


def frame_of(planes: tuple[NDArray[Any], ...], pixel_format: str, matrix: int, full: bool) -> VideoFrame:
    dtype = np.uint8 if bit_depth(pixel_format) == 8 else np.uint16
    large = [plane.repeat(8, 0).repeat(8, 1) for plane in planes]
    frame = VideoFrame(large[0].shape[1], large[0].shape[0], pixel_format)
    for plane, values in zip(frame.planes, large, strict=True):
        step = values.shape[0] // plane.height, values.shape[1] // plane.width
        rows = np.zeros((plane.height, plane.line_size // np.dtype(dtype).itemsize), dtype)
        rows[:, : plane.width] = values[:: step[0], :: step[1]]
        plane.update(rows.tobytes())
    frame.colorspace, frame.color_range = matrix, 2 if full else 1
    return frame


@pytest.mark.parametrize("matrix", [1, 5, 6, 9])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("pixel_format", "depth", "tolerance"),
    # In 8 bit codes: what swscale's plain 8 bit path is off by, and hardly anything in 16 bit.
    [
        ("yuv420p", 8, 3),
        ("yuv444p", 8, 0.6),
        ("yuv420p10le", 8, 4),
        ("yuv420p", 16, 0.02),
        ("yuv420p10le", 16, 0.02),
        ("yuv444p12le", 16, 0.02),
    ],
)
def test_pictures_have_the_colour_the_formula_gives(
    matrix: int, full: bool, pixel_format: str, depth: Any, tolerance: float
) -> None:
    planes = encode(PATCHES, matrix, full, bit_depth(pixel_format))
    frame = frame_of(planes, pixel_format, matrix, full)
    painter = Painter(frame.width, frame.height, Orientation(), depth, False)
    picture = painter.canvas(1)[0]
    painter.paint(frame, picture)
    seen = picture[4::8, 4::8] / (255 if depth == 8 else 65535)
    expected = decode(planes, matrix, full, bit_depth(pixel_format))
    assert np.abs(seen - expected).max() * 255 < tolerance


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p10le"])
def test_black_is_nothing_and_white_is_everything(pixel_format: str, full: bool) -> None:
    for level, codes in ((0.0, 0), (1.0, 65535)):
        planes = encode(np.full((6, 8, 3), level), 1, full, bit_depth(pixel_format))
        frame = frame_of(planes, pixel_format, 1, full)
        painter = Painter(frame.width, frame.height, Orientation(), 16, False)
        picture = painter.canvas(1)[0]
        painter.paint(frame, picture)
        assert np.abs(picture.astype(int) - codes).max() <= 4


@pytest.mark.parametrize("matrix", range(20))
@pytest.mark.parametrize("colour_range", range(5))
def test_no_tag_keeps_a_picture_from_being_read(matrix: int, colour_range: int) -> None:
    frame = frame_of(encode(PATCHES, 1, False, 10), "yuv422p10le", 1, False)
    frame.colorspace, frame.color_range = matrix, colour_range
    painter = Painter(frame.width, frame.height, Orientation(), 16, False)
    picture = painter.canvas(1)[0]
    painter.paint(frame, picture)
    assert picture.std() > 0
    known = matrix in (0, 1, 2, 4, 5, 6, 7, 9)
    assert stand_in(matrix) == (matrix if known else 9 if matrix == 10 else 2)


@pytest.mark.parametrize("pixel_format", ["rgb24", "gbrp", "rgb48le", "gbrp10le"])
def test_rgb_passes_untouched(pixel_format: str) -> None:
    deep = bit_depth(pixel_format)
    codes = np.random.default_rng(2).integers(0, 1 << deep, (16, 24, 3))
    frame = VideoFrame.from_ndarray(codes.astype(np.uint8 if deep == 8 else np.uint16), format=pixel_format)
    depth: Any = 8 if deep == 8 else 16
    painter = Painter(24, 16, Orientation(), depth, False)
    picture = painter.canvas(1)[0]
    painter.paint(frame, picture)
    exact = np.rint(codes * ((255 if depth == 8 else 65535) / ((1 << deep) - 1)))
    # A 10 bit code is widened by repeating its bits, which is exact to a 16 bit rounding step.
    assert np.abs(picture - exact).max() <= (1 if deep == 10 else 0)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("size", [(33, 24), (32, 25), (33, 25)])
def test_odd_sizes_have_no_strange_edges(size: tuple[int, int], depth: Any) -> None:
    width, height = size
    frame = VideoFrame(width, height, "yuv420p")
    for plane, code in zip(frame.planes, (126, 128, 128), strict=True):
        plane.update(bytes([code]) * plane.buffer_size)
    painter = Painter(width, height, Orientation(), depth, False)
    picture = painter.canvas(1)[0]
    painter.paint(frame, picture)
    middle = (126 - 16) / 219 * (255 if depth == 8 else 65535)
    assert np.abs(picture - middle).max() <= middle * 0.02


def test_tags_carry_ffmpegs_names(media: Path) -> None:
    with av.open(str(media / "codecs" / "bt2020_10bit.mp4")) as container:
        colour = colour_of(next(container.decode(video=0)))
    assert (colour.primaries, colour.transfer, colour.matrix, colour.range) == (
        "bt2020",
        "smpte2084",
        "bt2020nc",
        "limited",
    )


def test_pixel_formats_are_described() -> None:
    assert [bit_depth(name) for name in ("yuv420p", "yuv444p12le", "gray16le", "pal8")] == [8, 12, 16, 8]
    assert [has_alpha(name) for name in ("yuv420p", "yuva420p", "rgba", "gbrap10le")] == [
        False,
        True,
        True,
        True,
    ]

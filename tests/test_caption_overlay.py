"""Captions in pictures: in the middle of the lower edge, readable, inside of the safe area, never failing."""

import numpy as np
import pytest
from PIL import ImageDraw

from moviola.frames import Frames
from moviola.overlay import CaptionOverlay
from moviola.overlay.letters import can_write

FULL = {np.uint8: 255, np.uint16: 65535}
SIZES = [(160, 120), (176, 144), (640, 360), (360, 640), (1280, 720), (1920, 800), (3840, 2160)]
DEEP = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
TWO = "A man in a red coat walks along the beach\nwhile two dogs run after the waves"


def noise(width: int, height: int, *, count: int = 2, channels: int = 3, dtype: type = np.uint8) -> Frames:
    data = np.random.default_rng(0).integers(0, FULL[dtype] + 1, (count, height, width, channels), dtype)
    return Frames(data, np.arange(count) / 25 + 3, np.full(count, 1 / 25))


def flat(value: float, dtype: type = np.uint8) -> Frames:
    data = np.full((1, 360, 640, 3), round(value * FULL[dtype]), dtype)
    return Frames(data, np.zeros(1), np.ones(1))


def box(before: Frames, after: Frames) -> tuple[int, int, int, int]:
    """left, top, right, bottom of what changed."""
    rows, columns = np.nonzero((before.data != after.data).any(axis=(0, 3)))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


@pytest.fixture
def texts(monkeypatch) -> list[str]:
    """What is written."""
    written = []
    real = ImageDraw.ImageDraw.text

    def text(self, xy, text, *arguments, **settings):
        written.append(text)
        return real(self, xy, text, *arguments, **settings)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    return written


@DEEP
@pytest.mark.parametrize("channels", [3, 4])
def test_the_input_is_untouched_and_times_are_kept(dtype, channels):
    frames = noise(320, 180, channels=channels, dtype=dtype)
    before = frames.data.copy()
    drawn = CaptionOverlay().draw(frames, TWO)
    assert np.array_equal(frames.data, before)
    assert (drawn.data.dtype, drawn.data.shape) == (dtype, before.shape)
    assert np.array_equal(drawn.pts_seconds, frames.pts_seconds)
    assert np.array_equal(drawn.duration_seconds, frames.duration_seconds)


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("text", ["A dog runs.", TWO])
def test_it_stands_in_the_middle_of_the_lower_edge_in_the_safe_area(width, height, text):
    """5 % of width and height stay free (EBU R 95)."""
    frames = noise(width, height)
    left, top, right, bottom = box(frames, CaptionOverlay().draw(frames, text))
    assert abs(left - (width - right)) <= 1
    assert left >= 0.05 * width - 1
    assert height * 0.9 < bottom <= height * 0.95 + 1
    assert top >= height / 2 - 1


@DEEP
@pytest.mark.parametrize("ground", [0, 0.5, 1])
def test_text_stands_out_from_any_background(dtype, ground):
    """Contrast of text and panel is at least 4.5 to 1, as WCAG 2 asks for (success criterion 1.4.3)."""
    frames = flat(ground, dtype=dtype)
    drawn = CaptionOverlay().draw(frames, "A dog runs.")
    left, top, right, bottom = box(frames, drawn)
    panel = drawn.data[0, top:bottom, left:right] / FULL[dtype]
    light = np.where(panel <= 0.04045, panel / 12.92, ((panel + 0.055) / 1.055) ** 2.4)
    luminance = light @ [0.2126, 0.7152, 0.0722]
    paper, ink = np.median(luminance), luminance.max()
    assert (ink + 0.05) / (paper + 0.05) >= 4.5


def test_lines_are_kept_where_they_fit(texts):
    CaptionOverlay().draw(noise(640, 362), TWO)
    assert texts == TWO.split("\n")


def test_lines_are_broken_anew_where_the_picture_is_narrow(texts):
    CaptionOverlay().draw(noise(178, 240), TWO)
    assert len(texts) == 3
    assert " ".join(texts) == " ".join(TWO.split())


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_at_most_three_lines_and_an_ellipsis_where_more_would_follow(texts, width, height):
    frames = noise(width, height)
    left, top, right, _ = box(frames, CaptionOverlay().draw(frames, " ".join([TWO] * 20)))
    assert len(texts) == 3
    assert texts[-1].endswith("…")
    assert right - left <= width
    assert top >= height / 2 - 1


def test_text_shrinks_before_anything_is_left_out(texts):
    long = " ".join([TWO, TWO, "and bark."])
    CaptionOverlay().draw(noise(640, 364), long)
    assert len(texts) == 3
    assert " ".join(texts) == " ".join(long.split())


def test_it_is_drawn_once_for_all_frames_of_a_cue(texts):
    frames = noise(640, 366)
    for _ in range(5):
        CaptionOverlay().draw(frames, "A dog runs.")
    assert texts == ["A dog runs."]


def test_nothing_to_say_draws_nothing():
    frames = noise(320, 180)
    for nothing in ("", " \n", "\x00\n"):
        assert CaptionOverlay().draw(frames, nothing) is frames
    assert len(CaptionOverlay().draw(Frames.empty(90, 160), TWO)) == 0


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (2000, 12), (12, 2000), (40, 30), (64, 48), (60, 200)])
@pytest.mark.parametrize("text", ["x", TWO, "w" * 300, "太極拳" * 40, "🏀🎾", "كرة القدم", "\ud800"])
def test_any_text_in_any_picture_is_drawn_or_left_out_but_never_fails(size, text):
    frames = noise(*size)
    drawn = CaptionOverlay().draw(frames, text)
    assert drawn.data.shape == frames.data.shape
    if min(size) < 24:
        assert drawn is frames


def test_alpha_rises_under_the_panel_only():
    clear = noise(320, 180, channels=4)
    clear.data[..., 3] = 0
    drawn = CaptionOverlay().draw(clear, TWO)
    left, top, right, bottom = box(clear, drawn)
    alpha = drawn.data[..., 3]
    assert alpha.sum() == alpha[:, top:bottom, left:right].sum()
    assert alpha.max() == 255


def test_white_can_be_lowered_for_hdr():
    frames = flat(0, dtype=np.uint16)
    assert CaptionOverlay().draw(frames, TWO).data.max() == 65535
    assert CaptionOverlay(white=0.58).draw(frames, TWO).data.max() == round(0.58 * 65535)


def test_it_is_known_which_texts_can_be_written():
    assert can_write("A dog runs – später.")
    assert not can_write("A \ue123 of one's own")

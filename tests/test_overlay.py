"""Labels in pictures: only the panel changes, it can be read anywhere, and text is drawn once."""

import numpy as np
import pytest
from PIL import ImageDraw, ImageFont

from moviola.errors import OutputError
from moviola.frames import Frames
from moviola.overlay import Overlay, letters
from moviola.tasks import Label

FULL = {np.uint8: 255, np.uint16: 65535}
SIZES = [(160, 120), (176, 144), (640, 360), (360, 640), (1280, 720), (3840, 2160)]
DEEP = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])


def labels(*pairs: tuple[str, float]) -> list[Label]:
    return [Label(index=index, name=name, score=score) for index, (name, score) in enumerate(pairs)]


THREE = labels(("arm wrestling", 0.87), ("yoga", 0.08), ("playing didgeridoo", 0.01))
LONG = "Putting something that cannot actually stand upright on the table, so it falls on its side"


def noise(width: int, height: int, *, count: int = 2, channels: int = 3, dtype: type = np.uint8) -> Frames:
    data = np.random.default_rng(0).integers(0, FULL[dtype] + 1, (count, height, width, channels), dtype)
    return Frames(data, np.arange(count) / 25 + 3, np.full(count, 1 / 25))


def flat(value: float, width: int = 640, height: int = 360, dtype: type = np.uint8) -> Frames:
    data = np.full((1, height, width, 3), round(value * FULL[dtype]), dtype)
    return Frames(data, np.zeros(1), np.ones(1))


def box(before: Frames, after: Frames) -> tuple[int, int, int, int]:
    """left, top, right, bottom of what changed."""
    rows, columns = np.nonzero((before.data != after.data).any(axis=(0, 3)))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@DEEP
@pytest.mark.parametrize("channels", [3, 4])
def test_the_input_is_untouched_and_times_are_kept(dtype, channels):
    frames = noise(320, 180, channels=channels, dtype=dtype)
    before = frames.data.copy()
    drawn = Overlay().draw(frames, THREE)
    assert np.array_equal(frames.data, before)
    assert drawn.data.dtype == dtype
    assert drawn.data.shape == before.shape
    assert np.array_equal(drawn.pts_seconds, frames.pts_seconds)
    assert np.array_equal(drawn.duration_seconds, frames.duration_seconds)
    assert not np.array_equal(drawn.data, before)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_only_a_panel_in_the_lower_left_changes(width, height):
    frames = noise(width, height)
    left, top, right, bottom = box(frames, Overlay().draw(frames, THREE, note="12.5 looks/s"))
    assert 0 < left < width / 20
    assert height * 0.95 < bottom < height
    assert top >= height * 0.45
    assert right <= width - left


@pytest.mark.parametrize("note", ["12.5 looks/s", None])
def test_every_frame_gets_the_same_panel(note):
    frames = flat(0.4)
    many = Frames(frames.data.repeat(5, axis=0), np.arange(5.0), np.ones(5))
    drawn = Overlay().draw(many, THREE, note).data
    assert (drawn == drawn[:1]).all()
    assert np.array_equal(drawn[:1], Overlay().draw(frames, THREE, note).data)


@DEEP
@pytest.mark.parametrize("ground", [0, 0.5, 1])
def test_text_stands_out_from_any_background(dtype, ground):
    """Contrast of text and panel is at least 4.5 to 1, as WCAG 2 asks for (success criterion 1.4.3)."""
    frames = flat(ground, dtype=dtype)
    drawn = Overlay().draw(frames, labels(("a", 0)))
    left, top, right, bottom = box(frames, drawn)
    panel = drawn.data[0, top:bottom, left:right] / FULL[dtype]
    light = np.where(panel <= 0.04045, panel / 12.92, ((panel + 0.055) / 1.055) ** 2.4)
    luminance = light @ [0.2126, 0.7152, 0.0722]
    paper, ink = np.median(luminance), luminance.max()
    assert (ink + 0.05) / (paper + 0.05) >= 4.5


def test_16_bits_show_the_same_as_8():
    shallow, deep = flat(0.4), flat(0.4, dtype=np.uint16)
    difference = Overlay().draw(shallow, THREE).data / 255 - Overlay().draw(deep, THREE).data / 65535
    assert np.abs(difference).max() <= 1 / 255


@DEEP
def test_alpha_stays_and_rises_only_under_the_panel(dtype):
    opaque, clear = (noise(320, 180, channels=4, dtype=dtype) for _ in range(2))
    opaque.data[..., 3], clear.data[..., 3] = FULL[dtype], 0
    assert (Overlay().draw(opaque, THREE).data[..., 3] == FULL[dtype]).all()
    alpha = Overlay().draw(clear, THREE).data[..., 3]
    left, top, right, bottom = box(clear, Overlay().draw(clear, THREE))
    inside = alpha[:, top:bottom, left:right]
    assert alpha.sum() == inside.sum()
    assert np.median(inside) > FULL[dtype] / 2
    assert inside.max() == FULL[dtype]


def test_nothing_to_say_draws_nothing():
    frames = noise(320, 180)
    assert Overlay().draw(frames, []) is frames
    assert Overlay(top=0).draw(frames, THREE) is frames


def test_no_frames_are_no_frames():
    assert len(Overlay().draw(Frames.empty(90, 160), THREE)) == 0


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (2000, 12), (12, 2000), (40, 30), (64, 48)])
@pytest.mark.parametrize("note", [None, "12.5 looks/s"])
def test_tiny_and_narrow_pictures_are_left_alone_or_drawn_into_but_never_fail(size, note):
    frames = noise(*size)
    drawn = Overlay().draw(frames, THREE, note)
    assert drawn.data.shape == frames.data.shape
    if size in ((1, 1), (16, 16), (2000, 12)):
        assert drawn is frames


def test_pictures_that_do_not_lie_in_memory_row_by_row_are_drawn_into_as_well():
    frames = noise(320, 180)
    flipped = Frames(frames.data[:, :, ::-1], frames.pts_seconds, frames.duration_seconds)
    plain = Frames(flipped.data.copy(order="C"), frames.pts_seconds, frames.duration_seconds)
    assert np.array_equal(Overlay().draw(flipped, THREE).data, Overlay().draw(plain, THREE).data)


def panel_height(count: int, *, top: int = 5, size: tuple[int, int] = (640, 360)) -> int:
    frames = noise(*size)
    many = labels(*((f"label {number}", 1 / (number + 1)) for number in range(count)))
    _, first, _, last = box(frames, Overlay(top).draw(frames, many))
    return int(last - first)


def test_at_most_top_labels_are_shown_and_no_more_than_half_the_picture():
    assert panel_height(1) < panel_height(2) < panel_height(5)
    assert panel_height(9) == panel_height(5)
    assert panel_height(9, top=2) == panel_height(2)
    assert panel_height(1000, top=1000) <= 180


def drawn_texts(monkeypatch) -> list[str]:
    texts = []
    real = ImageDraw.ImageDraw.text

    def text(self, xy, text, *arguments, **settings):
        texts.append(text)
        return real(self, xy, text, *arguments, **settings)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    return texts


def test_names_percentages_and_the_note_are_written(monkeypatch):
    texts = drawn_texts(monkeypatch)
    Overlay(top=2).draw(noise(640, 360), THREE, note="written once")
    assert texts == ["arm wrestling", "87 %", "yoga", "8 %", "written once"]


def test_text_is_drawn_only_when_it_changes(monkeypatch):
    texts = drawn_texts(monkeypatch)
    frames, draw = noise(322, 181), Overlay(top=1).draw
    for _ in range(5):
        draw(frames, THREE)
    assert len(texts) == 2
    draw(frames, labels(("arm wrestling", 0.8702)))
    assert len(texts) == 2, "the percentage is the same"
    draw(frames, labels(("arm wrestling", 0.88)))
    assert len(texts) == 4
    draw(noise(322, 182), labels(("arm wrestling", 0.88)))
    assert len(texts) == 6


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_long_names_end_in_an_ellipsis_inside_of_the_panel(monkeypatch, width, height):
    texts = drawn_texts(monkeypatch)
    frames = noise(width, height)
    left, _, right, _ = box(frames, Overlay().draw(frames, labels((LONG * 2, 0.5)), note=LONG * 3))
    assert right <= width - left
    for text in (texts[0], texts[2]):
        assert text.endswith("…")
        assert LONG.startswith(text[:10])
        assert len(text) > 10


def test_a_note_is_kept_where_labels_must_go(monkeypatch):
    texts = drawn_texts(monkeypatch)
    Overlay().draw(noise(162, 80), THREE, note="note")
    assert texts == ["arm wrestling", "87 %", "note"]


def lit(score: float) -> int:
    """How many pixels have the colour of the first bar."""
    drawn = Overlay().draw(flat(0), labels(("x", score))).data[0].astype(int)
    return int(((drawn[..., 0] > 200) & (drawn[..., 2] < 120)).sum())


def test_a_bar_is_as_long_as_the_score():
    full = lit(1)
    assert lit(0) == 0
    assert lit(0.5) == pytest.approx(full / 2, rel=0.05)
    assert lit(1.2) == full, "rounding noise beyond 1 does not leave the track"


@pytest.mark.parametrize(
    "name",
    [
        "太极拳 打篮球",
        "Волейбол",
        "रस्सी कूद",
        "كرة القدم",
        "Fußball über Zäune",
        "🏀🎾",
        "\x07\ud800",
        "",
        " ",
    ],
)
def test_any_name_can_be_drawn(name):
    frames = noise(641, 361)
    assert not np.array_equal(Overlay().draw(frames, labels((name, 0.5)), note=name).data, frames.data)


def test_a_font_of_the_system_helps_out_where_letters_are_missing(monkeypatch):
    """And boxes do where none has them."""
    letters.font.cache_clear()
    own = letters.font("yoga", 20)
    assert letters.font("Йога", 20) is own or letters._lacking(letters.font("Йога", 20), "Йога") == 0
    monkeypatch.setattr(letters, "_FONTS", ("no such font.ttf",))
    letters.font.cache_clear()
    assert letters.font("Йога", 20) is own
    letters.font.cache_clear()


def test_a_pillow_without_freetype_is_told_in_one_line(monkeypatch):
    def missing(size):
        raise ImportError("The _imagingft C module is not installed")

    monkeypatch.setattr(ImageFont, "load_default", missing)
    letters._own.cache_clear()
    letters.font.cache_clear()
    with pytest.raises(OutputError, match="no FreeType"):
        Overlay().draw(noise(643, 363), THREE)


def test_white_can_be_lowered_for_hdr():
    frames = flat(0, dtype=np.uint16)
    assert Overlay().draw(frames, THREE).data.max() == 65535
    assert Overlay(white=0.58).draw(frames, THREE).data.max() == round(0.58 * 65535)

"""What a file's name and its source decide."""

from fractions import Fraction

import numpy as np
import pytest

from moviola.errors import RequestError
from moviola.media.encoding import choose_encoding
from moviola.media.info import Colour, MediaInfo, VideoTrack


def source(**facts: object) -> MediaInfo:
    known = {
        "index": 0, "codec": "h264", "width": 64, "height": 48, "coded_width": 64, "coded_height": 48,
        "pixel_format": "yuv420p", "bit_depth": 8, "alpha": False, "time_base": Fraction(1, 12800),
        "start_seconds": 0.0, "duration_seconds": 2.0, "average_rate": Fraction(25),
    }  # fmt: skip
    video = VideoTrack(**(known | facts))  # type: ignore[arg-type]
    return MediaInfo("clip", "mov", 2.0, video.start_seconds, (video,))


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [
        ("a.mp4", "mp4", "h264"), ("a.M4V", "mp4", "h264"), ("a.mov", "mov", "h264"),
        ("a.mkv", "matroska", "h264"),
        ("a.webm", "webm", "vp9"), ("a.gif", "gif", "gif"), ("a.webp", "webp", "webp"),
        ("a.apng", "apng", "apng"),
        ("a.png", "apng", "apng"), ("frames", "images", "png"), ("frames/", "images", "png"),
        ("frames/%05d.png", "images", "png"),
    ],
)  # fmt: skip
def test_suffix_decides(name: str, container: str, codec: str) -> None:
    encoding = choose_encoding(name)
    assert (encoding.container, encoding.codec) == (container, codec)


@pytest.mark.parametrize(
    ("name", "options", "hint"),
    [
        ("a.avi", {}, ".mp4"), ("a.txt", {}, ".webm"), ("f/%03d.jpg", {}, "PNG"),
        ("a.mp4", {"codec": "theora"}, "h264"), ("a.webm", {"codec": "h264"}, "vp9, av1"),
        ("a.mp4", {"alpha": True}, ".mov"), ("a.mp4", {"codec": "vp9", "alpha": True}, ".webm"),
        ("a.mp4", {"quality": 52}, "51"), ("a.webp", {"quality": 101}, "100"),
        ("a.gif", {"quality": 3}, "leave it out"),
        ("a.mp4", {"rate": Fraction(0)}, "above 0"), ("a.mp4", {"rate": Fraction(-5)}, "above 0"),
    ],
)  # fmt: skip
def test_impossible_wishes_are_one_line_that_says_what_is_possible(name, options, hint) -> None:
    with pytest.raises(RequestError) as error:
        choose_encoding(name, **options)
    assert hint in str(error.value)
    assert "\n" not in str(error.value)


def test_times_of_the_source_lie_exactly_on_the_clock() -> None:
    encoding = choose_encoding("a.mp4", source(time_base=Fraction(1001, 30000)))
    seconds = np.array([0, 1, 7, 1000]) * 1001 / 30000
    assert [tick * encoding.time_base for tick in encoding.ticks(seconds)] == [
        Fraction(1001 * n, 30000) for n in (0, 1, 7, 1000)
    ]


def test_an_exact_rate_absorbs_the_rounding_of_its_source() -> None:
    encoding = choose_encoding("a.mp4", source(start_seconds=0.5), rate=Fraction(30000, 1001))
    rounded = 0.5 + np.round(np.arange(300) * 1001 / 30000, 3)
    steps = np.diff(encoding.ticks(rounded))
    assert set(steps * encoding.time_base) == {Fraction(1001, 30000)}
    assert encoding.ticks(rounded)[0] * encoding.time_base == Fraction(1, 2)


def test_gif_times_do_not_drift() -> None:
    encoding = choose_encoding("a.gif")
    seconds = np.arange(3000) / 30
    assert np.abs(np.array(encoding.ticks(seconds)) / 100 - seconds).max() <= 0.005 + 1e-9


def test_colour_follows_the_source_and_untagged_becomes_bt709() -> None:
    assert choose_encoding("a.mp4", source()).colour == Colour("bt709", "bt709", "bt709", "limited")
    pq = Colour("bt2020", "smpte2084", "bt2020nc", "limited")
    assert choose_encoding("a.mp4", source(colour=pq, bit_depth=10)).colour == pq
    full = Colour("smpte170m", "smpte170m", "smpte170m", "full")
    assert choose_encoding("a.mp4", source(colour=full)).colour == full


def test_a_deep_source_stays_deep_where_the_codec_can() -> None:
    deep = source(bit_depth=10, pixel_format="yuv420p10le")
    assert (choose_encoding("a.mp4", deep).codec, choose_encoding("a.mp4", deep).depth) == ("h265", 10)
    assert choose_encoding("a.mkv", deep, codec="ffv1").depth == 16
    assert choose_encoding("a.mp4", deep, depth=8).codec == "h264"
    webm = choose_encoding("a.webm", deep)
    assert webm.depth == 8
    assert any("10 bits" in note for note in webm.notes)


def test_transparency_is_kept_or_its_loss_is_said() -> None:
    clear = source(alpha=True, pixel_format="rgba")
    assert choose_encoding("a.webm", clear).alpha
    assert choose_encoding("frames/", clear).alpha
    lost = choose_encoding("a.mp4", clear)
    assert not lost.alpha
    assert any("transparency is lost" in note for note in lost.notes)


def test_transparency_that_is_asked_for_chooses_the_codec() -> None:
    deep = source(bit_depth=10, pixel_format="yuv420p10le")
    chosen = {
        name: choose_encoding(name, like, alpha=True).codec
        for name, like in (("a.webm", None), ("a.mov", None), ("a.mkv", None), ("b.mkv", deep))
    }
    assert chosen == {"a.webm": "vp9", "a.mov": "prores", "a.mkv": "vp9", "b.mkv": "prores"}
    assert choose_encoding("a.mkv", deep, codec="ffv1", alpha=True).alpha
    with pytest.raises(RequestError, match=r"a\.mp4 cannot hold transparency; write one of \.mov"):
        choose_encoding("a.mp4", alpha=True)


def test_a_pixel_aspect_that_cannot_be_stated_is_said() -> None:
    wide = source(sample_aspect=Fraction(16, 15))
    assert choose_encoding("a.mp4", wide).sample_aspect == Fraction(16, 15)
    assert any("pixel aspect of 16/15" in note for note in choose_encoding("a.webm", wide).notes)


def test_odd_sizes_are_never_rounded() -> None:
    encoding = choose_encoding("a.mp4")
    assert encoding.pixel_format(64, 48) == "yuv420p"
    assert encoding.pixel_format(65, 48) == encoding.pixel_format(64, 49) == "yuv444p"


def test_what_an_odd_size_costs_is_said() -> None:
    odd = source(width=65)
    assert any("65×48 is odd" in note for note in choose_encoding("a.mp4", odd).notes)
    assert not choose_encoding("a.webm", odd).notes
    assert not choose_encoding("a.mp4", source()).notes


@pytest.mark.parametrize(
    ("stored", "path", "told"),
    [
        ("yuv444p", "a.mp4", "4:4:4 becomes 4:2:0"),
        ("yuv422p10le", "a.mp4", "4:2:2 becomes 4:2:0"),
        ("yuv422p10le", "a.mov", "4:2:2 becomes 4:2:0"),
        ("yuvj420p", "a.mp4", None),
        ("rgb24", "a.mp4", None),
        ("yuv444p", "frames/", None),
    ],
)
def test_coarser_chroma_is_said(stored: str, path: str, told: str | None) -> None:
    like = source(pixel_format=stored, bit_depth=10 if "10" in stored else 8)
    notes = [note for note in choose_encoding(path, like).notes if "chroma" in note]
    assert [told in note for note in notes] == ([True] if told else [])


def test_on_a_grid_every_frame_lasts_to_its_next_place() -> None:
    encoding = choose_encoding("a.mp4", rate=Fraction(5))
    assert encoding.shortest * encoding.time_base == Fraction(1, 5)
    assert choose_encoding("a.mp4").shortest == 1

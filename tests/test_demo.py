"""The demo fills a folder with videos a browser plays and a page that shows them."""

import re
from fractions import Fraction
from pathlib import Path

import pytest

from moviola.clip import Clip
from moviola.demo import make
from moviola.errors import OutputError
from moviola.film import film
from moviola.model import Note, Result
from moviola.stage import Motion, Scene, Shot, demo_scene


def finish(*arguments, **settings) -> tuple[Path, list[str]]:
    *events, last = make(*arguments, **settings)
    assert isinstance(last, Result)
    return last.value, [event.text for event in events if isinstance(event, Note)]


def check(page: Path) -> str:
    text = page.read_text()
    names = set(re.findall(r'src="([^"]+)"', text))
    assert names == {file.name for file in page.parent.iterdir()} - {page.name}
    for name in names:
        info = Clip(page.parent / name).info
        assert (info.video.codec, info.video.pixel_format) == ("h264", "yuv420p")
    assert "$" not in text
    return text


def test_a_rendered_scene_is_shown_beside_what_became_of_it(tmp_path):
    scene = demo_scene(seconds=1.4, size=(128, 72), fps=10)
    page, _ = finish(None, tmp_path / "demo", scene=scene)
    text = check(page)
    assert Clip(tmp_path / "demo/smooth.mp4").info.audio[0].codec == "aac"
    flow, mean = (float(value) for value in re.findall(r"([\d.]+) dB", text)[:2])
    assert flow > mean
    before, after = (float(value) for value in re.findall(r"([\d.]+) dB", text)[2:])
    assert after > before


def test_the_users_clip_is_shortened_and_trimmed_with_a_word(tmp_path):
    shot = Shot(6, camera=Motion(velocity=(20, 0)))
    clip = film(Scene((shot,), size=(65, 48), rate=Fraction(5)), tmp_path / "mine.mkv", codec="ffv1")
    page, notes = finish(str(clip), tmp_path / "demo")
    check(page)
    info = Clip(tmp_path / "demo/input.mp4").source.probe(count=True)
    assert (info.video.width, info.video.height, info.video.frame_count) == (64, 48, 25)
    assert any("first 5 s" in note for note in notes)
    assert any("odd" in note for note in notes)


def test_a_folder_of_somebody_elses_is_not_touched(tmp_path):
    (tmp_path / "letter.txt").write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(OutputError):
            finish(None, tmp_path, overwrite=overwrite)
    assert (tmp_path / "letter.txt").read_text() == "precious"

"""The demo fills a folder with videos a browser plays and a page that shows them."""

import re
import subprocess
import sys
from fractions import Fraction
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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


def others(extra: str) -> set[str]:
    """Modules that are installed here, and not with moviola and that extra alone."""
    wanted, todo = set[str](), [("moviola", extra)]
    while todo:
        name, chosen = todo.pop()
        if name in wanted:
            continue
        wanted.add(name)
        for line in requires(name) or ():
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": chosen}):
                todo += [(canonicalize_name(need.name), each) for each in (need.extras or {""})]
    by_module = packages_distributions()
    return {
        module for module, owners in by_module.items() if not {canonicalize_name(o) for o in owners} & wanted
    }


def test_it_needs_no_more_than_the_core_and_opencv(tmp_path):
    """As `make demo` on a fresh machine: what its environment lacks cannot be imported."""
    absent = others("classical")
    assert {"torch", "dbos"} <= absent
    assert not {"av", "cv2", "numpy"} & absent
    script = f"""
import sys
from pathlib import Path
sys.modules |= dict.fromkeys({sorted(absent)}, None)
from moviola.demo import make
from moviola.stage import demo_scene
list(make(None, Path("demo"), scene=demo_scene(seconds=0.6, size=(128, 72), fps=10)))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "demo" / "index.html").exists()


def test_the_users_clip_is_shortened_and_trimmed_with_a_word(tmp_path):
    shot = Shot(6, camera=Motion(velocity=(20, 0)))
    clip = film(Scene((shot,), size=(65, 48), rate=Fraction(5)), tmp_path / "mine.mkv", codec="ffv1")
    page, notes = finish(str(clip), tmp_path / "demo")
    check(page)
    info = Clip(tmp_path / "demo/input.mp4").source.probe(count=True)
    assert (info.video.width, info.video.height, info.video.frame_count) == (64, 48, 25)
    assert any("first 5 s" in note for note in notes)
    assert any("odd" in note for note in notes)


def test_one_that_broke_off_is_begun_anew(tmp_path):
    scene = demo_scene(seconds=0.6, size=(128, 72), fps=10)
    broken = make(None, tmp_path / "demo", scene=scene)
    next(broken)
    broken.close()
    page, _ = finish(None, tmp_path / "demo", scene=scene, overwrite=True)
    check(page)


def test_a_folder_of_somebody_elses_is_not_touched(tmp_path):
    (tmp_path / "letter.txt").write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(OutputError):
            finish(None, tmp_path, overwrite=overwrite)
    assert (tmp_path / "letter.txt").read_text() == "precious"

"""The page with a divider, seen in a real browser: each side is the right video, at one moment."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from chromium import PROGRAM, Chromium

from moviola import verbs
from moviola.frames import Frames
from moviola.media.encoding import choose_encoding
from moviola.media.write import write
from moviola.roads import comparing

SIZE = 160, 96
SECONDS = 1.0


def film(path: Path, colours: np.ndarray) -> Path:
    """A video of even pictures that lasts a second."""
    width, height = SIZE
    count = len(colours)
    data = np.broadcast_to(colours[:, None, None].astype(np.uint8), (count, height, width, 3))
    frames = Frames(np.ascontiguousarray(data), np.arange(count) / count, np.full(count, SECONDS / count))
    write([frames], path, encoding=choose_encoding(path))
    return path


def levels(count: int, channel: int) -> np.ndarray:
    """From 40 up to 240, in one of three channels."""
    colours = np.zeros((count, 3))
    colours[:, channel] = 40 + 200 * np.arange(count) / count
    return colours


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> tuple[Path, Path]:
    """Three red pictures and six blue ones, all brighter than the one before."""
    folder = tmp_path_factory.mktemp("pair")
    return film(folder / "red.mp4", levels(3, 0)), film(folder / "blue.mp4", levels(6, 2))


def test_the_page_asks_for_nothing_elsewhere(pair, tmp_path):
    text = verbs.compare(*pair, tmp_path / "both.html").read_text()
    assert [*tmp_path.iterdir()] == [tmp_path / "both.html"]
    assert re.findall(r'(?:src|href)="(.{15})', text) == ["data:video/mp4;"]
    assert "http" not in text
    assert "@import" not in text
    assert "$" not in text


def test_names_are_only_text_on_the_page(pair, tmp_path):
    page = tmp_path / "both.html"
    list(comparing.compare(*pair, page, names=("<script>alert(1)</script>", "a & b")))
    assert "<script>alert" not in page.read_text()
    assert "a &amp; b" in page.read_text()


@pytest.fixture(scope="module")
def pages(pair, tmp_path_factory) -> list[Path]:
    """One with the video in it, one with the video beside it, under a name that no address may hold."""
    folder = tmp_path_factory.mktemp("pages")
    inside = verbs.compare(*pair, folder / "inside.html")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing, "EMBEDDED", 0)
        beside = verbs.compare(*pair, folder / "beside #1 100%.html")
    assert (folder / "beside #1 100%-comparison.mp4").exists()
    return [inside, beside]


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Chromium]:
    if PROGRAM is None:
        pytest.skip("no Chromium is installed to look at pages with")
    with Chromium(tmp_path_factory.mktemp("profile"), (900, 800)) as started:
        yield started


def opened(browser: Chromium, page: Path) -> Chromium:
    browser.open(page)
    browser.wait("document.readyState === 'complete' && document.querySelector('video')?.readyState >= 2")
    return browser


def settled(browser: Chromium) -> None:
    """Until a jump has come to its frame, and that is painted."""
    browser.wait("!document.querySelector('video').seeking")
    browser.ask("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def box(browser: Chromium) -> tuple[float, float, float, float]:
    """Left, top, width and height of the picture in the window."""
    where = "document.querySelector('canvas').getBoundingClientRect()"
    return tuple(browser.ask(f"(({{x, y, width, height}}) => [x, y, width, height])({where})"))


def colours(browser: Chromium, *shares: float) -> list[np.ndarray]:
    """What is seen at these shares of the picture's width, a quarter down from its top."""
    settled(browser)
    left, top, width, height = box(browser)
    seen = browser.picture()
    return [seen[round(top + height / 4), round(left + share * width)].astype(int) for share in shares]


def number(browser: Chromium) -> int:
    return int(re.match(r"frame (\d+) of 6", browser.ask("document.querySelector('output').textContent"))[1])


def check_moment(browser: Chromium, frame: int, *, split: float) -> None:
    """Left of the divider is the input, right of it the result, and both at the moment of this frame."""
    seen = colours(browser, split / 2, split - 0.02, split + 0.02, (1 + split) / 2)
    assert [nearest(colour, 3, channel=0) for colour in seen[:2]] == [frame // 2] * 2
    assert [nearest(colour, 6, channel=2) for colour in seen[2:]] == [frame] * 2


def nearest(colour: np.ndarray, count: int, channel: int) -> int:
    """Which of the pictures a colour is of: browsers show none exactly as it was."""
    assert (np.delete(colour, channel) < 20).all(), f"{colour} is of the other video"
    return int(np.abs(levels(count, channel) - colour).sum(axis=1).argmin())


def drag_to(browser: Chromium, share: float) -> None:
    left, top, width, height = box(browser)
    middle = top + height / 2
    browser.drag((left + width / 2, middle), (left + share * width, middle))


@pytest.mark.parametrize("which", [0, 1], ids=["inside", "beside"])
def test_on_each_side_of_the_divider_is_its_video_at_one_moment(browser, pages, which):
    opened(browser, pages[which])
    drag_to(browser, 0.25)
    assert browser.ask("document.querySelector('[role=slider]').getAttribute('aria-valuenow')") == "25"
    for frame in range(6):
        check_moment(browser, frame, split=0.25)
        browser.press(".")
    drag_to(browser, 0.75)
    check_moment(browser, 5, split=0.75)
    browser.press(",")
    check_moment(browser, 4, split=0.75)


def test_the_keyboard_moves_the_divider(browser, pages):
    opened(browser, pages[0])
    now = "document.querySelector('[role=slider]').getAttribute('aria-valuenow')"
    assert browser.ask(now) == "50"
    browser.press("ArrowLeft")
    assert browser.ask(now) == "49"
    browser.press("End")
    assert browser.ask(now) == "100"
    assert all(seen[0] > seen[2] for seen in colours(browser, 0.02, 0.97))
    browser.press("Home")
    assert all(seen[2] > seen[0] for seen in colours(browser, 0.03, 0.98))


def test_the_space_bar_plays_and_stops_and_the_speed_is_chosen(browser, pages):
    opened(browser, pages[0])
    browser.ask("document.querySelector('select').focus()")
    browser.ask(
        "(s => { s.value = '0.5'; s.dispatchEvent(new Event('change')); s.blur(); })"
        "(document.querySelector('select'))"
    )
    browser.press(" ")
    browser.wait("document.querySelector('video').currentTime > 0.2")
    assert browser.ask("document.querySelector('video').playbackRate") == 0.5
    browser.press(" ")
    browser.wait("document.querySelector('video').paused")
    check_moment(browser, number(browser) - 1, split=0.5)


def test_a_comparison_without_sound_has_no_button_for_it(browser, pages):
    opened(browser, pages[0])
    assert browser.ask("document.getElementById('sound').hidden")

"""`compare`: input and result together, written after the result, refused before the work."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from moviola import verbs
from moviola.clip import Clip
from moviola.errors import OutputError, RequestError
from moviola.film import film
from moviola.frames import Frames
from moviola.media.encoding import choose_encoding
from moviola.media.write import write
from moviola.model import Note, Progress, Result
from moviola.roads import comparing
from moviola.run import run
from moviola.stage import Motion, Scene, Shot
from moviola.tasks import Edit, Interpolate, Remove, VideoResult, request

SIZE = WIDTH, HEIGHT = 160, 96


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """A second of a moving picture, 10 frames, with a tone."""
    scene = Scene((Shot(1, camera=Motion(velocity=(30, 9))),), size=SIZE, rate=Fraction(10))
    return film(scene, tmp_path_factory.mktemp("film") / "clip.mp4")


def finish(task) -> tuple[VideoResult, list[str]]:
    *events, last = run(task)
    assert isinstance(last, Result)
    return last.value, [event.text for event in events if isinstance(event, Note)]


def interpolation(clip: Path, folder: Path, compare: str | Path, **more: object):
    return request(
        Interpolate,
        {"video": clip, "factor": 2, "output": folder / "out.mp4", "compare": folder / compare} | more,
    )


def pixels(path: Path, **settings: object) -> np.ndarray:
    return Frames.concatenate(Clip(path).chunks(**settings)).data.astype(int)


def close(one: np.ndarray, two: np.ndarray) -> bool:
    """Up to what encoding once more costs, below the names at the lower edge."""
    above = slice(0, HEIGHT // 2)
    return bool(np.abs(one[:, above] - two[:, above]).mean() < 3)


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".mkv"])
def test_a_video_shows_input_and_result_side_by_side_with_the_results_sound(clip, tmp_path, suffix):
    result, _ = finish(interpolation(clip, tmp_path, f"both{suffix}"))
    assert result.comparison == tmp_path / f"both{suffix}"
    before, after, both = (pixels(path) for path in (clip, result.output, result.comparison))
    assert len(both) == len(after) == 19
    assert both.shape[1:3] == (HEIGHT, 2 * WIDTH + 2)
    assert close(both[:, :, :WIDTH], before[np.arange(19) // 2])
    assert close(both[:, :, WIDTH + 2 :], after)
    assert not close(both[1:, :, :WIDTH], after[1:])
    info = Clip(result.comparison).source.probe(count=True)
    assert info.audio
    assert info.video.duration_seconds == pytest.approx(1, abs=0.002)


def test_the_result_is_what_it_is_without_a_comparison(clip, tmp_path):
    fields = {"video": clip, "factor": 2, "output": tmp_path / "alone.mp4"}
    alone, _ = finish(request(Interpolate, fields))
    compared, _ = finish(interpolation(clip, tmp_path, "both.html"))
    assert alone.comparison is None
    assert alone.recipe == compared.recipe
    assert alone.output.read_bytes() == compared.output.read_bytes()


def test_what_was_removed_is_seen_on_one_side_of_a_page(clip, tmp_path):
    fields = {"video": clip, "mask": "40,30,30,20", "output": tmp_path / "clean.mp4"}
    result, notes = finish(request(Remove, fields | {"compare": tmp_path / "both.html"}))
    assert result.comparison == tmp_path / "both.html"
    assert not notes
    assert sorted(path.name for path in tmp_path.iterdir()) == ["both.html", "clean.mp4"]


def test_a_video_that_is_too_large_for_the_page_lies_beside_it(clip, tmp_path, monkeypatch):
    monkeypatch.setattr(comparing, "EMBEDDED", 1000)
    result, notes = finish(interpolation(clip, tmp_path, "both.html"))
    assert 'src="both-comparison.mp4"' in result.comparison.read_text()
    assert Clip(tmp_path / "both-comparison.mp4").timeline().end_seconds == pytest.approx(1, abs=0.002)
    assert any("both-comparison.mp4" in note for note in notes)
    assert len([*tmp_path.iterdir()]) == 3


REFUSED = {
    "no suffix for a video or a page": ("both.txt", RequestError, "both.txt: name a video"),
    "an animation": ("both.gif", RequestError, "both.mp4"),
    "numbered images": ("both/%05d.png", RequestError, "both.mp4"),
    "a folder": ("both", RequestError, "both.mp4"),
    "the output": ("out.mp4", OutputError, "another name"),
    "the output by another way": ("x/../out.mp4", OutputError, "another name"),
    "a file that is there": ("there.html", OutputError, "exists already"),
    "a page whose video is there": ("half.html", OutputError, "half-comparison.mp4 exists already"),
}


@pytest.mark.parametrize(("compare", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_written_is_refused_before_the_work(clip, tmp_path, compare, error, words):
    (tmp_path / "x").mkdir()
    for name in ("there.html", "half-comparison.mp4"):
        (tmp_path / name).write_text("precious")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(error, match=words) as refused:
        next(run(interpolation(clip, tmp_path, compare)))
    assert "\n" not in str(refused.value)
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "there.html").read_text() == "precious"


def test_the_input_is_never_overwritten(clip, tmp_path):
    with pytest.raises(OutputError):
        next(run(interpolation(clip, tmp_path, clip, overwrite=True)))


def test_an_earlier_comparison_is_replaced_where_that_is_asked_for(clip, tmp_path):
    (tmp_path / "both.html").write_text("old")
    result, _ = finish(interpolation(clip, tmp_path, "both.html", overwrite=True))
    assert result.comparison.read_text() != "old"


def test_cancelled_while_comparing_the_result_is_whole_and_nothing_else_is_there(clip, tmp_path):
    for compare in ("both.mp4", "both.html"):
        events = run(interpolation(clip, tmp_path, compare, overwrite=True))
        for event in events:
            if isinstance(event, Progress) and (tmp_path / "out.mp4").exists() and event.done < 19:
                break
        events.close()
        assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
        assert len(Clip(tmp_path / "out.mp4").timeline()) == 19
        (tmp_path / "out.mp4").unlink()


def test_deep_pictures_stay_deep_in_a_video_and_a_page_tells_that_they_do_not(clip, tmp_path):
    fields = {"video": clip, "mask": "40,30,30,20", "depth": "10", "output": tmp_path / "deep.mp4"}
    result, notes = finish(request(Remove, fields | {"compare": tmp_path / "both.mp4"}))
    assert Clip(result.comparison).info.video.bit_depth == 10
    assert not any("bits" in note for note in notes)
    fields |= {"overwrite": True, "compare": tmp_path / "both.html"}
    assert any("8 of 10 bits" in note for note in finish(request(Remove, fields))[1])


def test_in_slow_motion_and_of_a_part_the_input_is_as_slow_from_the_same_place(clip, tmp_path):
    result, _ = finish(interpolation(clip, tmp_path, "both.mp4", slow_motion=2, range="0.5s.."))
    before, after, both = (pixels(path) for path in (clip, result.output, result.comparison))
    assert len(both) == len(after)
    assert close(both[:, :, :WIDTH], before[5 + np.arange(len(both)) // 4])
    assert close(both[:, :, WIDTH + 2 :], after)


def test_numbered_images_are_compared_at_their_rate(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (5, 24, 32, 3), np.uint8)
    write([Frames(noise, np.arange(5) / 10, np.full(5, 0.1))], tmp_path / "in" / "%05d.png")
    fields = {"video": tmp_path / "in", "rate": 10, "factor": 2, "output": tmp_path / "out" / "%05d.png"}
    result, _ = finish(request(Interpolate, fields | {"compare": tmp_path / "both.mp4"}))
    timeline = Clip(result.comparison).timeline()
    assert np.allclose(timeline.pts_seconds, np.arange(9) / 20, atol=1e-3)


def test_every_take_is_compared_under_its_number(clip, tmp_path):
    def take(number: int) -> VideoResult:
        return VideoResult(
            output=clip,
            frames=10,
            width=WIDTH,
            height=HEIGHT,
            duration_seconds=1,
            elapsed_seconds=1,
            windows=1,
            resumed_windows=0,
            notes=[str(number)],
            recipe={},
        )

    fields = {"video": clip, "prompt": "snow", "count": 2, "output": tmp_path / "snow.mp4"}
    asked = request(Edit, fields | {"compare": tmp_path / "both.html"})
    made = (event for event in [Result(take(1).model_copy(update={"takes": [take(2)]}))])
    *_, last = comparing.with_comparison(asked, made)
    assert last.value.comparison == tmp_path / "both-1.html"
    assert [other.comparison for other in last.value.takes] == [tmp_path / "both-2.html"]
    assert all((tmp_path / f"both-{number}.html").exists() for number in (1, 2))


def test_two_videos_that_are_there_already_are_compared(clip, tmp_path):
    """Of other sizes, and one of them transparent."""
    clear = np.zeros((10, 48, 80, 4), np.uint8)
    path = tmp_path / "clear.webm"
    frames = Frames(clear, np.arange(10) / 10, np.full(10, 0.1))
    write([frames], path, encoding=choose_encoding(path, alpha=True))
    both = verbs.compare(clip, path, tmp_path / "both.mkv")
    seen = pixels(both)
    assert close(seen[:, :, :WIDTH], pixels(clip))
    board = seen[:, : HEIGHT // 2, WIDTH + 2 :]
    assert 140 < board.mean() < 220
    with pytest.raises(OutputError, match="the input too"):
        verbs.compare(clip, path, path, overwrite=True)

"""A watch for all who look on: a recording that is always whole, lines for programs, a window, a terminal."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import ImageGrab, features

import moviola
import senders
from moviola.clip import Clip
from moviola.errors import InputError, ModelError, OutputError, RequestError
from moviola.film import film
from moviola.frames import Frames
from moviola.media.write import write
from moviola.model import Result
from moviola.overlay import Overlay
from moviola.pipeline import Behind
from moviola.recognition import clock
from moviola.registry import find
from moviola.roads import live_recording, watching
from moviola.roads.live_recording import labels_of, recording
from moviola.roads.window import Window
from moviola.run import run
from moviola.selftest import tiny_checkpoint
from moviola.stage import demo_scene
from moviola.tasks import Label, Seen, Watch, Watched

MODEL = "internvideo2-s-k400"


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Of a small random network that looks at four frames in a row."""
    folder = tmp_path_factory.mktemp("weights")
    tiny_checkpoint(*find(MODEL), folder)
    card = folder / "moviola.json"
    facts = json.loads(card.read_text())
    facts["recognition"]["stride"] = 1
    card.write_text(json.dumps(facts))
    return folder


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    """40 frames with sound."""
    return film(
        demo_scene(seconds=2, size=(192, 108), fps=20, seed=3), tmp_path_factory.mktemp("scene") / "scene.mp4"
    )


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory) -> Path:
    """A minute of grey."""
    times = np.arange(600) / 10
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    write([Frames(np.full((600, 48, 64, 3), 90, np.uint8), times, np.full(600, 0.1))], path)
    return path


@pytest.fixture(autouse=True)
def unhurried(monkeypatch):
    """On a busy machine, too, no frame is let go."""
    monkeypatch.setattr(clock, "LATE", 30.0)


def asked(source: object, weights: Path, **fields: object) -> Watch:
    """With the first threshold at 0, so that a label is shown from the first look on."""
    return Watch(source=source, model=MODEL, weights=weights, **({"enter": 0, "leave": 0} | fields))


def watched(*args: object, **fields: object) -> tuple[list[Seen], Watched]:
    *events, last = run(asked(*args, **fields))
    assert isinstance(last, Result)
    return [event for event in events if isinstance(event, Seen)], last.value


def read(path: object) -> Frames:
    return Frames.concatenate(Clip(path).chunks())


def sound(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(audio=0) if p.pts is not None]


def assert_alone(path: Path) -> None:
    """Nothing is left beside a file that was made."""
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_recording_is_the_same_video_with_the_labels_of_each_moment(scene, weights, tmp_path):
    output = tmp_path / "out.mp4"
    seen, result = watched(scene, weights, output=output)
    assert result.output == output
    assert (result.frames, result.notes) == (40, [])
    before, after = read(scene), read(output)
    np.testing.assert_allclose(after.pts_seconds, before.pts_seconds, atol=1e-6)
    assert sound(output) == sound(scene)
    changed = np.abs(after.data.astype(int) - before.data).mean((1, 2, 3)) > 4
    first = int(np.searchsorted(before.pts_seconds, seen[0].seconds))
    assert not changed[: first + 1].any()
    assert changed[-5:].all()
    assert changed.tolist() == sorted(changed)
    assert_alone(output)


def test_the_file_says_what_made_it_and_cannot_be_made_again(scene, weights, tmp_path):
    output = tmp_path / "out.mp4"
    watched(scene, weights, output=output, seconds=0.5)
    recipe = Clip(output).info.recipe
    assert (recipe["verb"], recipe["model"], recipe["source"]) == ("watch", MODEL, str(scene))
    with pytest.raises(InputError):
        moviola.again(output, output=tmp_path / "again.mp4")


def test_a_part_keeps_its_part_of_the_sound(scene, weights, tmp_path):
    output = tmp_path / "out.mp4"
    _, result = watched(scene, weights, output=output, seconds=0.5)
    assert result.why == "0.5 s are over"
    assert len(read(output)) == 10
    kept = sound(output)
    assert kept == sound(scene)[: len(kept)]
    assert 0.45 < kept[-1][0] < 0.5


def test_a_variable_rate_is_kept(weights, tmp_path):
    times = np.array([0, 0.04, 0.1, 0.2, 0.24, 0.4, 0.41, 0.6])
    frames = Frames(np.full((8, 48, 64, 3), 90, np.uint8), times, np.diff(times, append=0.7))
    output = tmp_path / "out.mkv"
    watched(frames, weights, output=output)
    assert Clip(output).timeline().pts_seconds == pytest.approx(times)


def test_closing_the_generator_leaves_a_whole_file(long_clip, weights, tmp_path):
    output = tmp_path / "out.mp4"
    with closing(run(asked(long_clip, weights, output=output))) as events:
        frames = next(event.frames for event in events if isinstance(event, Seen) and event.frames > 5)
    assert frames <= len(read(output)) < frames + 10
    assert_alone(output)


def test_it_is_stopped_from_outside_with_its_result(long_clip, weights, tmp_path):
    stop, output = threading.Event(), tmp_path / "out.mp4"
    events = []
    for event in run(asked(long_clip, weights, output=output), stop=stop):
        events.append(event)
        if isinstance(event, Seen):
            stop.set()
    result = events[-1].value
    assert (result.why, result.output) == ("stopped", output)
    assert len(read(output)) == result.frames


def test_a_live_source_is_recorded_without_sound(weights, tmp_path):
    output = tmp_path / "out.mp4"
    with senders.sender() as sender:
        _, result = watched(sender.address, weights, output=output, seconds=0.6)
    frames = read(output)
    assert len(frames) == result.frames
    assert np.diff(frames.pts_seconds) == pytest.approx(1 / senders.RATE, abs=1e-4)
    assert not Clip(output).info.audio


# The recorder alone.


def grey(count: int, *, start: float = 0.0, size: tuple[int, int] = (64, 48)) -> Iterator[Frames]:
    for index in range(count):
        yield Frames(
            np.full((1, size[1], size[0], 3), 90, np.uint8),
            np.array([start + index / 25]),
            np.array([1 / 25]),
        )


LIVE = np.zeros((1, 48, 64, 3), np.uint8)
"""Has no sound; what is recorded is given by hand."""


def recorded(output: Path, *parts: Iterator[Frames], ends: BaseException | None = None) -> list[str]:
    """Notes."""
    with recording(output, Clip(LIVE), {"verb": "watch"}, top=5) as tape:
        for frames in (frames for part in parts for frames in part):
            tape.show(frames, None)
        if ends is not None:
            raise ends
    return tape.notes


@pytest.mark.parametrize("reason", [KeyboardInterrupt(), GeneratorExit(), BrokenPipeError()])
def test_who_stops_keeps_what_was_recorded(reason, tmp_path):
    with pytest.raises(type(reason)):
        recorded(tmp_path / "out.mp4", grey(5), ends=reason)
    assert len(read(tmp_path / "out.mp4")) == 5
    assert_alone(tmp_path / "out.mp4")


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(ModelError, match="NaN"):
        recorded(tmp_path / "out.mp4", grey(5), ends=ModelError("NaN"))
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_writing_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Overlay, "draw", full)
    with pytest.raises(OutputError, match=r"cannot write .*No space left on device"):
        recorded(tmp_path / "out.mp4", grey(5))
    assert list(tmp_path.iterdir()) == []


def test_without_a_frame_there_is_no_file(tmp_path):
    assert recorded(tmp_path / "out.mp4") == [f"{tmp_path / 'out.mp4'} is not written: there were no frames"]
    assert list(tmp_path.iterdir()) == []


def test_what_comes_too_fast_is_left_out_and_counted(tmp_path, monkeypatch):
    draw = Overlay.draw
    monkeypatch.setattr(Overlay, "draw", lambda *args: time.sleep(0.1) or draw(*args))
    monkeypatch.setattr(live_recording, "Behind", partial(Behind, limit=3 * LIVE.nbytes))
    began = time.monotonic()
    (note,) = recorded(tmp_path / "out.mp4", grey(50))
    assert time.monotonic() - began < 4, "drawing all of them takes five seconds"
    kept = len(read(tmp_path / "out.mp4"))
    assert 3 <= kept < 50
    assert note.startswith(f"{50 - kept} frames are missing")


def test_a_long_recording_is_joined_from_short_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(live_recording, "_SEGMENT", 0.2)
    recorded(tmp_path / "out.mp4", grey(23))
    frames = read(tmp_path / "out.mp4")
    assert frames.pts_seconds == pytest.approx(np.arange(23) / 25)


def test_a_source_that_comes_back_in_another_size_is_scaled(tmp_path):
    recorded(tmp_path / "out.mp4", grey(3), grey(3, start=5, size=(32, 32)))
    frames = read(tmp_path / "out.mp4")
    assert frames.data.shape == (6, 48, 64, 3)
    assert frames.pts_seconds[3] == pytest.approx(5)


def test_of_frames_at_the_same_time_the_first_is_kept(tmp_path):
    (note,) = recorded(tmp_path / "out.mp4", grey(3), grey(1, start=2 / 25))
    assert note.endswith("they had the times of others")
    assert len(read(tmp_path / "out.mp4")) == 3


def look(*scores: float, shown: int | None) -> Seen:
    labels = [Label(index=index, name=f"label {index}", score=score) for index, score in enumerate(scores)]
    return Seen(
        seconds=1,
        labels=sorted(labels, key=lambda label: -label.score),
        shown=None if shown is None else labels[shown],
        latency_seconds=0.1,
        fps=10,
        frames=30,
        dropped=0,
    )


def test_the_label_that_holds_is_drawn_first_and_nothing_where_none_holds():
    assert labels_of(None) == labels_of(look(0.6, 0.4, shown=None)) == []
    assert [label.index for label in labels_of(look(0.6, 0.4, shown=0))] == [0, 1]
    assert [label.index for label in labels_of(look(0.6, 0.4, shown=1))] == [1, 0]


# Lines of JSON.


def test_each_look_is_a_line(scene, weights, tmp_path):
    seen, _ = watched(scene, weights, jsonl=tmp_path / "new" / "looks.jsonl")
    lines = (tmp_path / "new" / "looks.jsonl").read_text().splitlines()
    assert [Seen.model_validate_json(line) for line in lines] == seen


def test_lines_can_be_followed_while_they_come(long_clip, weights, tmp_path):
    with closing(run(asked(long_clip, weights, jsonl=tmp_path / "looks.jsonl"))) as events:
        seen = next(event for event in events if isinstance(event, Seen))
        assert Seen.model_validate_json((tmp_path / "looks.jsonl").read_text()) == seen


def test_on_standard_output_there_is_nothing_but_lines(scene, weights, capsys):
    seen, _ = watched(scene, weights, jsonl="-")
    assert [Seen.model_validate_json(line) for line in capsys.readouterr().out.splitlines()] == seen


# Bad input.


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"source": "missing.mp4"}, InputError, "missing.mp4"),
        ({"source": "sound.wav"}, InputError, "sound.wav"),
        ({"source": 97}, InputError, "cannot open camera 97"),
        ({"source": "97"}, InputError, "cannot open camera 97"),
        ({"output": "taken.mp4"}, OutputError, "exists already"),
        ({"output": "out.xyz"}, RequestError, ".xyz"),
        ({"output": "taken.mp4/out.mp4"}, OutputError, "not a folder"),
        ({"jsonl": "taken.mp4"}, OutputError, "exists already"),
        ({"jsonl": "out.mp4", "output": "out.mp4"}, RequestError, "is the output, too"),
        ({"labels": ["flying"]}, RequestError, "flying"),
        ({"device": "cuda:7"}, RequestError, "cuda"),
    ],
)
def test_bad_input_is_refused_and_leaves_nothing(
    fields, error, message, scene, weights, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(scene, "taken.mp4")
    with av.open("sound.wav", "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sample = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sample.rate = 8000
        container.mux(stream.encode(sample))
    with pytest.raises(error, match=message):
        watched(**({"source": scene, "weights": weights} | fields))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["sound.wav", "taken.mp4"]


def test_an_output_that_is_the_input_is_refused(scene, weights, tmp_path):
    shutil.copy(scene, tmp_path / "in.mp4")
    with pytest.raises(OutputError, match="is the input too"):
        watched(tmp_path / "in.mp4", weights, output=tmp_path / "in.mp4", overwrite=True)


# The doors.


def test_the_verb_gives_looks_and_returns_the_result(scene, weights):
    results: list[Watched] = []

    def looks():
        results.append((yield from moviola.watch(scene, model=MODEL, weights=weights, seconds=0.5)))

    seen = list(looks())
    assert all(isinstance(look, Seen) for look in seen)
    assert [(result.looks, result.frames) for result in results] == [(len(seen), 10)]


@pytest.fixture
def command(long_clip, weights, tmp_path) -> Iterator[subprocess.Popen[str]]:
    """`moviola watch`, from its first look on."""
    arguments = ["--model", MODEL, "--weights", str(weights), "-o", "out.mp4", "--jsonl", "-"]
    work = subprocess.Popen(
        [sys.executable, "-m", "moviola", "watch", str(long_clip), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    try:
        Seen.model_validate_json(work.stdout.readline())
        yield work
    finally:
        work.kill()
        work.communicate()


def test_ctrl_c_ends_it_with_a_summary_and_a_whole_file(command, tmp_path):
    command.stdout.readline()
    os.kill(command.pid, signal.SIGINT)
    lines, told = command.communicate(timeout=20)
    assert command.returncode == 0
    for line in lines.splitlines():
        Seen.model_validate_json(line)
    assert "long.mp4: " in told
    assert told.endswith("; stopped\nout.mp4\n")
    assert "Traceback" not in told
    assert len(read(tmp_path / "out.mp4")) >= 4
    assert_alone(tmp_path / "out.mp4")


def test_a_reader_that_goes_away_ends_it_quietly(command, tmp_path):
    command.stdout.close()
    assert command.wait(timeout=20) == 1
    assert "Traceback" not in (told := command.stderr.read())
    assert "BrokenPipe" not in told
    assert len(read(tmp_path / "out.mp4")) >= 4
    assert_alone(tmp_path / "out.mp4")
    command.stdout = None


# The window.


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """A screen of 1000×700 that nobody sees."""
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    if shutil.which("Xvfb") is None:
        pytest.skip("there is no Xvfb to open a window in")
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1000x700x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as told, pytest.MonkeyPatch.context() as patch:
        name = f":{told.readline().strip()}"
        patch.setenv("DISPLAY", name)
        yield name
    server.terminate()
    server.wait()


def test_the_window_shows_the_picture_and_what_holds(display):
    picture = Frames(np.full((1, 300, 640, 3), (200, 60, 30), np.uint8), np.zeros(1), np.ones(1))
    with closing(Window("test")) as window:
        window.show(picture, None)
        window.show(picture, look(0.9, 0.1, shown=0))
        if features.check("xcb"):
            screen = np.asarray(ImageGrab.grab(xdisplay=display))
            shown = screen[:300, :640].astype(int)
            same = np.abs(shown - (200, 60, 30)).max(axis=2) < 3
            assert same[:100].all()
            assert 0.3 < same.mean() < 0.95
        assert not window.closed


def test_closing_the_window_ends_the_watch_with_its_result(display, long_clip, weights, monkeypatch):
    class Closed(Window):
        """By a key, as soon as there was a look."""

        def show(self, frames, seen):
            super().show(frames, seen)
            if seen is not None and not self.closed:
                self._root.focus_force()
                self._root.event_generate("<Key-q>")

    monkeypatch.setattr(watching, "Window", Closed)
    _, result = watched(long_clip, weights, window=True)
    assert result.why == "the window was closed"
    assert result.looks >= 1


def test_without_a_display_a_window_is_refused(long_clip, weights, monkeypatch):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    monkeypatch.setenv("DISPLAY", "")
    with pytest.raises(RequestError, match="leave --window out"):
        watched(long_clip, weights, window=True)

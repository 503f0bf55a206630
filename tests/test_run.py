"""The road from a request to a file: what comes out, what a crash leaves, what cancelling keeps."""

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from moviola import registry
from moviola.clip import Clip
from moviola.errors import InputError, MediaError, OutputError, RequestError
from moviola.film import film
from moviola.frames import Frames
from moviola.model import Progress, Result
from moviola.run import run
from moviola.selftest import tiny_checkpoint
from moviola.stage import Motion, Scene, Shot
from moviola.tasks import Interpolate, Remove, VideoResult, request


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """Two shots of 1 s, 160×96, 25 frames/s, with a tone."""
    shots = tuple(Shot(1, ground=n, camera=Motion(velocity=(30, 9 * n))) for n in (1, 2))
    return film(Scene(shots, size=(160, 96)), tmp_path_factory.mktemp("film") / "clip.mp4")


def finish(task) -> VideoResult:
    *_, last = run(task)
    assert isinstance(last, Result)
    return last.value


def pixels(path: Path) -> np.ndarray:
    return Frames.concatenate(Clip(path).chunks()).data


def work_folder(output: Path) -> Path:
    return output.parent / f".{output.name}.moviola"


def test_a_request_becomes_a_file_with_sound_and_its_recipe(clip, tmp_path):
    out = tmp_path / "smooth.mp4"
    result = finish(request(Interpolate, {"video": clip, "factor": 2, "output": out}))
    info = Clip(out).source.probe(count=True)
    assert info.video.frame_count == result.frames
    assert info.audio[0].codec == Clip(clip).info.audio[0].codec
    assert info.recipe == result.recipe
    assert info.recipe["request"]["factor"] == "2"
    assert info.video.duration_seconds == pytest.approx(Clip(clip).info.video.duration_seconds, abs=0.001)
    assert not work_folder(out).exists()


def test_progress_never_goes_back_and_ends_at_the_total(clip, tmp_path):
    task = request(Interpolate, {"video": clip, "factor": 2, "output": tmp_path / "smooth.mp4"})
    steps = [event for event in run(task) if isinstance(event, Progress)]
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert (steps[-1].done, steps[-1].total) == (50, 50)


def test_the_same_request_gives_the_same_file(clip, tmp_path):
    for name in ("one.mp4", "two.mp4"):
        finish(request(Remove, {"video": clip, "mask": "40,30,30,20", "output": tmp_path / name}))
    assert np.array_equal(pixels(tmp_path / "one.mp4"), pixels(tmp_path / "two.mp4"))


def test_cancelling_keeps_what_is_finished_and_gives_no_half_file(clip, tmp_path):
    out = tmp_path / "smooth.mp4"
    task = request(Interpolate, {"video": clip, "factor": 2, "output": out})
    events = run(task)
    for event in events:
        if isinstance(event, Progress) and event.done >= 30:  # the first shot is a window of its own
            break
    events.close()
    assert not out.exists()
    assert work_folder(out).is_dir()
    result = finish(task)
    assert result.resumed_windows == 1
    assert out.exists()
    assert not work_folder(out).exists()


def test_numbered_images_in_and_out_stay_lossless(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), np.uint8)
    source = Frames(noise, np.arange(3) / 25, np.full(3, 1 / 25))
    from moviola.media.write import write

    write([source], tmp_path / "in" / "%05d.png")
    finish(request(Interpolate, {"video": tmp_path / "in", "factor": 2, "output": tmp_path / "out/%05d.png"}))
    made = pixels(tmp_path / "out")
    assert len(made) == 5
    assert np.array_equal(made[::2], noise)


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"video": "missing.mp4"}, InputError, "missing.mp4"),
        ({"output": "out.xyz"}, RequestError, "xyz"),
        ({"model": "nonesuch"}, RequestError, "no model 'nonesuch'"),
        ({"model": "propagate"}, RequestError, "does not interpolate"),
        ({"options": {"speed": "9"}}, RequestError, "its options:"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(clip, tmp_path, monkeypatch, fields, kind, message):
    monkeypatch.chdir(tmp_path)
    task = request(Interpolate, {"video": clip, "factor": 2, "output": "out.mp4"} | fields)
    with pytest.raises(kind, match=message) as refusal:
        finish(task)
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_is_never_touched_without_leave(clip, tmp_path):
    out = tmp_path / "smooth.mp4"
    out.write_text("precious")
    task = request(Interpolate, {"video": clip, "factor": 2, "output": out})
    with pytest.raises(OutputError, match="exists"):
        finish(task)
    assert out.read_text() == "precious"
    finish(task.model_copy(update={"overwrite": True}))
    assert Clip(out).info.videos


def test_a_file_that_is_no_video_is_refused(tmp_path):
    fake = tmp_path / "letter.mp4"
    fake.write_text("Dear video,")
    with pytest.raises(MediaError, match=r"letter\.mp4"):
        finish(request(Interpolate, {"video": fake, "factor": 2, "output": tmp_path / "out.mp4"}))


def test_the_input_cannot_be_the_output(clip):
    task = request(Interpolate, {"video": clip, "factor": 2, "output": clip, "overwrite": True})
    with pytest.raises(OutputError, match="is the input too"):
        finish(task)


def _interrupt(arguments: list[str], journal: Path, lines: int) -> None:
    """Start moviola and kill it -9 once its journal has so many lines."""
    work = subprocess.Popen([sys.executable, "-m", "moviola", *arguments], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 180
    try:
        while not (journal.exists() and len(journal.read_text().splitlines()) >= lines):
            assert work.poll() is None, work.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        os.kill(work.pid, signal.SIGKILL)
        work.wait()
        work.stderr.close()


@pytest.fixture
def command(tmp_path):
    """Arguments of a job of several windows, by verb and output."""
    shots = tuple(Shot(1, ground=n, camera=Motion(velocity=(40, 10 * n))) for n in range(4))

    def command(verb: str, out: Path) -> list[str]:
        if verb == "generate":
            model, weights = "cogvideox-5b", tmp_path / "tiny"
            if not weights.exists():
                weights.mkdir()
                tiny_checkpoint(*registry.find(model), weights)
            given = ["a lake", "--model", model, "--weights", str(weights), "--frames", "60", "--steps", "4"]
        else:
            clip = tmp_path / "clip.mp4"
            if not clip.exists():
                film(Scene(shots, size=(160, 96), rate=Fraction(25)), clip)
            flags = {
                "interpolate": ["--factor", "2"],
                "slow-motion": ["--slow-motion", "2", "--range", "0.5..3.6s"],
                "remove": ["--mask", "30,20,25,20"],
            }[verb]
            given = [str(clip), *flags]
            verb = "interpolate" if verb == "slow-motion" else verb
        seed = ["--seed", "3"] if verb == "generate" else []
        return [verb, *given, *seed, "-o", str(out), "--json"]

    return command


@pytest.mark.parametrize("verb", ["interpolate", "slow-motion", "remove", "generate"])
def test_after_kill_9_the_same_command_goes_on_and_ends_the_same(verb, command, tmp_path):
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    _interrupt(command(verb, cut), work_folder(cut) / "journal.jsonl", lines=3)
    assert not cut.exists()
    again = subprocess.run(
        [sys.executable, "-m", "moviola", *command(verb, cut)], capture_output=True, text=True, check=True
    )
    result = json.loads(again.stdout)
    assert result["resumed_windows"] >= 2
    assert "going on after" in again.stderr
    subprocess.run([sys.executable, "-m", "moviola", *command(verb, whole)], capture_output=True, check=True)
    assert np.array_equal(pixels(cut), pixels(whole))
    assert np.array_equal(Clip(cut).timeline().pts_seconds, Clip(whole).timeline().pts_seconds)

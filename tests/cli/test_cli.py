"""The command line as a user meets it: a process with arguments, output, and an exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from moviola import metrics
from moviola.film import film
from moviola.stage import Motion, Scene, Shot
from moviola.tasks import TASKS


def moviola(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "moviola", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    scene = Scene((Shot(1, ground=3, camera=Motion(velocity=(30, 10))),), size=(128, 72))
    return film(scene, tmp_path_factory.mktemp("film") / "clip.mp4")


def test_help_names_every_verb():
    done = moviola("--help")
    assert done.returncode == 0
    for task in TASKS:
        assert task.verb in done.stdout


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.verb)
def test_every_field_of_a_task_is_a_flag(task):
    text = moviola(task.verb, "--help").stdout
    for name in task.model_fields:
        assert f"--{name.replace('_', '-')}" in text or f"{name.upper()}" in text or f"-{name}" in text


def test_probe_gives_one_json_object(clip):
    done = moviola("probe", clip, "--count", "--json")
    info = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert info["videos"][0]["frame_count"] == 25
    assert info["videos"][0]["origin"]["frame_count"] == "content"
    assert info["audio"][0]["sample_rate"] == 44100


def test_models_gives_a_list_of_cards():
    cards = json.loads(moviola("models", "--json").stdout)
    for card in cards:
        assert {"id", "tasks", "licence", "extra", "limits"} <= set(card)
    assert {"flow", "propagate"} <= {card["id"] for card in cards}


def test_models_test_exits_0_when_the_path_runs():
    done = moviola("models", "test", "flow")
    assert done.returncode == 0, done.stderr
    assert "flow can interpolate" in done.stdout


def test_help_of_measure_lists_the_metrics():
    text = moviola("measure", "--help").stdout
    for name in metrics.names():
        assert name in text
    assert "the video to score" in text


def test_models_can_be_listed_by_what_they_do():
    cards = json.loads(moviola("models", "--task", "caption", "--json").stdout)
    assert "smolvlm2-2.2b" in {card["id"] for card in cards}
    assert all("caption" in card["tasks"] for card in cards)


def test_models_show_tells_a_fact_a_line():
    lines = moviola("models", "show", "smolvlm2-2.2b").stdout.splitlines()
    assert "  understanding:" in lines
    assert "    context: 8192" in lines
    assert any(line.startswith("      - benchmark: Video-MME, value: 52.1") for line in lines)


def test_models_show_lists_the_options():
    assert "-O" in moviola("models", "show", "flow").stdout


def test_sample_writes_exact_frames_and_says_which(clip, tmp_path):
    done = moviola("sample", clip, "-n", 5, "-o", tmp_path / "f/%05d.png", "--json")
    sampled = json.loads(done.stdout)
    assert len(sampled["indices"]) == len(sampled["pts_seconds"]) == len(sampled["files"]) == 5
    assert all(Path(file).is_file() for file in sampled["files"])
    assert sampled["pts_seconds"] == pytest.approx([index / 25 for index in sampled["indices"]])


def test_interpolate_remove_and_measure_work_together(clip, tmp_path):
    smooth, clean = tmp_path / "smooth.mp4", tmp_path / "clean.mp4"
    made = moviola("interpolate", clip, "--factor", 2, "--model", "flow", "-o", smooth, "--json")
    assert json.loads(made.stdout)["frames"] == 49
    assert moviola("remove", clip, "--mask", "50,20,16,16", "-o", clean).returncode == 0
    scores = json.loads(moviola("measure", "psnr", clean, clip, "--json").stdout)
    assert scores["metric"] == "psnr"
    assert scores["frames"] == len(scores["per_frame"]) == 25
    assert 20 < scores["value"] < 60


def test_measuring_a_clip_against_itself_stays_valid_json(clip):
    scores = json.loads(moviola("measure", "psnr", clip, clip, "--json").stdout)
    assert scores["value"] is None
    assert scores["per_frame"] == [None] * 25


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["interpolate", "missing.mp4", "--factor", "2", "-o", "out.mp4"], 1, "missing.mp4"),
        (["interpolate", "CLIP", "--factor", "1", "-o", "out.mp4"], 2, "factor 1"),
        (["interpolate", "CLIP", "--fps", "-5", "-o", "out.mp4"], 2, "-5"),
        (["interpolate", "CLIP", "--fps", "0", "-o", "out.mp4"], 2, "0 is out of range"),
        (["interpolate", "CLIP", "-o", "out.mp4"], 2, "factor, fps and slow_motion"),
        (["interpolate", "CLIP", "--factor", "2", "--model", "flov", "-o", "out.mp4"], 2, "flow"),
        (["interpolate", "CLIP", "--factor", "2", "-O", "quality", "-o", "out.mp4"], 2, "KEY=VALUE"),
        (["remove", "CLIP", "--mask", "500,500,10,10", "-o", "out.mp4"], 1, "500"),
        (["remove", "CLIP", "--mask", "missing.png", "-o", "out.mp4"], 1, "missing.png"),
        (["measure", "nonesuch", "CLIP"], 2, "psnr"),
        (["measure", "psnr", "CLIP"], 2, "reference"),
        (["probe", "missing.mp4"], 1, "missing.mp4"),
        (["sample", "CLIP", "-n", "0"], 2, "n:"),
        (["sample", "CLIP", "--times", "99"], 2, "outside"),
        (["fly", "CLIP"], 2, "fly"),
    ],
)
def test_bad_input_is_one_clear_line_with_the_right_code(clip, tmp_path, arguments, code, message):
    done = moviola(*[clip if part == "CLIP" else part for part in arguments], cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def heed_ctrl_c() -> None:
    """A script's background jobs are started deaf to it, and so would be what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_stops_at_once_and_says_how_to_go_on(tmp_path):
    shots = tuple(Shot(3, ground=n, camera=Motion(velocity=(30, 10))) for n in range(4))
    clip = film(Scene(shots, size=(320, 192)), tmp_path / "clip.mp4")
    out = tmp_path / "out.mp4"
    command = [sys.executable, "-m", "moviola", "interpolate", str(clip), "--factor", "4", "-o", str(out)]
    work = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c)
    journal = tmp_path / ".out.mp4.moviola" / "journal.jsonl"
    deadline = time.monotonic() + 60
    while not (journal.exists() and len(journal.read_text().splitlines()) > 1):
        assert work.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(work.pid, signal.SIGINT)
    began = time.monotonic()
    _, errors = work.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert work.returncode == 130
    assert "run the same command again" in errors
    assert "Traceback" not in errors
    assert not out.exists()

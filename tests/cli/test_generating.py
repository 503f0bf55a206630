"""Generating from the command line: a plan before anything is loaded, a file, its recipe done again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MODEL = "cogvideox-5b"


def moviola(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "moviola", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    """A folder with a tiny checkpoint, made by the command that makes one."""
    folder = tmp_path_factory.mktemp("desk")
    done = moviola("models", "tiny", MODEL, "tiny", cwd=folder)
    assert (done.returncode, done.stdout) == (0, f"use it with --model {MODEL} --weights tiny\n")
    return folder


def test_a_tiny_checkpoint_is_not_written_over_anything(desk):
    done = moviola("models", "tiny", MODEL, "tiny", cwd=desk)
    assert done.returncode == 2
    assert "tiny is not empty" in done.stderr


def test_a_plan_says_how_and_why_and_does_nothing(desk):
    before = sorted(desk.iterdir())
    asked = ("generate", "a lake", "--model", MODEL, "--weights", "tiny", "--device", "cpu", "--plan")
    text = moviola(*asked, cwd=desk).stdout
    assert text.startswith("makes     32x32, 9 frames at 8/s, in 2 steps")
    assert "because" in text
    plan = json.loads(moviola(*asked, "--json", cwd=desk).stdout)
    assert plan["device"] == "cpu"
    assert plan["device_bytes"] > 0
    assert plan["reasons"]
    assert sorted(desk.iterdir()) == before


def test_a_job_that_cannot_fit_says_so_before_it_begins(desk):
    asked = ("generate", "a lake", "--model", MODEL, "--weights", "tiny", "--memory", "1KB")
    done = moviola(*asked, "-o", "small.mp4", cwd=desk)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "even at its leanest" in done.stderr
    assert not (desk / "small.mp4").exists()


def test_a_file_is_made_and_made_again(desk):
    done = moviola(
        "generate", "a lake", "--model", MODEL, "--weights", "tiny", "-o", "lake.mp4", "--json", cwd=desk
    )
    result = json.loads(done.stdout)
    assert (result["output"], result["frames"]) == ("lake.mp4", 9)
    assert f"note: seed: {result['recipe']['request']['seed']}" in done.stderr
    again = moviola("again", "lake.mp4", "--json", cwd=desk)
    assert json.loads(again.stdout)["output"] == "lake-again.mp4"
    assert (desk / "lake-again.mp4").read_bytes() == (desk / "lake.mp4").read_bytes()


def test_a_model_with_weights_is_shown_in_full(desk):
    done = moviola("models", "show", MODEL, cwd=desk)
    assert done.returncode == 0, done.stderr
    assert "repo: zai-org/CogVideoX-5b" in done.stdout
    assert "-O dynamic_guidance=False" in done.stdout

"""Every example in the README is run, in order, as it stands there."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_hub import Repo, environment, serve
from moviola import registry
from moviola.film import film
from moviola.selftest import tiny_checkpoint
from moviola.stage import Motion, Scene, Shot, Sprite

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"```(console|python)\n(.*?)```", re.DOTALL)
EXAMPLES = [(kind, text) for kind, text in BLOCK.findall(README.read_text()) if "make " not in text]


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    """A folder with the files the README talks about: clip.mp4 and mask.png."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("desk")
    sprite = Sprite("disc", 9, (0.9, 0.3, 0.2), Motion(velocity=(20, 0)))
    film(
        Scene((Shot(1, camera=Motion(velocity=(30, 5)), sprites=(sprite,)),), size=(128, 72)),
        folder / "clip.mp4",
    )
    mask = Image.new("L", (128, 72))
    mask.paste(255, (50, 20, 80, 50))
    mask.save(folder / "mask.png")
    return folder


def commands(kind: str, text: str) -> list[list[str]]:
    if kind == "python":
        return [[sys.executable, "-c", text]]
    lines = [line[2:] for line in text.splitlines() if line.startswith("$ moviola ")]
    assert lines, f"nothing to run in:\n{text}"
    return [[sys.executable, "-m", *shlex.split(line, comments=True)] for line in lines]


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[dict[str, str]]:
    """The environment in which the examples find the models they name: on a Hub that has tiny checkpoints."""
    models = {
        model
        for _, text in EXAMPLES
        for model in re.findall(r"""(?:--model |model="|pull )([\w.-]+)""", text)
    }
    with serve() as hub:
        for model in models:
            family, card = registry.find(model)
            if not card.weights:
                continue
            folder = tmp_path_factory.mktemp(model)
            tiny_checkpoint(family, card, folder)
            files = {
                str(path.relative_to(folder)): path.read_bytes()
                for path in folder.rglob("*")
                if path.is_file()
            }
            (published,) = card.weights
            hub.repos[published.repo] = Repo(["1" * 40], files)
        yield os.environ | environment(hub.url, tmp_path_factory.mktemp("cache"))


def test_the_examples_run_one_after_the_other_as_written(desk, hub):
    for kind, text in EXAMPLES:
        for command in commands(kind, text):
            done = subprocess.run(command, cwd=desk, capture_output=True, text=True, env=hub)
            assert done.returncode == 0, f"{command}\n{done.stderr}"


def test_the_readme_has_an_example_for_every_verb():
    from moviola.tasks import TASKS

    for verb in [task.verb for task in TASKS] + ["probe", "models"]:
        assert any(f"moviola {verb}" in text or f"moviola.{verb}(" in text for _, text in EXAMPLES), verb

"""Every example in the README is run, in order, as it stands there."""

import hashlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fake_gemini import FakeGemini
from fake_hub import Repo, environment, serve
from fake_runway import FakeRunway
from moviola import registry
from moviola.card import Weights
from moviola.film import film
from moviola.selftest import tiny_checkpoint
from moviola.stage import Motion, Scene, Shot, Sprite
from moviola.tasks import Search, Understanding
from moviola.tasks.recognizing import Recognizing
from moviola.weights.record import Record, State, folder_of, name_of, write_record

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"```(console|python)\n(.*?)```", re.DOTALL)
OWN = {"gestures"}
"""Models that the examples make themselves."""
EXAMPLES = [(kind, text) for kind, text in BLOCK.findall(README.read_text()) if "make " not in text]


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    """A folder with what the README talks about: clip.mp4, mask.png, my-videos, schema.json, and
    gestures in a folder for each."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("desk")
    sprite = Sprite("disc", 9, (0.9, 0.3, 0.2), Motion(velocity=(20, 0)))
    film(
        Scene((Shot(1, camera=Motion(velocity=(30, 5)), sprites=(sprite,)),), size=(128, 72)),
        folder / "clip.mp4",
    )
    (folder / "my-videos").mkdir()
    shutil.copy(folder / "clip.mp4", folder / "my-videos" / "holiday.mp4")
    (folder / "schema.json").write_text('{"type": "object", "required": ["people"]}')
    mask = Image.new("L", (128, 72))
    mask.paste(255, (50, 20, 80, 50))
    mask.save(folder / "mask.png")
    for name, speed in (("wave", 40), ("point", -40)):
        (folder / "gestures" / name).mkdir(parents=True)
        for number in range(3):
            shot = Shot(0.6, ground=number, camera=Motion(velocity=(speed, 0)))
            film(Scene((shot,), size=(96, 64)), folder / "gestures" / name / f"{number}.mp4", sound=False)
    return folder


def commands(kind: str, text: str) -> list[list[str]]:
    if kind == "python":
        return [[sys.executable, "-c", text]]
    lines = [line[2:] for line in text.splitlines() if line.startswith("$ moviola ")]
    assert lines, f"nothing to run in:\n{text}"
    return [[sys.executable, "-m", *shlex.split(line, comments=True)] for line in lines]


@pytest.fixture(scope="module")
def hub(desk, tmp_path_factory) -> Iterator[dict[str, str]]:
    """The environment in which the examples find the models they name, as tiny checkpoints: on a Hub, or if
    an address is the place, in the cache."""
    models = {
        model
        for _, text in EXAMPLES
        for model in re.findall(r"""(?:--model |model="|pull )([\w./-]+)""", text)
        if model not in OWN
    } | {task.model_fields["model"].default for task in (Recognizing, Understanding, Search)}
    places = {
        "MOVIOLA_CACHE": str(tmp_path_factory.mktemp("moviola")),
        "MOVIOLA_HOME": str(tmp_path_factory.mktemp("home")),
    }
    with (
        serve() as hub,
        FakeRunway((desk / "clip.mp4").read_bytes()) as runway,
        FakeGemini() as gemini,
        pytest.MonkeyPatch.context() as patch,
    ):
        places |= runway.environment | gemini.environment
        for name, value in places.items():
            patch.setenv(name, value)
        for model in models:
            family, card = registry.find(model)
            if not card.weights:
                continue
            folder = tmp_path_factory.mktemp(model)
            tiny_checkpoint(family, card, folder)
            for published in card.weights:
                if published.url is not None:
                    in_cache(published, folder)
                else:
                    hub.repos[published.repo] = Repo(["1" * 40], on_the_hub(folder, published.files))
        yield os.environ | environment(hub.url, tmp_path_factory.mktemp("cache")) | places


def on_the_hub(tiny: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """The files of a tiny checkpoint, its network also as the pickle that a card may name."""
    files = {str(path.relative_to(tiny)): path.read_bytes() for path in tiny.rglob("*") if path.is_file()}
    for name in names:
        if name.endswith((".pt", ".bin", ".pth")):
            pickled = io.BytesIO()
            torch.save(load_file(tiny / "model.safetensors"), pickled)
            files[name] = pickled.getvalue()
    return files


def in_cache(published: Weights, tiny: Path) -> None:
    """Put a tiny checkpoint where a pull of this address would have left it, as if it was what is pinned."""
    url, pinned = published.url, published.sha256 or ""
    assert url is not None
    folder = folder_of(url)
    folder.mkdir(parents=True)
    file = folder / name_of(url)
    torch.save(load_file(tiny / "model.safetensors"), file)
    shutil.copy(tiny / "moviola.json", folder)
    state = State(size=file.stat().st_size, validator=None)
    digest = pinned + hashlib.sha256(file.read_bytes()).hexdigest()[len(pinned) :]
    write_record(folder, Record(url=url, state=state, sha256=digest))


def test_the_examples_run_one_after_the_other_as_written(desk, hub):
    for kind, text in EXAMPLES:
        for command in commands(kind, text):
            done = subprocess.run(
                command, cwd=desk, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=hub
            )
            assert done.returncode == 0, f"{command}\n{done.stderr}"


def test_the_readme_has_an_example_for_every_verb():
    from moviola.tasks import TASKS

    for verb in [task.verb for task in TASKS] + ["probe", "models"]:
        assert any(f"moviola {verb}" in text or f"moviola.{verb}(" in text for _, text in EXAMPLES), verb

"""Runs a model's whole path on a rendered clip: decode, windows, model, encode, sound."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import BaseModel

from moviola import registry
from moviola.clip import Clip
from moviola.errors import ModelError
from moviola.film import film
from moviola.model import Result
from moviola.run import run
from moviola.stage import Motion, Scene, Shot, Sprite
from moviola.tasks import TASKS, VideoTask, request

# The least each verb needs beside the video; the box lies on the sprite of `_scene`.
_LEAST: dict[str, dict[str, Any]] = {
    "interpolate": {"factor": 2},
    "remove": {"mask": "32,20,32,32"},
}


class Passed(BaseModel):
    """A model did a task from end to end."""

    model: str
    task: str
    frames: int
    seconds: float


def selftest(model: str) -> list[Passed]:
    """Try every task of a model, from a small random configuration where it has weights.

    Raises MoviolaError when something fails.
    """
    _, card = registry.find(model)
    return [_try(model, task) for task in card.tasks]


def _try(model: str, task: str) -> Passed:
    kind = next(kind for kind in TASKS if kind.verb == task)
    with TemporaryDirectory() as folder:
        clip = film(_scene(), Path(folder) / "rendered.mp4")
        output = Path(folder) / "result.mp4"
        asked = request(kind, {"video": clip, "model": model, "output": output} | _LEAST[task])
        assert isinstance(asked, VideoTask)
        began = time.monotonic()
        *_, last = run(asked, random=True)
        seconds = time.monotonic() - began
        if not isinstance(last, Result) or not output.is_file():
            raise ModelError(f"{model} ended {task} without a result")
        decoded = sum(len(frames) for frames in Clip(output).chunks())
        if decoded != last.value.frames:
            raise ModelError(f"{model} promised {last.value.frames} frames, the file holds {decoded}")
        if not Clip(output).info.audio:
            raise ModelError(f"{model} lost the sound in {task}")
    return Passed(model=model, task=task, frames=decoded, seconds=seconds)


def _scene() -> Scene:
    """Two short shots with a moving sprite: a cut, an occlusion, a camera move, in 24 small frames."""
    sprite = Sprite("disc", 10, (0.9, 0.3, 0.2), Motion(position=(-10, 0), velocity=(20, 0)))
    still = Sprite("square", 10, (0.2, 0.5, 0.9), Motion())
    shots = (
        Shot(0.5, ground=1, camera=Motion(velocity=(20, 4)), sprites=(sprite,)),
        Shot(0.46, ground=2, camera=Motion(spin=4), sprites=(still,)),
    )
    return Scene(shots, size=(96, 72), rate=Fraction(25))

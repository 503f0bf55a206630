"""Runs a model's whole path: read or load, windows or steps, model, encode, sound."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from pydantic import BaseModel

from moviola import registry, weights
from moviola.card import ModelCard
from moviola.clip import Clip
from moviola.errors import MissingExtraError, ModelError, RequestError
from moviola.film import film
from moviola.model import Family, Result, WeightedFamily
from moviola.run import run
from moviola.stage import Motion, Scene, Shot, Sprite
from moviola.tasks import TASKS, Label, Recognized, Seen, Watched, request

_BOX = "32,20,32,32"
"""Where the sprite of `_scene` is."""


class Passed(BaseModel):
    """A model did a task from end to end."""

    model: str
    task: str
    frames: int
    seconds: float


def selftest(model: str) -> list[Passed]:
    """Try every task of a model: as it is, or where it has weights from a small random checkpoint.

    The checkpoint is read by the same code as the published one. Raises MoviolaError when something fails.
    """
    family, card = registry.find(model)
    with _checkpoint(family, card) as (folder, tried):
        return [_try(tried, task, folder) for task in card.tasks]


@contextmanager
def _checkpoint(family: Family, card: ModelCard) -> Iterator[tuple[Path | None, ModelCard]]:
    """A folder with a tiny checkpoint and its card; for a model without weights none and its own."""
    if not card.weights:
        yield None, card
        return
    with TemporaryDirectory() as name:
        folder = Path(name)
        tiny_checkpoint(family, card, folder)
        yield folder, weights.own_card(card, folder)


def tiny_checkpoint(family: Family, card: ModelCard, folder: Path) -> None:
    """Write a small random checkpoint of a model, with the card that says so.

    Raises RequestError for a model without weights, MissingExtraError without the packages it needs.
    """
    if not isinstance(family, WeightedFamily):
        raise RequestError(f"{card.id} has no weights, and so no tiny checkpoint")
    try:
        tiny = family.tiny(card, folder)
    except ImportError as error:
        raise MissingExtraError(card.id, card.extra or "local") from error
    weights.write_own_card(tiny, folder)


def _try(card: ModelCard, task: str, checkpoint: Path | None) -> Passed:
    kind = next(kind for kind in TASKS if kind.verb == task)
    with TemporaryDirectory() as name:
        folder = Path(name)
        output = folder / "result.mp4"
        fields = _least(card, task, folder) | {"model": card.id, "output": output}
        if checkpoint is not None:
            fields["weights"] = checkpoint
        began = time.monotonic()
        *events, last = run(request(kind, fields))
        seconds = time.monotonic() - began
        if not isinstance(last, Result) or not output.is_file():
            raise ModelError(f"{card.id} ended {task} without a result")
        if isinstance(last.value, Recognized | Watched):
            looks = [event.labels for event in events if isinstance(event, Seen)]
            if isinstance(last.value, Recognized):
                looks += [moment.labels for moment in last.value.moments]
            _check_labels(card, task, looks)
            return Passed(model=card.id, task=task, frames=last.value.frames, seconds=seconds)
        decoded = sum(len(frames) for frames in Clip(output).chunks())
        if decoded != last.value.frames:
            raise ModelError(f"{card.id} promised {last.value.frames} frames, the file holds {decoded}")
        if "video" in fields and not Clip(output).info.audio:
            raise ModelError(f"{card.id} lost the sound in {task}")
    return Passed(model=card.id, task=task, frames=decoded, seconds=seconds)


def _check_labels(card: ModelCard, task: str, looks: list[list[Label]]) -> None:
    """Something was looked at, and all of its classes share one whole."""
    if not looks:
        raise ModelError(f"{card.id} ended {task} without a look")
    for labels in looks:
        total = sum(label.score for label in labels)
        if abs(total - 1) > 1e-3:
            raise ModelError(f"{card.id} gave probabilities that sum to {total:.3f} in {task}")


def _least(card: ModelCard, task: str, folder: Path) -> dict[str, Any]:
    """The least a request for a task must say, with what the model needs beyond it."""
    size = card.native.size if card.native is not None else (96, 72)
    match task:
        case "interpolate":
            return {"video": film(_scene(), folder / "rendered.mp4"), "factor": 2}
        case "recognize":
            return {"videos": film(_scene(), folder / "rendered.mp4"), "every": 0.4, "top": 1000}
        case "watch":
            return {"source": film(_scene(), folder / "rendered.mp4"), "every": 0.1, "top": 1000}
        case "remove":
            return {"video": film(_scene(), folder / "rendered.mp4"), "mask": _BOX}
    every: dict[str, Any] = {
        "prompt": "a disc over a hill",
        "image": Image.new("RGB", size, (90, 140, 200)),
        "last_image": Image.new("RGB", size, (200, 140, 90)),
        "reference": Image.new("RGB", size, (200, 90, 60)),
        "mask": f"0,0,{size[0] // 2},{size[1] // 2}",
    }
    fields = {name: every[name] for name in card.needs}
    if task == "edit":
        return fields | {"video": film(_scene(size), folder / "rendered.mp4"), "seed": 0}
    return fields | {"seed": 0}


def _scene(size: tuple[int, int] = (96, 72)) -> Scene:
    """Two short shots with a moving sprite: a cut, an occlusion, a camera move, in 24 small frames."""
    sprite = Sprite("disc", 10, (0.9, 0.3, 0.2), Motion(position=(-10, 0), velocity=(20, 0)))
    still = Sprite("square", 10, (0.2, 0.5, 0.9), Motion())
    shots = (
        Shot(0.5, ground=1, camera=Motion(velocity=(20, 4)), sprites=(sprite,)),
        Shot(0.46, ground=2, camera=Motion(spin=4), sprites=(still,)),
    )
    return Scene(shots, size=size, rate=Fraction(25))

"""Runs a model's whole path: read or load, windows or steps, model, encode, sound."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from pydantic import BaseModel

from moviola import metrics, registry, weights
from moviola.card import ModelCard
from moviola.clip import Clip
from moviola.errors import MissingExtraError, ModelError, RequestError
from moviola.film import film
from moviola.model import Event, Family, Result, WeightedFamily
from moviola.run import run
from moviola.stage import Motion, Scene, Shot, Sprite
from moviola.tasks import (
    TASKS,
    Answer,
    Captions,
    Label,
    Masked,
    Recognized,
    Scores,
    SearchResult,
    Seen,
    Watched,
    request,
)

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

    The checkpoint is read by the same code as the published one. Raises MoviolaError when something fails,
    RequestError for a model that runs elsewhere.
    """
    family, card = registry.find(model)
    if card.hosted:
        raise RequestError(f"{card.id} runs on a server; ask it something to try it")
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
        # Who finds what words say does it for another that follows.
        finds = task == "mask" and "text" in card.needs
        fields = _least(card, task, folder) | {"detector" if finds else "model": card.id}
        if checkpoint is not None:
            fields["detector_weights" if finds else "weights"] = checkpoint
        if quick := getattr(registry.find(card.id)[0], "QUICK", None):
            fields["options"] = quick
        began = time.monotonic()
        *events, last = run(request(kind, fields))
        seconds = time.monotonic() - began
        if not isinstance(last, Result):
            raise ModelError(f"{card.id} ended {task} without a result")
        if "output" in fields and not fields["output"].is_file():
            raise ModelError(f"{card.id} ended {task} without an output")
        frames = _checked(card, task, fields, events, last.value)
    return Passed(model=card.id, task=task, frames=frames, seconds=seconds)


def _checked(card: ModelCard, task: str, fields: dict[str, Any], events: list[Event], made: Any) -> int:
    """How many frames a result is about, once it has proved to be one. Raises ModelError."""
    match made:
        case Recognized() | Watched():
            looks = [event.labels for event in events if isinstance(event, Seen)]
            if isinstance(made, Recognized):
                looks += [moment.labels for moment in made.moments]
            _check_labels(card, task, looks)
            return made.frames
        case Answer():
            if not made.answer_tokens:
                raise ModelError(f"{card.id} said nothing")
            return made.frames
        case Captions():
            if len(made.moments) != 2:
                raise ModelError(f"{card.id} described {len(made.moments)} scenes of two")
            return made.frames
        case Masked():
            if made.frames != len(Clip(fields["video"]).timeline()):
                raise ModelError(f"{card.id} answered for {made.frames} frames")
            return made.frames
        case Scores():
            if not isfinite(made.value):
                raise ModelError(f"{card.id} measured {made.value}")
            return made.frames
        case SearchResult():
            if len(made.found) != made.moments:
                raise ModelError(f"{card.id} found {len(made.found)} of {made.moments} moments")
            return made.moments
    decoded = sum(len(frames) for frames in Clip(fields["output"]).chunks())
    if decoded != made.frames:
        raise ModelError(f"{card.id} promised {made.frames} frames, the file holds {decoded}")
    if "video" in fields and not Clip(fields["output"]).info.audio:
        raise ModelError(f"{card.id} lost the sound in {task}")
    return decoded


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
    if task in _LOOKING:
        return _least_to_look(card, task, folder)
    if task in ("interpolate", "remove"):
        wanted: dict[str, Any] = {"factor": 2} if task == "interpolate" else {"mask": _BOX}
        if "keep" in card.needs:
            wanted["keep"] = "green"
        video = film(_scene(), folder / "rendered.mp4")
        return {"video": video, "output": folder / "result.mp4"} | wanted
    every: dict[str, Any] = {
        "prompt": "a disc over a hill",
        "image": Image.new("RGB", size, (90, 140, 200)),
        "last_image": Image.new("RGB", size, (200, 140, 90)),
        "reference": Image.new("RGB", size, (200, 90, 60)),
        "mask": f"0,0,{size[0] // 2},{size[1] // 2}",
    }
    fields = {name: every[name] for name in card.needs} | {"output": folder / "result.mp4"}
    if task == "edit":
        return fields | {"video": film(_scene(size), folder / "rendered.mp4"), "seed": 0}
    return fields | {"seed": 0}


_LOOKING = ("ask", "caption", "search", "recognize", "watch", "mask", "measure")
"""Tasks that make no video."""


def _least_to_look(card: ModelCard, task: str, folder: Path) -> dict[str, Any]:
    video = film(_scene(), folder / "rendered.mp4")
    output = {"output": folder / "result.mp4"}
    match task:
        case "ask":
            return {"videos": video, "question": "What happens?", "max_tokens": 4, "cache": False}
        case "caption":
            wanted = {"dense": True, "shortest": 0.2, "max_tokens": 4, "cache": False}
            return {"videos": video} | wanted | output
        case "search":
            return {"folder": folder, "text": "a disc over a hill", "top": 1000}
        case "measure":
            metric = next(name for name in metrics.names() if card.id in metrics.find(name).MODELS)
            return {"metric": metric, "video": video, "reference": video}
        case "mask":
            if "text" in card.needs:
                return {"video": video, "text": "a disc", "least": 0.0} | {"output": folder / "result.mkv"}
            return {"video": video, "box": _BOX, "output": folder / "result.mkv"}
        case "recognize":
            # Who has no labels of its own takes any.
            labels = {} if card.recognition is not None else {"labels": ["a disc", "a square"]}
            return {"videos": video, "every": 0.4, "top": 1000} | labels | output
    return {"source": video, "every": 0.1, "top": 1000} | output


def _scene(size: tuple[int, int] = (96, 72)) -> Scene:
    """Two short shots with a moving sprite: a cut, an occlusion, a camera move, in 24 small frames."""
    sprite = Sprite("disc", 10, (0.9, 0.3, 0.2), Motion(position=(-10, 0), velocity=(20, 0)))
    still = Sprite("square", 10, (0.2, 0.5, 0.9), Motion())
    shots = (
        Shot(0.5, ground=1, camera=Motion(velocity=(20, 4)), sprites=(sprite,)),
        Shot(0.46, ground=2, camera=Motion(spin=4), sprites=(still,)),
    )
    return Scene(shots, size=size, rate=Fraction(25))

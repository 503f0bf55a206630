"""What made a result: request, model, versions. Embedded in every file, and what a resumed job must match."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from moviola.card import ModelCard
from moviola.media.stills import folder_and_name, numbered
from moviola.tasks import Task

# The packages whose version can change a pixel.
_PACKAGES = (
    "moviola",
    "av",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "torch",
    "diffusers",
    "transformers",
)


_WHERE = {"output", "overwrite", "preview", "compare", "max_cost"}
"""Fields that say where a result goes or what it may cost, not what it is."""


def recipe(task: Task, card: ModelCard, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Everything needed to make the same result again, as plain JSON values.

    inputs: fingerprints of the files the request names, by field.
    """
    return {
        "verb": task.verb,
        "request": task.model_dump(mode="json", exclude=_WHERE, exclude_none=True),
        "inputs": dict(inputs),
        "model": card.id,
        "licence": card.licence,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Of everything installed whose version can change a pixel."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def fingerprint(origin: Any) -> dict[str, Any] | None:
    """What tells one state of an input file from another; None for what cannot be told (arrays, streams)."""
    if not isinstance(origin, str | Path):
        return None
    path = Path(origin)
    if os.path.isdir(path):
        return _of_many(path.iterdir())
    if os.path.exists(path):
        return {"size": path.stat().st_size, "modified": path.stat().st_mtime_ns}
    folder, name = folder_and_name(path)
    if folder != path and os.path.isdir(folder):
        return _of_many(numbered(folder, name))
    return {"name": str(origin)}


def _of_many(files: Iterable[Path]) -> dict[str, int]:
    times = [file.stat().st_mtime_ns for file in files]
    return {"files": len(times), "modified": max(times, default=0)}

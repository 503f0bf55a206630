"""What made a result: request, model, versions. Embedded in every file, and what a resumed job must match."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from moviola.card import ModelCard
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


def recipe(task: Task, card: ModelCard) -> dict[str, Any]:
    """Everything needed to make the same result again, as plain JSON values."""
    return {
        "verb": task.verb,
        "request": task.model_dump(mode="json", exclude={"overwrite"}, exclude_none=True),
        "model": card.id,
        "licence": card.licence,
        "versions": _versions() | {"python": platform.python_version()},
    }


def _versions() -> dict[str, str]:
    found = {}
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
        entries = sorted(path.iterdir())
        return {"files": len(entries), "modified": max((e.stat().st_mtime_ns for e in entries), default=0)}
    if not os.path.exists(path):
        return {"name": str(origin)}
    return {"size": path.stat().st_size, "modified": path.stat().st_mtime_ns}

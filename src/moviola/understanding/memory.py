"""What was made of videos, kept on disk: a further question about a clip decodes and encodes nothing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from moviola.understanding.speaker import Sight
from moviola.understanding.vision_language import Features
from moviola.weights.disk import forget_oldest
from moviola.weights.record import cache

LIMIT = 4 * 2**30
"""Bytes that are kept; what was not used for the longest goes first. An 8-billion model's features of 32
frames take 50 MB."""


class Memory:
    """Features by what they were made of: the file's content, the model and the frames.

    made_by: all that decides what features a sight gives: model, weights, dtype, versions; plain JSON values.
    """

    def __init__(self, made_by: Mapping[str, Any], *, folder: Path | None = None, limit: int = LIMIT) -> None:
        self._made_by = dict(made_by)
        self._folder = cache() / "features" if folder is None else folder
        self._limit = limit

    def recall(self, sight: Sight) -> tuple[Features, list[float]] | None:
        """Features of a sight and the times of its frames in seconds; None where they are not kept."""
        path = self._path(sight)
        if path is None:
            return None
        try:
            with safe_open(path, framework="pt") as opened:
                facts = json.loads(opened.metadata()["moviola"])
                tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            os.utime(path)
        except (OSError, SafetensorError, KeyError, ValueError, TypeError):
            # Not there, or damaged: it is made again.
            return None
        return Features(facts["text"], tensors), facts["seconds"]

    def keep(self, sight: Sight, features: Features, seconds: list[float]) -> None:
        """Where there is no room on the disk nothing is kept."""
        path = self._path(sight)
        if path is None:
            return
        facts = json.dumps({"text": features.text, "seconds": seconds})
        tensors = {name: value.detach().cpu().contiguous() for name, value in features.tensors.items()}
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, partial, metadata={"moviola": facts})
            os.replace(partial, path)
            forget_oldest(self._folder, self._limit)
        except (OSError, SafetensorError):
            with suppress(OSError):
                partial.unlink(missing_ok=True)

    def _path(self, sight: Sight) -> Path | None:
        content = content_of(sight.clip.source.name)
        if content is None:
            return None
        shown = {
            "content": content,
            "frames": sight.indices.tolist(),
            "seconds": sight.seconds.tolist(),
            "span": [sight.start, sight.stop],
            "distinct": [sight.distinct, sight.least, sight.group],
        }
        key = hashlib.sha256(json.dumps([self._made_by, shown], sort_keys=True).encode()).hexdigest()
        return self._folder / f"{key[:32]}.safetensors"


def content_of(name: str) -> str | None:
    """A hash of a file's bytes; None for what is no file."""
    try:
        facts = os.stat(name)
        if not os.path.isfile(name):
            return None
        return _hashed(name, facts.st_size, facts.st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=256)
def _hashed(name: str, size: int, modified: int) -> str:
    with open(name, "rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def versions() -> dict[str, str]:
    """Of what decides what features are."""
    import transformers

    from moviola import __version__

    return {"moviola": __version__, "torch": torch.__version__, "transformers": transformers.__version__}

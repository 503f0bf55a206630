"""Fitted clips on disk: what was fitted once is there when the edited picture comes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from moviola.fields.fitting import Fitted
from moviola.frames import Pixels
from moviola.nets.codef import CoDeF
from moviola.weights.disk import forget_oldest
from moviola.weights.record import cache

LIMIT = 4 * 2**30
"""Bytes that are kept; what was not used for the longest goes first. 60 frames of 480×270 take 40 MB."""


def folder() -> Path:
    """Where they lie."""
    return cache() / "fields"


def place_of(frames: Pixels, masks: NDArray[np.bool_] | None, made_by: Mapping[str, Any]) -> Path:
    """The file for a clip's pixels and masks. made_by: all else that decides the fit, plain JSON values."""
    digest = hashlib.blake2b(json.dumps(made_by, sort_keys=True).encode(), digest_size=16)
    for array in (frames, masks):
        if array is not None:
            digest.update(f"{array.shape} {array.dtype}".encode())
            digest.update(array.tobytes())
    return folder() / f"{digest.hexdigest()}.safetensors"


def recall(path: Path) -> Fitted | None:
    """In the host's memory; None where it is not kept, or damaged."""
    try:
        with safe_open(path, framework="pt") as opened:
            facts = json.loads(opened.metadata()["moviola"])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        network = CoDeF(facts["deformation"], facts["canonical"])
        network.load_state_dict(tensors)
        os.utime(path)
        width, height = facts["size"]
        fitted = Fitted(network.requires_grad_(False), facts["count"], (width, height), facts["depth"])
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError):
        return None
    return fitted


def keep(path: Path, fitted: Fitted, deformation: Mapping[str, Any], canonical: Mapping[str, Any]) -> None:
    """deformation, canonical: arguments of its fields. Where there is no room on the disk nothing is kept."""
    facts = {
        "deformation": dict(deformation),
        "canonical": dict(canonical),
        "count": fitted.count,
        "size": fitted.size,
        "depth": fitted.depth,
    }
    tensors = {name: value.cpu().contiguous() for name, value in fitted.network.state_dict().items()}
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, partial, metadata={"moviola": json.dumps(facts)})
        os.replace(partial, path)
        forget_oldest(path.parent, LIMIT)
    except (OSError, SafetensorError):
        with suppress(OSError):
            partial.unlink(missing_ok=True)

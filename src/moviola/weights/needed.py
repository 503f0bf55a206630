"""Which files of a repository are needed."""

from __future__ import annotations

import re
from collections.abc import Set
from fnmatch import fnmatch
from pathlib import PurePosixPath

from moviola.card import Weights
from moviola.weights.own import OWN_CARD

_USEFUL = (".safetensors", ".json", ".txt", ".model", ".jinja")
"""Networks, settings, tokenizers and their templates. No pickles, which can run code when they are read."""


def needed_of(paths: Set[str], weights: Weights) -> set[str]:
    """Which files of a repository make up the checkpoint.

    Those the card names, and what the checkpoint says of itself. Where the card names none: networks,
    settings and tokenizers, no pickles and no pictures; of networks that are there in several precisions the
    plain one; in the diffusers layout nothing but its folders, as single files beside them hold the same
    weights again.
    """
    if weights.files:
        patterns = (*weights.files, OWN_CARD)
        return {path for path in paths if any(fnmatch(path, pattern) for pattern in patterns)}
    useful = {path for path in paths if path.endswith(_USEFUL)}
    if "model_index.json" in useful:
        useful = {path for path in useful if "/" in path or path.endswith(".json")}
    plain = {str(PurePosixPath(path).parent) for path in useful if _is_network(path) and not _variant(path)}
    return {path for path in useful if not (_variant(path) and str(PurePosixPath(path).parent) in plain)}


def _is_network(path: str) -> bool:
    return path.endswith(".safetensors")


def _variant(path: str) -> bool:
    """Whether a name says that it holds another precision: `model.fp16.safetensors`, shards, index."""
    return re.search(r"\.(fp16|bf16|fp8|non_ema|ema)[.-]", PurePosixPath(path).name) is not None or bool(
        re.search(r"\.index\.(fp16|bf16|fp8|non_ema|ema)\.json$", path)
    )

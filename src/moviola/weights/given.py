"""A checkpoint that the user names in place of the published one."""

from __future__ import annotations

from pathlib import Path

from moviola.card import ModelCard
from moviola.errors import InputError

_FILES = (".safetensors", ".bin", ".pt", ".pth", ".pyth", ".pkl", ".index")
"""What checkpoints of recognizers come as; those of generators are folders of safetensors, and in those of
others some networks may be pickled."""


def given_by(card: ModelCard, path: Path) -> Path:
    """The path again: a folder, or for a network of our own a file. Raises InputError without weights."""
    if card.understanding is not None or card.embedding is not None or not _is_ours(card):
        if not path.is_dir():
            raise InputError(f"{path} is no folder; name the folder of a checkpoint, laid out as published")
        pickled = card.understanding is not None and any(path.rglob("*.bin"))
        if not (path / "model_index.json").is_file() and not any(path.rglob("*.safetensors")) and not pickled:
            raise InputError(f"{path} holds no weights: neither model_index.json nor *.safetensors")
        return path
    kinds = ", ".join(f"*{suffix}" for suffix in _FILES)
    if path.is_file():
        if path.suffix not in _FILES:
            raise InputError(f"{path} is no checkpoint; name a folder or one of {kinds}")
    elif not path.is_dir():
        raise InputError(f"{path} is no folder and no file; name a checkpoint: a folder or one of {kinds}")
    elif not any(file.suffix in _FILES for file in path.rglob("*")):
        raise InputError(f"{path} holds no weights: none of {kinds}")
    return path


def _is_ours(card: ModelCard) -> bool:
    """Whether its network is one of our own, and so can be read from a single file."""
    return card.recognition is not None or bool(card.network)


def fingerprint(checkpoint: Path) -> dict[str, int]:
    """What tells one state of a folder of weights, or of a single file, from another, without reading them.

    files: how many. size: in bytes together. modified: the latest time, in nanoseconds.
    """
    paths = [checkpoint] if checkpoint.is_file() else checkpoint.rglob("*")
    facts = [path.stat() for path in paths if path.is_file()]
    return {
        "files": len(facts),
        "size": sum(fact.st_size for fact in facts),
        "modified": max((fact.st_mtime_ns for fact in facts), default=0),
    }

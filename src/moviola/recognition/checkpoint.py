"""From a published file to a filled network; what does not fit is named by its first wrong entry."""

from __future__ import annotations

import pickle
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from moviola.card import ModelCard
from moviola.errors import InputError, OutputError
from moviola.recognition import inert, tensorflow, torchscript

OWN_LAYOUT = {"format": "pt", "layout": "moviola"}
"""What our own files say in their header: entries are under the network's own names."""

_PICKLED = (".bin", ".pth", ".pyth", ".pt", ".pkl", "")
"""Read by an unpickler that makes tensors and plain values and runs no code."""

_DAMAGE = (
    *(SafetensorError, pickle.UnpicklingError, EOFError, OSError, RuntimeError, ValueError),
    *(zipfile.BadZipFile, zlib.error),
    # A pickle that is no checkpoint of torch's fails in any of these ways.
    *(TypeError, AttributeError, KeyError, IndexError, ImportError),
)

_WRAPPERS = ("model_state", "state_dict", "module", "model")
"""Keys under which training programs keep the weights beside their own state."""


def read(place: Path, patterns: Sequence[str] = ()) -> tuple[dict[str, Tensor], bool]:
    """The entries of a checkpoint, a file or a folder that holds one, and whether they are in our own layout.

    patterns: of the names of its files, where a folder holds several checkpoints.
    Raises InputError where there is none, or it cannot be read.
    """
    files = [place] if place.is_file() else _files_in(place, patterns)
    state: dict[str, Tensor] = {}
    own = False
    for file in files:
        try:
            if file.suffix == ".index":
                state |= tensorflow.read(file)
            elif file.suffix == ".safetensors":
                with safe_open(file, framework="pt") as opened:
                    own = (opened.metadata() or {}).get("layout") == OWN_LAYOUT["layout"]
                    state |= {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            elif torchscript.is_archive(file):
                state |= torchscript.read(file)
            else:
                state |= _unpickled(file)
        except _DAMAGE as error:
            reason = str(error).strip().partition("\n")[0]
            raise InputError(f"{file} is damaged or no checkpoint ({reason})") from error
    if not state:
        raise InputError(f"{place} holds no weights")
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    return state, own


def _files_in(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """All safetensors of a folder, which may be shards; without them its only pickled checkpoint."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    named = [path for path in files if any(fnmatch(str(path.relative_to(folder)), one) for one in patterns)]
    # A checkpoint of the card's own making need not be called as the published one.
    files = named or files
    # Beside a checkpoint of TensorFlow's lie its numbers and a file that has no suffix.
    if len(tables := [path for path in files if path.suffix == ".index"]) == 1:
        return tables
    if tensors := [path for path in files if path.suffix == ".safetensors"]:
        return tensors
    pickled = [path for path in files if path.suffix in _PICKLED]
    if len(pickled) != 1:
        told = ", ".join(path.name for path in pickled) or "nothing of the kind"
        raise InputError(f"{folder} should hold one checkpoint, there is {told}; name the file")
    return pickled


def _unpickled(file: Path) -> dict[str, Tensor]:
    with warnings.catch_warnings():
        # That a pickle is of another version than torch writes says nothing to a user.
        warnings.simplefilter("ignore", UserWarning)
        held: Any = torch.load(file, map_location="cpu", weights_only=False, pickle_module=inert)
    while isinstance(held, Mapping):
        inner = next((held[key] for key in _WRAPPERS if isinstance(held.get(key), Mapping)), None)
        if inner is None:
            return {str(name): value for name, value in held.items() if isinstance(value, Tensor)}
        held = inner
    raise InputError(f"{file} holds a {type(held).__name__}, not the weights of a network")


def fill(network: nn.Module, state: Mapping[str, Tensor], card: ModelCard, place: Path) -> None:
    """Put all entries into a network. Raises InputError naming the first that does not fit."""
    wanted = network.state_dict()
    for name, tensor in wanted.items():
        if name not in state:
            raise InputError(f"{place} does not fit {card.id}: it lacks {name}")
        if state[name].shape != tensor.shape:
            have, need = tuple(state[name].shape), tuple(tensor.shape)
            raise InputError(f"{place} does not fit {card.id}: {name} has shape {have}, not {need}")
    if extra := next((name for name in state if name not in wanted), None):
        raise InputError(f"{place} does not fit {card.id}: it has {extra}, which the network does not know")
    network.load_state_dict(state)


def save(state: Mapping[str, Tensor], file: Path, *, own: bool) -> None:
    """Write safetensors, all or nothing. own: under the network's own names, so that they are read as such.

    Raises OutputError where the disk does not take it.
    """
    from safetensors.torch import save_file

    part = file.with_name(f".{file.name}.part")
    file.parent.mkdir(parents=True, exist_ok=True)
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    try:
        save_file(held, part, metadata=OWN_LAYOUT if own else {"format": "pt"})
        part.replace(file)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"cannot write {file}: {error}") from error
    finally:
        part.unlink(missing_ok=True)

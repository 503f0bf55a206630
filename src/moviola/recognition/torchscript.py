"""The weights in a TorchScript archive, read without running the program that is in it.

An archive, as `torch.jit.save` writes it, is a zip file: NAME/code is the program, NAME/data.pkl a pickle of
its modules and their attributes, NAME/data/KEY the numbers of its tensors (torch's
torch/csrc/jit/docs/serialization.md). `torch.load` would hand it to `torch.jit.load`, which runs the program.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import torch
from torch import Tensor

from moviola.recognition import inert

_PROGRAM = "__torch__"
"""What the names of an archive's own classes begin with."""

_NUMBERS = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
"""What each class of numbers in torch's pickles holds."""


def is_archive(file: Path) -> bool:
    """Whether a file is a TorchScript archive: torch, too, tells by its constants. Raises OSError."""
    if not is_zipfile(file):
        return False
    with ZipFile(file) as archive:
        return any(_record(name) == "constants.pkl" for name in archive.namelist())


def read(file: Path) -> dict[str, Tensor]:
    """All parameters and buffers by the names that the program's `state_dict` gives them.

    What the state does not tell apart, a tensor that is a plain attribute, is among them. Raises what damaged
    pickles and zip files raise.
    """
    with ZipFile(file) as archive:
        records = {_record(name): name for name in archive.namelist()}
        data = io.BytesIO(archive.read(records["data.pkl"]))
        return dict(_tensors(_Unpickler(data, archive, records).load(), ""))


def _record(name: str) -> str:
    """A file's name without the archive's own, which is its first folder."""
    return name.partition("/")[2]


class _Module:
    """Stands for an object of any class of the program: it has attributes and does nothing."""

    attributes: dict[str, Any]

    def __init__(self) -> None:
        self.attributes = {}

    def __setstate__(self, state: Any) -> None:
        self.attributes = state if isinstance(state, dict) else {}


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: io.BytesIO, archive: ZipFile, records: dict[str, str]) -> None:
        super().__init__(data)
        self._archive, self._records = archive, records

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] == _PROGRAM:
            return _Module
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _NUMBERS:
            return name
        return inert.Inert

    def persistent_load(self, told: Any) -> Tensor:
        """The numbers of a tensor: told is ("storage", type, key, device, how many)."""
        _, kind, key, _, _ = told
        numbers = bytearray(self._archive.read(self._records[f"data/{key}"]))
        # Of nothing, torch makes no tensor.
        return (
            torch.frombuffer(numbers, dtype=_NUMBERS[kind])
            if numbers
            else torch.empty(0, dtype=_NUMBERS[kind])
        )


def _tensor(numbers: Tensor, first: int, size: Sequence[int], strides: Sequence[int], *_: Any) -> Tensor:
    return numbers.as_strided(size, strides, first)


def _tensors(module: _Module, prefix: str) -> Iterator[tuple[str, Tensor]]:
    for name, value in module.attributes.items():
        if isinstance(value, Tensor):
            yield f"{prefix}{name}", value
        elif isinstance(value, _Module):
            yield from _tensors(value, f"{prefix}{name}.")

"""Reads tensors out of a pickle without running what else is in it.

Training programs keep their history beside the weights, in objects of classes of their own. torch's
restricted unpickler refuses such a file as a whole. Here every name that a pickle asks for, other than the
few that tensors are made with, becomes a class whose objects do nothing. It is given to `torch.load` as its
`pickle_module`.
"""

from __future__ import annotations

import pickle
from typing import Any

_TENSORS = {
    ("collections", "OrderedDict"),
    ("torch", "Size"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
}


class Inert:
    """Takes the place of anything: made of whatever, told whatever, it stays nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> Inert:
        return self

    def __setstate__(self, _: Any) -> None:
        pass

    def __setitem__(self, _: Any, __: Any) -> None:
        pass

    def append(self, _: Any) -> None:
        pass

    def extend(self, _: Any) -> None:
        pass

    def add(self, _: Any) -> None:
        pass


class Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        storage = module == "torch" and name.endswith("Storage") and "." not in name
        if storage or (module, name) in _TENSORS:
            return super().find_class(module, name)
        return Inert


def load(file: Any, **settings: Any) -> Any:
    """What torch asks of a pickle module for files of its first format."""
    return Unpickler(file, **settings).load()

"""How much memory a network holds beside its weights, operation by operation, on the meta device too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Follows the bytes of every storage made inside of it, until the storage is freed.

    held: tensors that are there before and count; views of the network's own weights do not.
    peak: the most bytes that were alive after an operation.
    """

    def __init__(self, net: torch.nn.Module, held: Sequence[torch.Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        weights = [*net.parameters(), *net.buffers()]
        self._weights = {ref.cdata: ref for ref in (StorageWeakRef(w.untyped_storage()) for w in weights)}
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak = 0
        self._watch(held)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self._watch(tree_leaves(out))
        return out

    def _watch(self, values: Sequence[Any]) -> None:
        self._alive = {key: entry for key, entry in self._alive.items() if not entry[0].expired()}
        for value in values:
            if isinstance(value, torch.Tensor):
                storage = value.untyped_storage()
                reference = StorageWeakRef(storage)
                if reference.cdata not in self._weights:
                    self._alive.setdefault(reference.cdata, (reference, storage.nbytes()))
        self.peak = max(self.peak, sum(size for _, size in self._alive.values()))


@contextmanager
def fused_attention() -> Iterator[None]:
    """Attention holds its output alone, as its fused kernels do, and no matrix of tokens by tokens."""

    def fused(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any
    ) -> torch.Tensor:
        return query.new_empty(*query.shape[:-1], value.shape[-1])

    with mock.patch("torch.nn.functional.scaled_dot_product_attention", fused):
        yield

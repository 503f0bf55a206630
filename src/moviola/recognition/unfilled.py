"""Networks made without drawing their random weights, which a checkpoint replaces at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from torch import nn

_DRAWN = (
    *("uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "xavier_normal_"),
    *("kaiming_uniform_", "kaiming_normal_", "orthogonal_"),
)


@contextmanager
def unfilled() -> Iterator[None]:
    """Inside, torch's initialisers draw nothing: a billion numbers take it ten seconds.

    Tables and buffers that a network computes for itself are as ever.
    """

    def as_it_is(tensor: Any, *_: Any, **__: Any) -> Any:
        return tensor

    with ExitStack() as stack:
        for name in _DRAWN:
            stack.enter_context(mock.patch.object(nn.init, name, as_it_is))
        yield

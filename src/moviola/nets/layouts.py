"""Published checkpoints under our names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

Pairs = Sequence[tuple[str, str]]
"""Parts of names: as published, and as ours."""


def renamed(state: Mapping[str, Tensor], pairs: Pairs) -> dict[str, Tensor]:
    """The same tensors; in every name, each left part is replaced by its right one, in order."""
    held = {}
    for name, tensor in state.items():
        for old, new in pairs:
            name = name.replace(old, new)
        held[name] = tensor
    return held


def inverse(pairs: Pairs) -> Pairs:
    """What takes our names back to the published ones, if no right part is in other names too."""
    return [(ours, theirs) for theirs, ours in reversed(pairs)]

"""Takes back what a cache of transformers has read beyond some place, whatever its layers keep."""

from __future__ import annotations

from typing import Any

from torch import Tensor

_States = dict[str, dict[int, Tensor | None]]


class Mark:
    """A place in a cache: behind all that it has read so far.

    Keys and values are cut off behind it. Layers of linear attention sum up what they have read and cannot be
    cut, so their states are kept; they are as large however much was read.
    """

    def __init__(self, cache: Any) -> None:
        self._length = cache.get_seq_length()
        self._states = {
            number: _copied({name: getattr(layer, name) for name in ("conv_states", "recurrent_states")})
            for number, layer in enumerate(cache.layers)
            if hasattr(layer, "recurrent_states")
        }

    def take_back(self, cache: Any) -> None:
        """Make it as it was. May be done again."""
        for number, layer in enumerate(cache.layers):
            if number in self._states:
                for name, states in _copied(self._states[number]).items():
                    setattr(layer, name, states)
            else:
                layer.crop(self._length - layer.get_seq_length())


def _copied(states: _States) -> _States:
    """Layers write into their states."""
    return {
        name: {number: None if state is None else state.clone() for number, state in some.items()}
        for name, some in states.items()
    }

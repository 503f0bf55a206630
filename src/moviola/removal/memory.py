"""Torch's ways of saying that memory ran out, as Python's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def running_out() -> Iterator[None]:
    """Raises MemoryError where torch finds no more memory, on whatever device."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise MemoryError(str(error)) from None
    except RuntimeError as error:
        # What the allocator of the CPU says has no type of its own.
        if "not enough memory" not in str(error) and "can't allocate memory" not in str(error):
            raise
        raise MemoryError(str(error)) from None

"""Memory that is freed stays at hand for the next picture, instead of going back to the system each time.

glibc asks the system for every block of more than some 32 MB anew, and returns what lies free at the heap's
end. For networks that make picture after picture on a CPU that is tens of thousands of pages per picture,
which the system has to clear: a third of all time with RIFE at 640×360.
"""

from __future__ import annotations

import ctypes
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Of `mallopt`, in malloc.h."""

_KEPT = 2**30
"""Bytes: as much may lie free, and smaller blocks than this come from the heap."""


@cache
def keep_freed() -> bool:
    """From now on, for the whole process. Whether this system can; otherwise nothing is changed."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library: musl, macOS, Windows
        return False
    mallopt.argtypes, mallopt.restype = [ctypes.c_int, ctypes.c_int], ctypes.c_int
    return bool(mallopt(_M_MMAP_THRESHOLD, _KEPT) and mallopt(_M_TRIM_THRESHOLD, _KEPT))

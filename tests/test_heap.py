"""Memory that is freed stays at hand: the next picture does not have to ask the system for it."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource, numpy
from moviola.heap import keep_freed
kept = keep_freed() if {keep} else None
def picture():
    return numpy.ones(48 * 2**20, numpy.uint8)
picture()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    picture()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep: bool) -> tuple[str, int]:
    """What `keep_freed` says, and pages asked for by four pictures after the first. A process of its own, as
    this changes all of it."""
    ran = subprocess.run(
        [sys.executable, "-c", _FAULTS.format(keep=keep)], capture_output=True, text=True, check=True
    )
    said, count = ran.stdout.split()
    return said, int(count)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is told")
def test_a_picture_reuses_the_memory_of_the_one_before() -> None:
    said, count = faults(keep=True)
    assert said == "True"
    assert count < faults(keep=False)[1] / 10


def test_elsewhere_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    from moviola import heap

    monkeypatch.setattr(heap.ctypes, "CDLL", lambda name: object())
    assert heap.keep_freed.__wrapped__() is False

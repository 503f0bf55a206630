"""Damaged bytes give a good result or one clear line: no crash, no hang, no flood of memory.

Each kind of file is attacked in a process of its own, so that a crash or a hang in a codec is seen as such.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rendered import render

KINDS: dict[str, dict[str, Any]] = {
    "h264.mp4": {},
    "fast.mp4": {"container_options": {"movflags": "faststart"}, "audio": True},
    "hevc.mkv": {"codec": "libx265", "options": {"x265-params": "log-level=none"}},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "mpeg4.avi": {"codec": "mpeg4", "bframes": 2},
    "prores.mov": {"codec": "prores_ks", "pixel_format": "yuv422p10le", "bframes": 0},
    "mpeg2.ts": {"codec": "mpeg2video", "bframes": 2},
}

ATTACK = """
import random, resource, sys
from moviola.errors import MoviolaError
from moviola.media.container import ContainerSource

good = open(sys.argv[1], "rb").read()
source = ContainerSource(good)
width, height = source.probe().video.width, source.probe().video.height
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
outcomes = {"good": 0, "error": 0}
for seed in range(int(sys.argv[2])):
    chance = random.Random(seed)
    data = bytearray(good)
    kind = seed % 4
    if kind == 0:
        del data[chance.randrange(len(data)):]
    elif kind == 1:
        for _ in range(chance.choice([1, 8, 64])):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif kind == 2:  # the header, where the sizes and counts are
        for _ in range(chance.choice([1, 4])):
            data[chance.randrange(min(2000, len(data)))] = chance.choice([0, 1, 127, 128, 255])
    else:
        at = chance.randrange(len(data))
        data[at:at + chance.randrange(1, 400)] = bytes(chance.randrange(400))
    try:
        source = ContainerSource(bytes(data))
        info = source.probe(count=bool(seed % 2))
        count = len(source.timeline())
        total = 0
        for frames in source.read(chunk=8):
            total += len(frames)
            if total > 500:
                break
        assert total <= max(count, 500 + 8), (seed, total, count)
        if count:
            source.frames_at([0, count // 2])
        outcomes["good"] += 1
    except MoviolaError as error:
        assert str(error) and "\\n" not in str(error), (seed, error)
        outcomes["error"] += 1
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
assert grown < 700, f"memory grew by {grown:.0f} MiB"
print(outcomes["good"], outcomes["error"])
"""


@pytest.mark.parametrize("name", sorted(KINDS))
def test_mutated_files_give_frames_or_one_clear_line(tmp_path: Path, name: str) -> None:
    path = render(tmp_path / name, count=24, gop=8, size=(96, 64), **KINDS[name])
    command = [sys.executable, "-c", ATTACK, str(path), "60"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    good, errors = map(int, done.stdout.split())
    assert good + errors == 60
    assert good >= 10

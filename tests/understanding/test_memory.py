"""What was made of videos, kept on disk."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from coloured import coloured

from moviola.clip import Clip
from moviola.understanding.memory import Memory
from moviola.understanding.speaker import Sight
from moviola.understanding.vision_language import Features

FEATURES = Features("<1.0 seconds>", {"pooled": torch.arange(6.0).bfloat16().reshape(2, 3)})


@pytest.fixture
def path(tmp_path) -> Path:
    return Path(coloured(tmp_path / "clip.mkv", ("red", 1)).source.name)


def sight(path: Path, *indices: int) -> Sight:
    indices = np.array(indices or (0, 4, 8))
    return Sight(Clip(path), 0.0, 1.0, indices, indices / 10)


@pytest.fixture
def memory(tmp_path) -> Memory:
    return Memory({"model": "a"}, folder=tmp_path / "features")


def test_what_is_kept_comes_back_as_it_was(memory, path):
    assert memory.recall(sight(path)) is None
    memory.keep(sight(path), FEATURES, [0.0, 0.4, 0.8])
    features, seconds = memory.recall(sight(path))
    assert features.text == FEATURES.text
    assert torch.equal(features.tensors["pooled"], FEATURES.tensors["pooled"])
    assert features.tensors["pooled"].dtype == torch.bfloat16
    assert seconds == [0.0, 0.4, 0.8]


def test_the_content_counts_not_the_name(memory, path, tmp_path):
    memory.keep(sight(path), FEATURES, [])
    copy = tmp_path / "copy.mkv"
    copy.write_bytes(path.read_bytes())
    assert memory.recall(sight(copy)) is not None
    copy.write_bytes(path.read_bytes() + b"\0")
    assert memory.recall(sight(copy)) is None


def test_another_model_or_other_frames_are_another_thing(memory, path, tmp_path):
    memory.keep(sight(path), FEATURES, [])
    assert Memory({"model": "b"}, folder=tmp_path / "features").recall(sight(path)) is None
    assert memory.recall(sight(path, 0, 4)) is None
    assert memory.recall(replace(sight(path), distinct=True)) is None
    assert memory.recall(replace(sight(path), stop=0.9)) is None


def test_arrays_are_not_kept(memory, tmp_path):
    clip = Clip(np.zeros((4, 8, 8, 3), np.uint8))
    memory.keep(replace(sight(tmp_path), clip=clip), FEATURES, [])
    assert memory.recall(replace(sight(tmp_path), clip=clip)) is None
    assert not (tmp_path / "features").exists()


def test_a_damaged_file_is_as_none(memory, path, tmp_path):
    memory.keep(sight(path), FEATURES, [])
    (kept,) = (tmp_path / "features").iterdir()
    kept.write_bytes(kept.read_bytes()[:40])
    assert memory.recall(sight(path)) is None
    memory.keep(sight(path), FEATURES, [])
    assert memory.recall(sight(path)) is not None


def test_what_was_not_used_for_the_longest_goes_first(path, tmp_path):
    size = 20_000
    features = Features("", {"pooled": torch.zeros(size // 4)})
    memory = Memory({}, folder=tmp_path / "features", limit=2 * size + 2000)
    for frame in (1, 2):
        memory.keep(sight(path, frame), features, [])
    for kept in (tmp_path / "features").iterdir():
        # Clocks of file systems are coarse.
        os.utime(kept, ns=(0, kept.stat().st_mtime_ns - 10**9))
    assert memory.recall(sight(path, 1)) is not None
    memory.keep(sight(path, 3), features, [])
    assert memory.recall(sight(path, 2)) is None
    assert memory.recall(sight(path, 1)) is not None
    assert memory.recall(sight(path, 3)) is not None


def test_nothing_is_said_where_nothing_can_be_kept(path, tmp_path):
    (tmp_path / "file").write_text("")
    memory = Memory({}, folder=tmp_path / "file")
    memory.keep(sight(path), FEATURES, [])
    assert memory.recall(sight(path)) is None

"""A checkpoint of TensorFlow, written here by its format's description, is read entry by entry."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from moviola.recognition import checkpoint
from moviola.recognition.tensorflow import read

FLOAT, INT64 = 1, 9
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def varint(value: int) -> bytes:
    head = value & 0x7F
    return bytes([head]) if value < 0x80 else bytes([head | 0x80]) + varint(value >> 7)


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def entry(kind: int, shape: Sequence[int], start: int, size: int, shard: int = 0) -> bytes:
    dimensions = b"".join(field(2, field(1, extent)) for extent in shape)
    checksum = varint(6 << 3 | 5) + bytes(4)
    return (
        field(1, kind) + field(2, dimensions) + field(3, shard) + field(4, start) + field(5, size) + checksum
    )


def block(entries: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Keys share what they can with the one before; one restart, at 0; not compressed; no checksum."""
    made, before = b"", b""
    for key, value in entries:
        shared = next((i for i in range(len(before)) if key[i : i + 1] != before[i : i + 1]), len(before))
        made += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return made + struct.pack("<II", 0, 1) + bytes(5)


def table(entries: Mapping[bytes, bytes], size: int = 2) -> bytes:
    """size: entries of a block."""
    made, places = b"", []
    pairs = sorted(entries.items())
    for start in range(0, len(pairs), size):
        part = block(pairs[start : start + size])
        places.append((pairs[start : start + size][-1][0], varint(len(made)) + varint(len(part) - 5)))
        made += part
    empty, index = block([]), block(places)
    handles = varint(len(made)) + varint(len(empty) - 5)
    handles += varint(len(made + empty)) + varint(len(index) - 5)
    return made + empty + index + handles.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Two files of numbers, and entries of every sort in three blocks."""
    first, second = np.arange(6, dtype="<f4"), np.array([7], "<f4")
    (tmp_path / "ckpt-1.data-00000-of-00002").write_bytes(b"text" + first.tobytes())
    (tmp_path / "ckpt-1.data-00001-of-00002").write_bytes(second.tobytes() + bytes(8))
    entries = {
        b"": field(1, 2),
        b"_CHECKPOINTABLE_OBJECT_GRAPH": entry(7, [], 0, 4),
        f"model/layer/kernel{VALUE}".encode(): entry(FLOAT, [2, 3], 4, 24),
        f"model/layer/scale{VALUE}".encode(): entry(FLOAT, [], 0, 4, shard=1),
        f"model/layer/scale/.OPTIMIZER_SLOT/optimizer/momentum{VALUE}".encode(): entry(FLOAT, [], 0, 4, 1),
        f"save_counter{VALUE}".encode(): entry(INT64, [], 4, 8, shard=1),
    }
    index = tmp_path / "ckpt-1.index"
    index.write_bytes(table(entries))
    return index


def test_weights_are_read_from_all_files_and_nothing_else_is(written: Path) -> None:
    state = read(written)
    assert list(state) == ["model/layer/kernel", "model/layer/scale"]
    assert state["model/layer/kernel"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert state["model/layer/scale"].tolist() == 7
    assert state["model/layer/scale"].shape == ()


def test_a_folder_of_tensorflows_is_a_checkpoint_like_any_other(written: Path) -> None:
    (written.parent / "checkpoint").write_text('model_checkpoint_path: "ckpt-1"')
    for place in (written, written.parent):
        state, own = checkpoint.read(place)
        assert list(state) == ["model/layer/kernel", "model/layer/scale"]
        assert not own


@pytest.mark.parametrize("kept", [0, 20, 60, 100, 200])
def test_a_table_that_is_cut_off_is_no_table(written: Path, kept: int) -> None:
    data = written.read_bytes()
    written.write_bytes(data[:kept])
    with pytest.raises(ValueError, match="no table"):
        read(written)
    # With its end, which says where to find what is gone.
    written.write_bytes(data[:kept] + data[-48:])
    with pytest.raises(ValueError, match="cut off"):
        read(written)


def test_numbers_that_are_missing_are_an_error(written: Path) -> None:
    numbers = written.with_suffix(".data-00000-of-00002")
    numbers.write_bytes(numbers.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"kernel.* has 23 bytes"):
        read(written)
    numbers.unlink()
    with pytest.raises(FileNotFoundError):
        read(written)


def test_a_compressed_table_is_an_error(written: Path) -> None:
    data = bytearray(written.read_bytes())
    first_block = bytes(data).index(struct.pack("<II", 0, 1)) + 8
    data[first_block] = 1
    written.write_bytes(data)
    with pytest.raises(ValueError, match="compressed"):
        read(written)

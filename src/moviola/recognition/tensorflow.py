"""TensorFlow's checkpoints, read without TensorFlow.

A checkpoint is a table, NAME.index, and files of raw numbers, NAME.data-00000-of-00001 and so on. The table
is in LevelDB's format (google/leveldb, doc/table_format.md): blocks of entries sorted by key, of which every
key is stored as what it does not share with the one before, and a last block that says where the others are.
Its values are protocol buffers, BundleEntryProto (tensorflow/core/protobuf/tensor_bundle.proto), but for the
one under the empty key, BundleHeaderProto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
"""What the key of a variable ends in."""

_SLOT = "/.OPTIMIZER_SLOT/"
"""In keys of what an optimizer remembers of a variable."""

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_FLOAT = 1
"""DT_FLOAT of tensorflow/core/framework/types.proto."""


def read(index: Path) -> dict[str, Tensor]:
    """The float32 variables of a checkpoint, by their place in the program, "model/layer/kernel".

    index: the table; the numbers lie beside it. Raises ValueError where they do not fit, OSError.
    """
    table = dict(_table(index.read_bytes()))
    shards = _one(dict(_fields(table.get(b"", b""))), 1)
    files = [index.with_suffix(f".data-{shard:05}-of-{shards:05}").read_bytes() for shard in range(shards)]
    state = {}
    for key, value in table.items():
        name = key.decode()
        facts = dict(_fields(value))
        if not name.endswith(_SUFFIX) or _SLOT in name or _one(facts, 1) != _FLOAT:
            continue
        shape = [_one(dict(_fields(size)), 1) for number, size in _fields(facts.get(2, b"")) if number == 2]
        start, size = _one(facts, 4), _one(facts, 5)
        numbers = files[_one(facts, 3)][start : start + size]
        if len(numbers) != 4 * int(np.prod(shape)):
            raise ValueError(f"{name} has {len(numbers)} bytes, not 4 for each of {shape}")
        state[name.removesuffix(_SUFFIX)] = torch.from_numpy(
            np.frombuffer(numbers, "<f4").reshape(shape).copy()
        )
    return state


def _table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """All entries of a LevelDB table."""
    if len(data) < _FOOTER or struct.unpack_from("<Q", data, len(data) - 8)[0] != _MAGIC:
        raise ValueError("no table of a TensorFlow checkpoint")
    _, place = _handle(data, len(data) - _FOOTER)
    index, _ = _handle(data, place)
    for _, value in _block(data, index):
        blocks, _ = _handle(value, 0)
        yield from _block(data, blocks)


def _block(data: bytes, handle: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    start, size = handle
    block = data[start : start + size]
    if len(data) <= start + size or data[start + size] != 0:
        raise ValueError("the table is cut off or compressed")
    (restarts,) = struct.unpack_from("<I", block, size - 4)
    place, stop, key = 0, size - 4 - 4 * restarts, b""
    while place < stop:
        shared, place = _varint(block, place)
        own, place = _varint(block, place)
        length, place = _varint(block, place)
        key = key[:shared] + block[place : place + own]
        place += own
        yield key, block[place : place + length]
        place += length


def _handle(data: bytes, place: int) -> tuple[tuple[int, int], int]:
    """Where a block lies and its size; and the place after that."""
    start, place = _varint(data, place)
    size, place = _varint(data, place)
    return (start, size), place


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a protocol buffer's fields: whole numbers or bytes."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value: Any
            value, place = _varint(message, place)
        else:
            size = {1: 8, 5: 4}.get(kind)
            if size is None:
                size, place = _varint(message, place)
            value = message[place : place + size]
            place += size
        yield number, value


def _one(facts: dict[int, Any], number: int) -> int:
    """A whole number, which is left out of a message where it is 0."""
    value = facts.get(number, 0)
    if not isinstance(value, int):
        raise ValueError("no entry of a TensorFlow checkpoint")
    return value


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A whole number of 7 bits a byte, lowest first; and the place after it."""
    value = shift = 0
    while True:
        if place >= len(data):
            raise ValueError("the table is cut off")
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place

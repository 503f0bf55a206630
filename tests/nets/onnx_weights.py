"""The named tensors of an ONNX file, read without its library.

Protocol buffers: a message is a run of fields, each a key (number · 8 + kind) and a value; kind 0 is an
integer of 7 bits a byte, kind 2 a length and so many bytes. Numbers of fields: onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

_GRAPH, _INITIALIZER = 7, 5
_FLOAT32 = 1


def floats(file: Path) -> dict[str, Tensor]:
    """All initializers of float32."""
    held = {}
    for graph in (value for number, value in _fields(file.read_bytes()) if number == _GRAPH):
        for tensor in (value for number, value in _fields(graph) if number == _INITIALIZER):
            name, shape, kind, raw = "", [], 0, b""
            for number, value in _fields(tensor):
                match number:
                    case 1 if isinstance(value, int):  # dims
                        shape.append(value)
                    case 1:  # the same, packed
                        shape += _packed(value)
                    case 2:  # data_type
                        kind = value
                    case 8:  # name
                        name = value.decode()
                    case 9:  # raw_data
                        raw = value
            if kind == _FLOAT32:
                held[name] = torch.frombuffer(bytearray(raw), dtype=torch.float32).view(shape)
    return held


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(message):
        key, at = _integer(message, at)
        if key % 8 == 0:
            value, at = _integer(message, at)
        else:
            length, at = _integer(message, at) if key % 8 == 2 else (4 if key % 8 == 5 else 8, at)
            value, at = message[at : at + length], at + length
        yield key // 8, value


def _integer(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


def _packed(values: bytes) -> list[int]:
    at, found = 0, []
    while at < len(values):
        value, at = _integer(values, at)
        found.append(value)
    return found

"""Encoded pictures on their way to a file, and the file that keeps a finished run of them."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, cast

import av
from av.packet import PacketSideData
from av.stream import Stream

from moviola.errors import OutputError

_RECORD = struct.Struct("<qqIIB")
_BLOCK_ADDITIONAL = 15
"""AV_PKT_DATA_MATROSKA_BLOCKADDITIONAL of FFmpeg's packet.h: where VP9 keeps its transparency."""


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """One picture; pictures are decoded in the order they are shown.

    pts, duration: in ticks. extra: side data, where VP9 keeps its alpha.
    """

    data: bytes
    pts: int
    duration: int
    keyframe: bool
    extra: bytes = b""

    @classmethod
    def of(cls, packet: av.Packet[Stream], duration: int) -> EncodedPicture:
        has_extra = packet.has_sidedata("matroska_block_additional")
        extra = bytes(cast(bytes, packet.get_sidedata("matroska_block_additional"))) if has_extra else b""
        return cls(bytes(cast(bytes, packet)), cast(int, packet.pts), duration, packet.is_keyframe, extra)

    def packet(self, time_base: Fraction) -> av.Packet[Stream]:
        packet = av.Packet(self.data)
        packet.pts = packet.dts = self.pts
        packet.duration, packet.time_base = self.duration, time_base
        packet.is_keyframe = self.keyframe
        if self.extra:
            side = PacketSideData(_BLOCK_ADDITIONAL, len(self.extra))  # type: ignore[call-arg]
            side.update(self.extra)
            packet.set_sidedata(side)
        return packet


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What must agree between all runs that are joined. extradata: the codec's parameter sets, in hex."""

    codec: str
    width: int
    height: int
    pixel_format: str
    time_base: str
    extradata: str


class RunFile:
    """Writes a run: one line of JSON, then for every picture a record and its bytes."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("wb")

    def begin(self, header: RunHeader) -> None:
        fields = {name: getattr(header, name) for name in RunHeader.__slots__}
        self._file.write(json.dumps(fields).encode() + b"\n")

    def add(self, picture: EncodedPicture) -> None:
        record = _RECORD.pack(
            picture.pts, picture.duration, len(picture.data), len(picture.extra), picture.keyframe
        )
        self._file.write(record + picture.data + picture.extra)

    def close(self) -> None:
        """Flush to the disk itself, so that a committed run survives a power cut."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        self._file.close()


def read_header(path: Path) -> RunHeader:
    with path.open("rb") as file:
        return RunHeader(**json.loads(file.readline()))


def read_pictures(path: Path) -> Iterator[EncodedPicture]:
    with path.open("rb") as file:
        file.readline()
        while record := file.read(_RECORD.size):
            pts, duration, size, extra, keyframe = _unpack(record, path)
            data = file.read(size)
            if len(data) < size:
                raise OutputError(f"segment {path} is cut short; delete it and run again")
            yield EncodedPicture(data, pts, duration, bool(keyframe), file.read(extra))


def read_times(path: Path) -> Iterator[tuple[int, int]]:
    """(pts, duration) of every picture, without reading the pictures."""
    with path.open("rb") as file:
        file.readline()
        while record := file.read(_RECORD.size):
            pts, duration, size, extra, _ = _unpack(record, path)
            yield pts, duration
            file.seek(size + extra, os.SEEK_CUR)


def _unpack(record: bytes, path: Path) -> tuple[int, int, int, int, int]:
    if len(record) < _RECORD.size:
        raise OutputError(f"segment {path} is cut short; delete it and run again")
    return cast(tuple[int, int, int, int, int], _RECORD.unpack(record))

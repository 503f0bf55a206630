"""What a coded picture says about itself, where the container's flags cannot be trusted."""

from __future__ import annotations

from collections.abc import Iterator

_H264_IDR, _H264_SEI = 5, 6
_H264_RECOVERY_POINT = 6
_HEVC_IRAP = range(16, 24)


def nal_length_size(codec: str, extradata: bytes | None) -> int:
    """Bytes of the length before each NAL unit; 0 where units are separated by start codes instead.

    From the `avcC` and `hvcC` records (ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1).
    """
    if not extradata or extradata[0] != 1:
        return 0
    if codec == "h264" and len(extradata) >= 7:
        return (extradata[4] & 3) + 1
    if codec == "hevc" and len(extradata) >= 23:
        return (extradata[21] & 3) + 1
    return 0


def is_random_access(codec: str, data: memoryview, length_size: int) -> bool:
    """Whether decoding can begin at this packet, which the container calls a keyframe.

    H.264: an IDR picture, or a recovery point that is exact at once (recovery_frame_cnt 0); a plain I picture
    may be followed by pictures that refer to what came before it. HEVC: any IRAP picture. Others: trusted.
    """
    if codec == "h264":
        for unit in _units(data, length_size):
            kind = unit[0] & 31
            if kind == _H264_IDR or (kind == _H264_SEI and _recovers_at_once(unit[1:])):
                return True
            if 1 <= kind < _H264_IDR:
                return False
        return False
    if codec == "hevc":
        return any((unit[0] >> 1) & 63 in _HEVC_IRAP for unit in _units(data, length_size))
    return True


def is_single_layer(codec: str, extradata: bytes | None) -> bool:
    """Whether a picture marked as non-reference is truly referred to by no other.

    In HEVC the mark holds only within a temporal layer, so the stream must say that it has just one
    (`numTemporalLayers` in `hvcC`).
    """
    if codec == "h264":
        return True
    return codec == "hevc" and nal_length_size(codec, extradata) > 0 and (extradata or b"")[21] >> 3 & 7 == 1


def is_shown(codec: str, data: memoryview) -> bool:
    """Whether a packet holds a picture for the screen; VP8 has packets that only prepare later ones.

    The show_frame bit of the frame tag, RFC 6386, 9.1.
    """
    return codec != "vp8" or bool(data[0] & 0x10)


def _units(data: memoryview, length_size: int) -> Iterator[memoryview]:
    if not length_size:
        yield from _units_by_start_code(data)
        return
    at = 0
    while at + length_size < len(data):
        size = int.from_bytes(data[at : at + length_size], "big")
        at += length_size
        if size:
            yield data[at : at + size]
        at += size


def _units_by_start_code(data: memoryview) -> Iterator[memoryview]:
    whole = bytes(data)
    at = whole.find(b"\0\0\1")
    while at >= 0:
        following = whole.find(b"\0\0\1", at + 3)
        unit = data[at + 3 : following if following >= 0 else len(data)]
        if len(unit):
            yield unit
        at = following


def _recovers_at_once(payload: memoryview) -> bool:
    """Walk the messages of an SEI unit (ITU-T H.264, 7.3.2.3.1) to a recovery point with count 0."""
    at = 0
    while at + 2 < len(payload):
        numbers = []
        for _ in range(2):  # type, then size: bytes of 255 and a last smaller one, added up
            number = 0
            while at < len(payload) and payload[at] == 255:
                number, at = number + 255, at + 1
            if at == len(payload):
                return False
            numbers.append(number + payload[at])
            at += 1
        kind, size = numbers
        if kind == _H264_RECOVERY_POINT and at < len(payload):
            return bool(payload[at] & 0x80)  # ue(v) of 0 is a single 1 bit
        at += size
    return False

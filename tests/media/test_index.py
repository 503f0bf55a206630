"""The index: which packets are frames, when they are shown, and where decoding can begin."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.media.bitstream import is_random_access, is_shown, is_single_layer, nal_length_size
from moviola.media.index import Seen, first_segment, index_frames, index_packets, shown_for
from moviola.media.rates import constant_rate

UNIT = Fraction(1, 25)


def packet(pts: int | None, *, entry: bool = False, shown: bool = True, duration: int = 1) -> Seen:
    return Seen(pts, pts, 100, duration, shown, entry)


def test_frames_are_sorted_into_the_order_they_are_shown_in() -> None:
    packets = [packet(0, entry=True), packet(3), packet(1), packet(2)]
    index = index_packets(packets, UNIT, [])
    assert index.pts.tolist() == [0, 1, 2, 3]
    assert index.entry.tolist() == [0, 0, 0, 0]
    np.testing.assert_allclose(index.timeline().pts_seconds, np.arange(4) / 25)


def test_packets_that_are_not_shown_are_no_frames_but_may_be_entries() -> None:
    packets = [packet(-2, entry=True, shown=False), packet(-1, shown=False), packet(0), packet(1, entry=True)]
    index = index_packets(packets, UNIT, [])
    assert index.pts.tolist() == [0, 1]
    assert index.entry.tolist() == [0, 1]


def test_a_picture_shown_before_its_keyframe_belongs_to_the_keyframe_before() -> None:
    packets = [packet(0, entry=True), packet(1), packet(4, entry=True), packet(2), packet(3), packet(5)]
    assert index_packets(packets, UNIT, []).entry.tolist() == [0, 0, 0, 0, 1, 1]


def test_a_file_that_begins_in_the_middle_is_noticed() -> None:
    assert first_segment([packet(0, entry=True), packet(2), packet(1)]) == 0
    assert first_segment([packet(2, entry=True), packet(1), packet(3), packet(4, entry=True)]) == 3
    assert first_segment([packet(0), packet(1), packet(2, entry=True)]) == 2
    assert first_segment([]) == 0


def test_a_frame_is_known_by_its_time() -> None:
    index = index_packets([packet(0, entry=True), packet(7)], UNIT, [])
    assert [index.number_of(pts) for pts in (0, 7, 3, 8, None)] == [0, 1, None, None, None]


def test_frames_last_until_the_next_and_the_last_as_stated_or_as_usual() -> None:
    assert shown_for(np.array([0, 2, 5]), np.array([9, 9, 4])).tolist() == [2, 3, 4]
    assert shown_for(np.array([0, 2, 4, 9]), np.array([0, 0, 0, 0])).tolist() == [2, 2, 5, 2]
    assert shown_for(np.array([3]), np.array([0])).tolist() == [1]
    assert shown_for(np.array([], np.int64), np.array([], np.int64)).tolist() == []


def test_times_of_decoded_frames_are_the_first_that_increase() -> None:
    assert index_frames([(1, 5, 1), (4, 6, 1), (3, 7, 1)], 1, UNIT, []).pts.tolist() == [5, 6, 7]
    assert index_frames([(1, 0, 1), (2, 0, 1)], 1, UNIT, []).pts.tolist() == [1, 2]
    assert index_frames([(None, None, 0)] * 3, 40, UNIT, []).pts.tolist() == [0, 40, 80]


@given(
    rate=st.sampled_from([24, 25, 30, 60, Fraction(24000, 1001), Fraction(30000, 1001)]),
    first=st.integers(0, 999),
)
def test_a_steady_rate_is_found_through_millisecond_rounding(rate: Fraction, first: int) -> None:
    pts = np.array([first + round(n * 1000 / Fraction(rate)) for n in range(200)])
    assert constant_rate(pts, Fraction(1, 1000), []) == rate


def test_a_held_frame_makes_the_rate_variable() -> None:
    pts = np.array([n * 40 + (40 if n > 20 else 0) for n in range(50)])
    assert constant_rate(pts, Fraction(1, 1000), [Fraction(25)]) is None


def test_one_frame_has_the_rate_the_header_gives() -> None:
    assert constant_rate(np.array([0]), UNIT, [Fraction(25)]) == 25
    assert constant_rate(np.array([0]), UNIT, []) is None


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ([b"\x65\x88"], True),  # an IDR slice
        ([b"\x67\x42", b"\x68\xce", b"\x65\x88"], True),  # parameter sets first
        ([b"\x41\x9a"], False),  # a P slice, whatever the container says
        ([b"\x06\x06\x01\x80", b"\x41\x9a"], True),  # recovery point, count 0
        ([b"\x06\x06\x01\x40", b"\x41\x9a"], False),  # recovery point, count 1: not exact at once
        ([b"\x06\x05\x02\xaa\xbb\x06\x01\x80", b"\x41\x9a"], True),  # after another message
        ([b"\x06\xff\xff"], False),  # cut off
        ([], False),
    ],
)
def test_h264_pictures_that_decoding_can_begin_with(units: list[bytes], expected: bool) -> None:
    sized = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
    marked = b"".join(b"\0\0\1" + unit for unit in units)
    assert is_random_access("h264", memoryview(sized), 4) is expected
    assert is_random_access("h264", memoryview(marked), 0) is expected


def test_hevc_pictures_that_decoding_can_begin_with() -> None:
    for kind, expected in ((1, False), (16, True), (19, True), (21, True), (32, False)):
        assert is_random_access("hevc", memoryview(b"\0\0\1" + bytes([kind << 1, 1, 0])), 0) is expected


def test_other_codecs_are_trusted() -> None:
    assert is_random_access("vp9", memoryview(b""), 0)


@given(data=st.binary(max_size=80), size=st.sampled_from([0, 1, 2, 4]))
def test_no_bytes_can_upset_the_parser(data: bytes, size: int) -> None:
    for codec in ("h264", "hevc"):
        assert is_random_access(codec, memoryview(data), size) in (True, False)
        assert nal_length_size(codec, data) in (0, 1, 2, 3, 4)
        assert is_single_layer(codec, data) in (True, False)


def test_vp8_packets_that_only_prepare_are_not_shown() -> None:
    assert is_shown("vp8", memoryview(b"\x10"))
    assert not is_shown("vp8", memoryview(b"\x01"))
    assert is_shown("vp9", memoryview(b"\x00"))

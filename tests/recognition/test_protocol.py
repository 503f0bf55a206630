"""The published tests' frames, scales and crops: as the authors' own loaders gave them, and by law."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.card import Recognition
from moviola.errors import InputError, RequestError
from moviola.recognition.protocol import crop_boxes, frame_indices, scaled_size

RECORDED = Path(__file__).parent / "recorded"
FRAMES = json.loads((RECORDED / "frames.json").read_text())
PICTURES = json.loads((RECORDED / "pictures.json").read_text())["cases"]

CONSECUTIVE = ["pyslowfast", "timesformer", "mmaction2", "videomae", "vjepa2", "movinet"]
SEGMENTS = ["pyslowfast", "timesformer", "mmaction2", "videomae", "internvideo2"]
PROTOCOLS = sorted({*CONSECUTIVE, *SEGMENTS})
OWN_RATE = ["pyslowfast", "timesformer", "movinet"]
BEGIN_ANEW = ["mmaction2", "movinet"]


def facts(protocol, **given):
    shape = {"frames": 4, "stride": None, "short_side": 224, "crop": (224, 224)} | given
    return Recognition(labels=None, classes=2, protocol=protocol, mean=(0, 0, 0), std=(1, 1, 1), **shape)


def rows(protocol, count, clips=1, rate=25.0, **given):
    return frame_indices(facts(protocol, **given), count, rate, clips).tolist()


# What the authors' loaders gave.


def named(case):
    return "-".join(str(case[key]) for key in ("protocol", "frames", "stride", "rate", "clips"))


@pytest.mark.parametrize("case", FRAMES["cases"], ids=named)
def test_frames_are_those_of_the_authors_loader(case):
    asked = facts(case["protocol"], frames=case["frames"], stride=case["stride"], fps=case.get("fps"))
    for count, expected in zip(FRAMES["counts"], case["crc"], strict=True):
        # V-JEPA 2 asks its decoder for frame −1 of a video of one frame: recorded with two.
        count = max(2, count) if case["protocol"] == "vjepa2" else count
        found = frame_indices(asked, count, case["rate"], case["clips"])
        assert found.shape == (case["clips"], case["frames"])
        assert zlib.crc32(found.astype("<i4").tobytes()) == expected, f"of {count}: {found.tolist()}"


@pytest.mark.parametrize("case", PICTURES, ids=lambda c: f"{c['protocol']}-{c['source']}-{c['crops']}")
def test_scales_and_crops_are_those_of_the_authors_code(case):
    asked = facts(case["protocol"], short_side=case["short_side"], crop=(case["crop"], case["crop"]))
    size = scaled_size(asked, *case["source"])
    assert list(size) == case["scaled"]
    assert [list(box) for box in crop_boxes(asked, *size, case["crops"])] == case["boxes"]


# Frames, by hand.


def test_a_clip_spans_its_stride_at_the_rate_it_is_counted_at():
    # 4 × 12 at 30 frames per second are 1.6 s: 40 frames of 25, the last of which is 39 after the first.
    assert rows("pyslowfast", 40, stride=12, fps=30) == [[0, 13, 26, 39]]
    assert rows("movinet", 250, rate=50, frames=3, stride=5, fps=25) == [[110, 120, 130]]


def test_a_single_clip_is_in_the_middle():
    assert rows("pyslowfast", 100, rate=30, stride=10, fps=30) == [[30, 43, 56, 69]]
    assert rows("mmaction2", 100, stride=10) == [[30, 40, 50, 60]]
    assert rows("videomae", 100, stride=10) == [[30, 40, 50, 60]]
    assert rows("vjepa2", 100, stride=10) == [[30, 43, 56, 69]]
    assert rows("movinet", 100, stride=10) == [[30, 40, 50, 60]]


def test_timesformers_single_clip_is_the_first():
    assert rows("timesformer", 100, rate=30, stride=10, fps=30) == [[0, 13, 26, 39]]


def test_several_clips_are_spread_each_in_its_own_way():
    assert [row[0] for row in rows("pyslowfast", 100, 3, rate=30, stride=10, fps=30)] == [0, 20, 40]
    assert [row[0] for row in rows("mmaction2", 100, 3, stride=10)] == [10, 30, 50]
    assert [row[0] for row in rows("videomae", 100, 3, stride=10)] == [0, 30, 60]
    assert [row[0] for row in rows("vjepa2", 100, 3, stride=10)] == [0, 30, 60]
    assert [row[0] for row in rows("vjepa2", 150, 3, stride=10)] == [5, 55, 105]
    assert [row[0] for row in rows("movinet", 100, 3, stride=10)] == [0, 30, 60]


def test_what_becomes_of_a_video_that_is_shorter_than_a_clip():
    short = {"frames": 5, "stride": 3}
    assert rows("pyslowfast", 8, rate=30, fps=30, **short) == [[0, 3, 7, 7, 7]]  # stays at the end
    assert rows("videomae", 8, **short) == [[0, 3, 6, 6, 6]]  # repeats the last that it would take
    assert rows("vjepa2", 8, **short) == [[0, 6, 6, 6, 6]]  # likewise, but spread over what there is
    assert rows("mmaction2", 8, **short) == [[0, 3, 6, 1, 4]]  # begins anew
    assert rows("movinet", 8, **short) == [[0, 3, 6, 1, 4]]


def test_one_frame_of_each_segment():
    assert rows("pyslowfast", 41) == [[5, 15, 25, 35]]
    assert rows("videomae", 40) == [[0, 10, 20, 30]]
    assert rows("videomae", 40, 2) == [[0, 10, 20, 30], [5, 15, 25, 35]]
    assert rows("internvideo2", 41) == [[5, 15, 25, 35]]
    assert rows("internvideo2", 41, 4) == [[shift + 10 * k for k in range(4)] for shift in (2, 4, 6, 8)]


def test_halves_of_segments_are_rounded_to_even():
    # Segments of 2.5 frames begin at 0, 2.5, 5 and 7.5.
    assert rows("internvideo2", 11) == [[1, 3, 6, 9]]


@pytest.mark.parametrize("protocol", ["vjepa2", "movinet"])
def test_consecutive_frames_need_a_stride(protocol):
    with pytest.raises(InputError, match=f"{protocol} needs a stride"):
        rows(protocol, 100)


def test_internvideo2_takes_no_stride():
    with pytest.raises(InputError, match="takes no stride; its card has 4"):
        rows("internvideo2", 100, stride=4)


# Frames, by law.


@given(
    protocol=st.sampled_from(CONSECUTIVE),
    count=st.integers(1, 2000),
    frames=st.integers(2, 64),
    stride=st.integers(1, 32),
    clips=st.integers(1, 10),
    rate=st.floats(1, 240),
    counted=st.booleans(),
)
def test_clips_are_of_frames_there_are_and_run_forward(protocol, count, frames, stride, clips, rate, counted):
    fps = 30.0 if counted and protocol in OWN_RATE else None
    asked = facts(protocol, frames=frames, stride=stride, fps=fps)
    found = frame_indices(asked, count, rate, clips)
    assert found.shape == (clips, frames)
    assert found.dtype == np.int64
    assert found.min() >= 0
    assert found.max() < count
    span = frames * stride * (rate / fps if fps else 1)
    if protocol not in BEGIN_ANEW or count >= span:
        assert (np.diff(found, axis=1) >= 0).all()
    assert (np.diff(found[:, 0]) >= 0).all()


@given(
    protocol=st.sampled_from(SEGMENTS),
    count=st.integers(1, 2000),
    frames=st.integers(1, 96),
    clips=st.integers(1, 10),
)
def test_segments_are_of_frames_there_are_and_run_forward(protocol, count, frames, clips):
    found = frame_indices(facts(protocol, frames=frames), count, 25.0, clips)
    assert found.shape == (clips, frames)
    assert found.min() >= 0
    assert found.max() < count
    assert (np.diff(found, axis=1) >= 0).all()
    assert (np.diff(found, axis=0) >= 0).all()


@given(
    protocol=st.sampled_from(["pyslowfast", "mmaction2", "videomae", "vjepa2", "movinet"]),
    count=st.integers(64, 2000),
    stride=st.integers(1, 8),
)
def test_a_single_clip_leaves_as_much_before_it_as_after(protocol, count, stride):
    fps = 25.0 if protocol in OWN_RATE else None
    (row,) = frame_indices(facts(protocol, frames=8, stride=stride, fps=fps), count, 25.0, 1)
    # A clip ends with the gap after its last frame; VideoMAE counts in strides.
    slack = 2 * stride + 1
    assert abs(row[0] - (count - 1 - row[-1])) <= slack


@given(protocol=st.sampled_from(CONSECUTIVE), count=st.integers(1, 500), clips=st.integers(1, 4))
def test_rates_change_nothing_where_frames_are_taken_as_they_come(protocol, count, clips):
    asked = facts(protocol, frames=8, stride=4)
    slow, fast = (frame_indices(asked, count, rate, clips) for rate in (10.0, 120.0))
    assert (slow == fast).all()


# Scales and crops, by hand.


def test_the_longer_side_is_rounded_as_the_repository_does():
    assert scaled_size(facts("mmaction2"), 500, 301) == (372, 224)  # of 372.09
    assert scaled_size(facts("mmaction2"), 502, 301) == (374, 224)  # of 373.58
    assert scaled_size(facts("videomae"), 502, 301) == (373, 224)
    one = facts("vjepa2", single_side=256)
    assert (scaled_size(one, 502, 301, 1), scaled_size(one, 502, 301, 3)) == ((426, 256), (373, 224))
    assert scaled_size(facts("videomae"), 301, 502) == (224, 373)
    # 480 / 208 · 182 is 420, but for the last bit of 480 / 208, which PySlowFast divides first.
    assert scaled_size(facts("pyslowfast", short_side=182, crop=(182, 182)), 480, 208) == (419, 182)
    assert scaled_size(facts("videomae", short_side=182, crop=(182, 182)), 480, 208) == (420, 182)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_picture_of_the_right_size_stays_as_it_is(protocol):
    assert scaled_size(facts(protocol), 399, 224) == (399, 224)
    assert scaled_size(facts(protocol), 224, 401) == (224, 401)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_without_a_short_side_both_are_scaled_to_the_crop(protocol):
    asked = facts(protocol, short_side=None, crop=(320, 176))
    assert scaled_size(asked, 1920, 1080) == (320, 176)
    assert crop_boxes(asked, 320, 176, 1) == [(0, 0)]


def test_three_crops_are_where_the_repository_has_them():
    def places(protocol):
        return [x for x, _ in crop_boxes(facts(protocol), 399, 224, 3)]

    # There are 175 pixels beside a crop.
    assert places("pyslowfast") == places("timesformer") == [0, 88, 175]
    assert places("videomae") == places("internvideo2") == [0, 87, 175]
    assert places("vjepa2") == [0, 87, 174]
    assert places("mmaction2") == [0, 174, 87]  # left, right, middle
    assert places("movinet") == [0, 88, 175]  # of 87.5, to even


def test_the_other_side_is_centred_but_for_movinets():
    assert [y for _, y in crop_boxes(facts("pyslowfast", crop=(172, 172)), 341, 193, 3)] == [11, 11, 11]
    assert [y for _, y in crop_boxes(facts("movinet", crop=(172, 172)), 341, 192, 3)] == [0, 0, 0]


def test_the_middle_of_an_odd_margin_is_where_the_repository_has_it():
    def middle(protocol, width):
        return crop_boxes(facts(protocol), width, 224, 1)[0][0]

    assert [middle("pyslowfast", width) for width in (225, 227)] == [1, 2]  # up
    assert [middle("mmaction2", width) for width in (225, 227)] == [0, 1]  # down
    assert [middle("videomae", width) for width in (225, 227)] == [0, 2]  # to even


def test_crops_there_are_not():
    with pytest.raises(RequestError, match="once or three times, not 5"):
        crop_boxes(facts("videomae"), 400, 224, 5)
    with pytest.raises(InputError, match="224×224 does not fit in a picture scaled to 200×100"):
        crop_boxes(facts("videomae"), 200, 100, 1)


# Scales and crops, by law.

SIDES = st.integers(16, 2000)


@given(
    protocol=st.sampled_from(PROTOCOLS),
    width=SIDES,
    height=SIDES,
    crop=st.integers(8, 320),
    more=st.integers(0, 64),
    crops=st.sampled_from([1, 3]),
)
def test_crops_are_inside_of_the_picture(protocol, width, height, crop, more, crops):
    asked = facts(protocol, short_side=crop + more, crop=(crop, crop))
    size = scaled_size(asked, width, height)
    assert min(size) == crop + more
    assert (size[0] < size[1]) == (width < height and size[0] != size[1])
    boxes = crop_boxes(asked, *size, crops)
    assert len(boxes) == crops
    for x, y in boxes:
        assert 0 <= x <= size[0] - crop
        assert 0 <= y <= size[1] - crop


@given(protocol=st.sampled_from(PROTOCOLS), width=SIDES, height=SIDES)
def test_a_scaled_picture_keeps_its_shape(protocol, width, height):
    scaled = scaled_size(facts(protocol), width, height)
    exact = 224 * max(width, height) / min(width, height)
    assert abs(max(scaled) - exact) <= 1


@given(protocol=st.sampled_from(PROTOCOLS), width=st.integers(224, 1000), height=st.integers(224, 1000))
def test_one_crop_is_centred(protocol, width, height):
    ((x, y),) = crop_boxes(facts(protocol), width, height, 1)
    assert abs(2 * x - (width - 224)) <= 1
    assert abs(2 * y - (height - 224)) <= 1


@given(protocol=st.sampled_from(PROTOCOLS), width=st.integers(224, 1000), tall=st.booleans())
def test_three_crops_span_the_longer_side(protocol, width, tall):
    boxes = crop_boxes(facts(protocol), *((224, width) if tall else (width, 224)), 3)
    along = sorted(y if tall else x for x, y in boxes)
    across = {x if tall else y for x, y in boxes}
    assert along[0] == 0
    assert 0 <= width - 224 - along[-1] <= 1
    assert across == {0}

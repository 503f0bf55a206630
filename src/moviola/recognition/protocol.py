"""What the published test of a recognizer looks at: which frames, at which scale, cut out where.

Every repository has its own rules for what seems the same: where clips start, what becomes of a video that
is shorter than a clip, how the longer side is rounded, where the middle of an odd margin lies. `_CONVENTIONS`
is the table of them, read from the test loaders of

    pyslowfast     facebookresearch/SlowFast@287ec00: datasets/decoder.py, kinetics.py, ssv2.py, transform.py
    timesformer    facebookresearch/TimeSformer@a5ef29a: the same files
    mmaction2      SwinTransformer/Video-Swin-Transformer@db018fb: SampleFrames, Resize, CenterCrop, ThreeCrop
    videomae       MCG-NJU/VideoMAE@14ef8d8: kinetics.py, ssv2.py; OpenGVLab/VideoMAEv2@29eab1e: dataset/
    internvideo2   OpenGVLab/InternVideo@3965eef: InternVideo2/single_modality/datasets/kinetics_sparse.py
    vjepa2         facebookresearch/vjepa2@c2963a4: src/datasets/video_dataset.py, evals/…/utils.py
    movinet        tensorflow/models@00b830c: official/vision/ops/preprocess_ops_3d.py

What numbers of frames alone cannot give back, or facts do not say, and what is done instead:

- PySlowFast and TimeSformer decode a long video from a clip's first time stamp on, which rounds its start up
  to a whole frame. Here is what they do with a video that was decoded as a whole: at most one frame earlier,
  and the same for TimeSformer's single clip. Where a position falls on a whole frame, float32 decides, as in
  `torch.linspace` with the fused multiply-add it has on CPUs with AVX2.
- V-JEPA 2 takes a clip from a random place of its part of the video where that is longer than a clip, in
  testing too. Here it is the middle.
- VideoMAE's loaders divide by clips − 1 where frames are consecutive, so they cannot take one clip. Here it
  is the middle of the frames that they choose from.
- PySlowFast and TimeSformer scale and crop as in training where one crop is taken. Here it is the middle one
  of three, at the same scale.
- mmaction2 itself (≥ 1.0) spaces clips from the first frame to the last possible one; the fork that Video
  Swin was tested with takes the middles of equal parts, as here.
- InternVideo2 tests Something-Something by VideoMAE's rule: the protocol of such checkpoints is "videomae".
- PySlowFast and TimeSformer count frames at a rate of their own, MoViNet's strides are for 25 frames per
  second. The others take frames as they come; should `Recognition.fps` be given, theirs are spaced alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moviola.card import Protocol, Recognition, Size
from moviola.errors import InputError, RequestError

Indices = NDArray[np.int64]
"""Presentation indices of source frames, (clips, frames)."""


@dataclass(frozen=True, slots=True)
class _Video:
    """A question: `clips` clips of `frames` frames, `step` apart, of the `count` frames of a video.

    span: source frames that a clip covers, with the gap after its last one.
    """

    count: int
    clips: int
    frames: int
    step: float
    span: float

    def begun_anew(self, starts: NDArray[Any]) -> Indices:
        """Clips from these places on, at an even pace; after the end of the video comes its beginning."""
        frames: Indices = (starts.astype(np.int64)[:, None] + self.pace) % self.count
        return frames

    @property
    def pace(self) -> Indices:
        """The frames of a clip, counted from its first, (frames,)."""
        frames: Indices = np.floor(np.arange(self.frames) * self.step).astype(np.int64)
        return frames


_Rule = Callable[[_Video], Indices]


def frame_indices(facts: Recognition, frame_count: int, rate: float, clips: int) -> Indices:
    """Which source frames each temporal view takes, (clips, frames), each row in order of time.

    frame_count: frames of the video, at least 1. rate: its frames per second. clips: 1 is the repository's
    own rule for a single clip, which is the middle but for "timesformer" (the first).

    Only where a video is shorter than a clip and the repository begins it anew ("mmaction2", "movinet") does
    a row go back in time. Raises InputError for facts with a stride where the repository tests without one,
    or without where it needs one.
    """
    convention = _CONVENTIONS[facts.protocol]
    rule = convention.segments if facts.stride is None else convention.dense
    if rule is None:
        wanted, has = ("needs a", "none") if facts.stride is None else ("takes no", facts.stride)
        raise InputError(
            f"a recognizer with the protocol {facts.protocol} {wanted} stride; its card has {has}"
        )
    stride = facts.stride or 1
    if facts.fps is None:
        return rule(_Video(frame_count, clips, facts.frames, stride, stride * facts.frames))
    span = stride * facts.frames / facts.fps * rate  # in the order PySlowFast rounds it
    return rule(_Video(frame_count, clips, facts.frames, stride * rate / facts.fps, span))


def scaled_size(facts: Recognition, width: int, height: int, crops: int = 3) -> Size:
    """What a picture of width × height is scaled to before so many crops are taken, (width, height)."""
    side = facts.single_side if crops == 1 and facts.single_side is not None else facts.short_side
    if side is None:
        return facts.crop
    short, long = sorted((width, height))
    if short != side:
        short, long = side, _CONVENTIONS[facts.protocol].long_side(side, short, long)
    return (short, long) if width < height else (long, short)


def crop_boxes(facts: Recognition, width: int, height: int, crops: int) -> list[tuple[int, int]]:
    """Where crops of `facts.crop` begin in a scaled picture of width × height: (x, y) of their corners.

    One is the middle. Three are spread along the longer side, in the repository's order.

    Raises RequestError for another number, InputError where the picture is smaller than a crop.
    """
    wide, high = facts.crop
    if wide > width or high > height:
        raise InputError(f"a crop of {wide}×{high} does not fit in a picture scaled to {width}×{height}")
    convention = _CONVENTIONS[facts.protocol]
    if crops == 1:
        return [(convention.middle(width, wide), convention.middle(height, high))]
    if crops != 3:
        raise RequestError(f"a view is cropped once or three times, not {crops} times")
    if height > width or (height == width and convention.square_is_tall):
        across = convention.across(width, wide)
        return [(across, y) for y in convention.three(height, high)]
    across = convention.across(height, high)
    return [(x, across) for x in convention.three(width, wide)]


# Frames.


def _linspace(start: float, end: float, count: int) -> NDArray[np.float32]:
    """`torch.linspace` in float32: from the start in the first half, from the end in the second.

    Products are exact in float64 and are rounded once, after the sum: a fused multiply-add.
    """
    first, last = np.float32(start), np.float32(end)
    step = np.float64((last - first) / np.float32(max(1, count - 1)))
    place = np.arange(count)
    from_start = np.float64(first) + step * place
    from_end = np.float64(last) - step * (count - 1 - place)
    return np.where(place < max(1, count // 2), from_start, from_end).astype(np.float32)


def _stretched(video: _Video, starts: list[float]) -> Indices:
    """PySlowFast: frames evenly from a clip's first position to its last; the last frame stays at the end."""
    span = max(1.0, video.span)
    rows = [_linspace(start, start + span - 1, video.frames) for start in starts]
    return np.clip(rows, 0, video.count - 1).astype(np.int64)


def _slack(video: _Video) -> float:
    return max(video.count - max(1.0, video.span), 0)


def _pyslowfast(video: _Video) -> Indices:
    if video.clips == 1:
        return _stretched(video, [floor(_slack(video) / 2)])
    return _timesformer(video)


def _timesformer(video: _Video) -> Indices:
    """A single clip is the first."""
    return _stretched(video, [_slack(video) * clip / video.clips for clip in range(video.clips)])


def _middles_of_parts(video: _Video) -> Indices:
    """Video Swin: the places where a clip can start, in equal parts; the middle of each. May begin anew."""
    part = max(0.0, (video.count - video.span + 1) / video.clips)
    return video.begun_anew(np.arange(video.clips) * part + part / 2)


def _windows_of_kept(video: _Video) -> Indices:
    """VideoMAE: runs of every step-th frame, from the first to the last there is; the last one repeats."""
    kept: Indices = np.floor(np.arange(ceil(video.count / video.step)) * video.step).astype(np.int64)
    spare = max(len(kept) - video.frames, 0)
    if video.clips == 1:
        starts = np.array([spare // 2])
    else:
        starts = (np.arange(video.clips) * (spare / (video.clips - 1))).astype(np.int64)
    places = starts[:, None] + np.arange(video.frames)
    return np.minimum(kept[np.minimum(places, len(kept) - 1)], video.count - 1)


def _parts_of_video(video: _Video) -> Indices:
    """V-JEPA 2: the middle of each of equal parts, or clips that overlap where the parts are too short."""
    length = max(1, int(video.span))
    part = video.count // video.clips
    if part > length:
        start = (length + part) // 2 - length
        row = np.linspace(start, start + length, video.frames).clip(start, start + length - 1)
        return row.astype(np.int64) + np.arange(video.clips)[:, None] * part
    last = min(length, video.count) - 1
    there = int(last // video.step)
    row = np.concatenate([np.linspace(0, last, there), np.full(video.frames - there, float(last))])
    spread = (video.count - length) // (video.clips - 1) if video.count > length else 0
    rows: Indices = row.clip(0, max(0, last - 1)).astype(np.int64) + np.arange(video.clips)[:, None] * spread
    return rows


def _windows(video: _Video) -> Indices:
    """MoViNet: clips from the first to the last possible one, one in the middle. May begin anew."""
    spare = max(video.count - video.span, 0)
    if video.clips == 1:
        return video.begun_anew(np.array([spare // 2]))
    between = np.float32(spare) / np.float32(video.clips - 1)  # `tf.linspace`
    return video.begun_anew(np.append(np.arange(video.clips - 1, dtype=np.float32) * between, spare))


def _centres(video: _Video) -> Indices:
    """PySlowFast: the middle frame of each segment, between its rounded ends. All clips are the same."""
    ends = np.round((video.count - 1) / video.frames * np.arange(video.frames + 1)).astype(np.int64)
    return np.tile((ends[:-1] + ends[1:]) // 2, (video.clips, 1))


def _fractions(video: _Video) -> Indices:
    """VideoMAE: clip k of n takes frames at k / n of each segment."""
    segment = video.count / video.frames
    clip = np.arange(video.clips)[:, None]
    return (clip * segment / video.clips + segment * np.arange(video.frames)).astype(np.int64)


def _inner_fractions(video: _Video) -> Indices:
    """InternVideo2: clip k of n takes frames at (k + 1) / (n + 1) of each segment, from its rounded start."""
    segment = (video.count - 1) / video.frames
    starts = np.round(segment * np.arange(video.frames)).astype(np.int64)
    shift = segment / (video.clips + 1) * np.arange(1, video.clips + 1)
    frames: Indices = np.minimum(starts + shift.astype(np.int64)[:, None], video.count - 1)
    return frames


# Sizes and places.


def _floored(size: int, short: int, long: int) -> int:
    return floor(long / short * size)


def _truncated(size: int, short: int, long: int) -> int:
    return int(size * long / short)


def _rounded(size: int, short: int, long: int) -> int:
    return int(long * (size / short) + 0.5)


def _lower(side: int, crop: int) -> int:
    return (side - crop) // 2


def _upper(side: int, crop: int) -> int:
    return ceil((side - crop) / 2)


def _even(side: int, crop: int) -> int:
    return round((side - crop) / 2)


def _first(side: int, crop: int) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class _Convention:
    """One repository's rules.

    dense, segments: frames where a stride is given, and where not; None where there is no such test.
    long_side: of (short side after, short side before, long side before), what the long side becomes.
    middle: of (side, crop), where a single crop begins. three: where three begin along the long side;
    across: along the other. square_is_tall: whether the long side of a square is its height.
    """

    dense: _Rule | None
    segments: _Rule | None
    long_side: Callable[[int, int, int], int]
    middle: Callable[[int, int], int]
    across: Callable[[int, int], int]
    three: Callable[[int, int], tuple[int, int, int]]
    square_is_tall: bool = False


_PYSLOWFAST = _Convention(
    dense=_pyslowfast,
    segments=_centres,
    long_side=_floored,
    middle=_upper,
    across=_upper,
    three=lambda side, crop: (0, _upper(side, crop), side - crop),
)
_VIDEOMAE = _Convention(
    dense=_windows_of_kept,
    segments=_fractions,
    long_side=_truncated,
    middle=_even,
    across=_lower,
    three=lambda side, crop: (0, _lower(side, crop), side - crop),
    square_is_tall=True,
)
_CONVENTIONS: dict[Protocol, _Convention] = {
    "pyslowfast": _PYSLOWFAST,
    "timesformer": replace(_PYSLOWFAST, dense=_timesformer),
    "mmaction2": _Convention(
        dense=_middles_of_parts,
        segments=_centres,
        long_side=_rounded,
        middle=_lower,
        across=_lower,
        three=lambda side, crop: (0, 2 * _lower(side, crop), _lower(side, crop)),
    ),
    "videomae": _VIDEOMAE,
    "internvideo2": replace(_VIDEOMAE, dense=None, segments=_inner_fractions, middle=_lower),
    "vjepa2": _Convention(
        dense=_parts_of_video,
        segments=None,
        long_side=_truncated,
        middle=_even,
        across=_lower,
        three=lambda side, crop: (0, _lower(side, crop), 2 * _lower(side, crop)),
    ),
    "movinet": _Convention(
        dense=_windows,
        segments=None,
        long_side=_truncated,
        middle=_lower,
        across=_first,
        three=lambda side, crop: (0, round(side / 2 - crop // 2), side - crop),
        square_is_tall=True,
    ),
}

"""Interpolation as a family: source pictures stay untouched, cuts stay clean, windows leave no trace."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from pydantic import ValidationError

from moviola.clip import Clip
from moviola.frames import Frames
from moviola.interpolation.engine import window_size
from moviola.model import Event, Partial, Setup, Step
from moviola.models.flow import CARDS, Options, load
from moviola.stage import Motion, Scene, Shot, render
from moviola.tasks import Interpolate
from moviola.windows import Shape, cut_into_windows, feed

SHOTS = tuple(Shot(0.2, ground=seed, camera=Motion(velocity=(50, 30))) for seed in (1, 2))
STAGE = render(Scene(SHOTS, size=(96, 64), rate=Fraction(25)))
SOURCE = np.concatenate([part.data for part in STAGE.frames()])
CUT = STAGE.cut_frames[0]


class Whole:
    """A context that cuts a clip held in memory into windows of at most `most` frames."""

    def __init__(self, pixels: np.ndarray, cuts: tuple[int, ...] = (), most: int = 1000) -> None:
        self.clip = Clip(pixels, rate=Fraction(25))
        self.frames = Frames.concatenate(
            self.clip.chunks(depth=pixels.dtype.itemsize * 8, alpha=pixels.shape[3] == 4)
        )
        self.flags = np.isin(np.arange(len(self.frames)), cuts)
        self.most = most

    def each_window(
        self, step: Step, *, size: int, before: int = 0, after: int = 0, fade: bool = False
    ) -> Iterator[Event]:
        shape = Shape(min(size, self.most), before, after)
        windows = cut_into_windows([(self.frames, self.flags)], shape)
        return feed(step, windows, shape, fade=fade, tail=None, total=len(self.frames))


def interpolated(context: Whole, *, quality: str = "balanced", **rate) -> Frames:
    request = Interpolate(video="clip", **rate)
    events = load(CARDS[0], Setup()).run(request, Options(quality=quality), context)
    return Frames.concatenate(event.frames for event in events if isinstance(event, Partial))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean(np.square(a.astype(float) - b))))


def test_source_pictures_pass_through_untouched():
    result = interpolated(Whole(SOURCE[:CUT]), factor=3)
    assert len(result) == 3 * (CUT - 1) + 1
    assert np.array_equal(result.data[::3], SOURCE[:CUT])


def test_dropped_pictures_come_back():
    result = interpolated(Whole(SOURCE[:CUT:2]), factor=2)
    for made, truth in zip(result.data[1::2], SOURCE[1:CUT:2], strict=True):
        assert psnr(made, truth) > 32


def test_a_cut_is_held_and_never_blended():
    result = interpolated(Whole(SOURCE, (CUT,)), factor=2)
    assert len(result) == 2 * len(SOURCE) - 2
    last = 2 * (CUT - 1)
    assert np.array_equal(result.data[last], SOURCE[CUT - 1])
    assert np.array_equal(result.data[last + 1], SOURCE[CUT])
    assert result.duration_seconds[last] == pytest.approx(1 / 25)
    assert result.duration_seconds[last - 1] == pytest.approx(1 / 50)


def test_a_constant_rate_repeats_at_a_cut():
    result = interpolated(Whole(SOURCE, (CUT,)), factor=4, at_cut="repeat")
    assert np.allclose(np.diff(result.pts_seconds), 1 / 100)
    last = 4 * (CUT - 1)
    assert (result.data[last : last + 4] == SOURCE[CUT - 1]).all()
    assert np.array_equal(result.data[last + 4], SOURCE[CUT])


@pytest.mark.parametrize("rate", [{"factor": Fraction(5, 2)}, {"fps": 60}])
def test_windows_leave_no_trace(rate):
    whole = interpolated(Whole(SOURCE, (CUT,)), **rate)
    parts = interpolated(Whole(SOURCE, (CUT,), most=2), **rate)
    assert np.array_equal(parts.data, whole.data)
    assert np.allclose(parts.pts_seconds, whole.pts_seconds)
    assert parts.end_seconds == pytest.approx(whole.end_seconds) == pytest.approx(len(SOURCE) / 25)


def test_sixty_per_second_lie_on_their_grid():
    result = interpolated(Whole(SOURCE[:CUT]), fps=60)
    assert np.allclose(result.pts_seconds * 60, np.arange(len(result)))


@pytest.mark.parametrize("channels", [3, 4])
def test_deep_and_transparent_frames_keep_their_kind(channels):
    deep = np.full((3, 40, 50, channels), 65535, np.uint16)
    deep[..., :3] = SOURCE[:3, :40, :50].astype(np.uint16) * 257
    result = interpolated(Whole(deep), factor=2)
    assert result.data.dtype == np.uint16
    assert result.data.shape == (5, 40, 50, channels)
    assert np.array_equal(result.data[::2], deep)


def test_one_frame_and_one_pixel_are_clips_too():
    assert np.array_equal(interpolated(Whole(SOURCE[:1]), factor=2).data, SOURCE[:1])
    assert interpolated(Whole(SOURCE[:3, :1, :1]), factor=2).data.shape == (5, 1, 1, 3)


def test_a_window_holds_a_bounded_number_of_bytes():
    assert window_size(640 * 360 * 4) == 64
    assert window_size(1920 * 1080 * 4) == 8
    assert window_size(16384 * 8192 * 8) == 4


def test_an_unknown_quality_is_refused():
    with pytest.raises(ValidationError, match="quality"):
        Options(quality="superb")

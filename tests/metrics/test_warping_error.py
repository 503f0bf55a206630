"""Warping error: 0 where nothing moves, small where things move as they are, and raised by flicker."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moviola.errors import InputError
from moviola.frames import Frames
from moviola.metrics.warping import Warping, classical, hidden
from moviola.stage import Motion, Scene, Shot, Sprite, Stage, render

SIZE = (96, 64)
DISC = Sprite("disc", 9, (0.9, 0.3, 0.2), Motion(velocity=(40, 0)))


@cache
def stage() -> Stage:
    """A disc that passes over a ground at which the camera pans."""
    shot = Shot(0.32, camera=Motion(velocity=(30, 5)), sprites=(DISC,))
    return render(Scene((shot,), size=SIZE, rate=Fraction(25)))


@cache
def moving() -> Frames:
    return Frames.concatenate(stage().frames())


def frames(data: np.ndarray) -> Frames:
    return Frames(data, np.arange(len(data)) / 25, np.full(len(data), 1 / 25))


def flickering(video: Frames, share: float) -> Frames:
    """Every second picture darker by a share."""
    gain = np.where(np.arange(len(video)) % 2, 1 - share, 1)[:, None, None, None]
    return frames(np.rint(video.data * gain).astype(video.data.dtype))


def error(*videos: Frames) -> float:
    warping = Warping(classical)
    warping.update(*videos)
    return warping.compute()


def flow(x: float, y: float = 0, height: int = 20, width: int = 30) -> np.ndarray:
    return np.full((height, width, 2), (x, y), np.float32)


def test_a_still_video_has_none() -> None:
    assert error(frames(moving().data[:1].repeat(4, axis=0))) == 0


def test_a_moving_scene_has_little_of_what_changes_in_its_pixels() -> None:
    changes = np.square(np.diff(moving().data / 255, axis=0)).mean()
    assert error(moving()) < changes / 10


def test_flicker_raises_it_by_what_it_changes() -> None:
    steady, little, much = (error(moving(), flickering(moving(), share)) for share in (0, 0.04, 0.12))
    brightness = np.square(moving().data / 255).mean()
    assert steady < little < much
    assert much - steady == pytest.approx(0.12**2 * brightness, rel=0.25)


def test_it_is_the_formula_along_a_given_motion() -> None:
    """A picture that moves by two pixels, and gets darker by a tenth of what there is to see."""
    ground = np.random.default_rng(0).integers(0, 200, (20, 40, 3), np.uint8)
    a, b = ground[:, 2:32], ground[:, :30]
    warping = Warping(lambda *_: (flow(2), flow(-2)))
    darker = np.rint(b * 0.9).astype(np.uint8)
    value = warping.update(frames(np.stack([a, b])), frames(np.stack([a, darker])))
    # The two columns on the right have left the picture.
    expected = np.square((a[:, :28] - darker[:, 2:].astype(float)) / 255).mean()
    assert value.tolist() == pytest.approx([expected], rel=1e-5)


def test_the_motion_of_the_reference_is_taken_and_the_video_is_scored() -> None:
    seen = []

    def motion(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(a[0, 0, 0])
        return flow(0), flow(0)

    guide, scored = frames(np.full((2, 20, 30, 3), 7, np.uint8)), frames(np.zeros((2, 20, 30, 3), np.uint8))
    scored.data[1] = 51
    assert Warping(motion).update(guide, scored).tolist() == pytest.approx([0.04])
    assert seen == [7]


def test_16_bits_are_the_same_as_8() -> None:
    eight = flickering(moving()[:3], 0.1)
    deep = frames(eight.data.astype(np.uint16) * 257)
    assert error(deep) == pytest.approx(error(eight), rel=1e-3)


def test_transparency_is_not_looked_at() -> None:
    video = moving()[:3]
    alpha = np.random.default_rng(0).integers(0, 256, (*video.data.shape[:3], 1), np.uint8)
    clear = frames(np.concatenate([video.data, alpha], axis=3))
    assert error(video, clear) == error(video)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(0, 5), st.integers(0, 5))
@settings(max_examples=15)
def test_chunks_and_merging_change_nothing(sizes: list[int], cut: int, other: int) -> None:
    guide = frames(np.random.default_rng(0).integers(0, 256, (8, 20, 30, 3), np.uint8))
    sizes = [*sizes, 8]
    for videos in ((guide,), (guide, flickering(guide, 0.2))):
        whole, *parts = (Warping(lambda *_: (flow(1), flow(-1))) for _ in range(4))
        expected = whole.update(*videos)
        values, first = [], 0
        for number, size in enumerate(sizes):
            part = parts[(number >= cut) + (number >= other)]
            values += part.update(*(video[first : first + size] for video in videos)).tolist()
            first += size
        for part in parts[1:]:
            parts[0].merge(part)
        assert parts[0].compute() == whole.compute()
        assert set(values) <= set(expected.tolist())


def test_what_is_hidden_next_is_not_compared() -> None:
    """Where ground vanishes behind the disc or out of the picture, says the scene itself."""
    gone, found = [], []
    for index in range(len(stage()) - 1):
        gone.append(~stage().flow(index).valid)
        found.append(hidden(*classical(moving().data[index], moving().data[index + 1])))
    assert np.stack(found)[np.stack(gone)].mean() > 0.8
    assert np.stack(found)[~np.stack(gone)].mean() < 0.2


def test_hidden_is_where_both_flows_disagree_or_motion_has_a_border() -> None:
    assert not hidden(flow(0), flow(0)).any()
    assert hidden(flow(3), flow(-3))[:, :27].sum() == 0
    assert hidden(flow(3), flow(-3))[:, 27:].all()
    # |w̃ + ŵ|² = 1 on flows of 3 pixels, of which the test allows 0.01 · 18 + 0.5; 0.64 is above it, 0.36 not.
    assert hidden(flow(3), flow(-3.9))[:, :27].all()
    assert not hidden(flow(3), flow(-3.6))[:, :27].any()
    step = flow(0)
    step[:, 15:, 1] = 0.1
    border = np.zeros((20, 30), bool)
    border[:, 14] = True
    assert (hidden(step, -step) & ~_leaving(step) == border).all()


def _leaving(forward: np.ndarray) -> np.ndarray:
    return np.arange(20)[:, None] + forward[..., 1] > 19


def test_a_cut_has_no_error_and_is_left_out_of_the_mean() -> None:
    def motion(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        lost = 100 if a[0, 0, 0] != b[0, 0, 0] else 0
        return flow(lost), flow(0)

    video = frames(np.zeros((4, 20, 30, 3), np.uint8))
    video.data[2:] = 9
    warping = Warping(motion)
    assert np.isnan(warping.update(video)).tolist() == [False, True, False]
    assert warping.compute() == 0
    lost = Warping(motion)
    lost.update(video[1:3])
    with pytest.raises(InputError, match="nothing that is seen in two frames"):
        lost.compute()


def test_a_single_frame_is_an_error() -> None:
    warping = Warping(classical)
    assert len(warping.update(moving()[:1])) == 0
    with pytest.raises(InputError, match="at least two"):
        warping.compute()


def test_what_does_not_fit_is_refused() -> None:
    warping = Warping(classical)
    warping.update(moving()[:2])
    with pytest.raises(InputError, match=r"96x64 of uint8 are followed by 6x4"):
        warping.update(frames(np.zeros((1, 4, 6, 3), np.uint8)))
    with pytest.raises(InputError, match="8 frames, the video 2"):
        warping.update(moving(), moving()[:2])

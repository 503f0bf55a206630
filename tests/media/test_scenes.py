"""Hard cuts are found where they are, and nothing else is taken for one."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from moviola.frames import Frames
from moviola.media.scenes import LOOKAHEAD, WARMUP, mark_cuts
from moviola.stage import Motion, Scene, Shot, Sprite, render

SIZE = (96, 64)
RATE = Fraction(25)


def frames_of(data: np.ndarray, start: int = 0) -> Frames:
    return Frames(data, (start + np.arange(len(data))) / 25, np.full(len(data), 1 / 25))


def cuts(data: np.ndarray, chunk: int = 16) -> list[int]:
    return np.nonzero(flags(data, chunk))[0].tolist()


def flags(data: np.ndarray, chunk: int = 16) -> np.ndarray:
    marked = list(mark_cuts(frames_of(data).rechunked(chunk)))
    assert np.array_equal(np.concatenate([frames.data for frames, _ in marked]), data)
    return np.concatenate([marks for _, marks in marked])


def filmed(*shots: Shot) -> np.ndarray:
    return np.concatenate([frames.data for frames in render(Scene(shots, SIZE, RATE)).frames()])


def shot(ground: int, frames: int = 25, speed: float = 40) -> Shot:
    ball = Sprite("disc", 9, (1, 0.4, 0.2), Motion((-20, 0), (60 + speed, 10)))
    return Shot(frames / 25, ground, Motion(velocity=(speed, 12)), (ball,))


@pytest.fixture(scope="module")
def two_shots() -> np.ndarray:
    return filmed(shot(1), shot(2))


def test_a_cut_is_found_at_its_frame(two_shots: np.ndarray) -> None:
    assert cuts(two_shots) == [25]


def test_a_stream_without_cuts_has_none() -> None:
    assert cuts(filmed(shot(1, 50))) == []


def test_short_shots_are_all_found() -> None:
    assert cuts(filmed(*(shot(ground, 7) for ground in range(6)))) == [7, 14, 21, 28, 35]


def test_the_first_frame_starts_nothing(two_shots: np.ndarray) -> None:
    assert not flags(two_shots[25:])[0]


def test_the_depth_and_alpha_do_not_matter(two_shots: np.ndarray) -> None:
    deep = two_shots.astype(np.uint16) * 257
    opaque = np.full((*deep.shape[:3], 1), 65535, np.uint16)
    assert np.array_equal(flags(deep), flags(two_shots))
    assert np.array_equal(flags(np.concatenate([deep, opaque], axis=3)), flags(two_shots))


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (17, 31), (1080, 3)])
def test_any_size_is_taken(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    data = np.repeat(rng.integers(0, 256, (1, *size, 3), np.uint8), 12, axis=0)
    assert cuts(data) == []


def test_nothing_in_nothing_out() -> None:
    assert list(mark_cuts([])) == []
    ((frames, marks),) = mark_cuts([Frames.empty(4, 4)])
    assert len(frames) == len(marks) == 0


def test_a_higher_threshold_finds_fewer(two_shots: np.ndarray) -> None:
    marked = mark_cuts(frames_of(two_shots).rechunked(16), threshold=3)
    assert not any(marks.any() for _, marks in marked)


@given(first=st.integers(0, 44), chunk=st.integers(1, 20), other=st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_reading_from_warmup_frames_earlier_decides_alike(first: int, chunk: int, other: int) -> None:
    data = jumpy()
    whole = flags(data, chunk)
    start = max(0, first - WARMUP)
    assert np.array_equal(flags(data[start:], other)[first - start :], whole[first:])


@given(stop=st.integers(LOOKAHEAD + 1, 50))
@settings(max_examples=20, deadline=None)
def test_frames_beyond_the_lookahead_have_no_say(stop: int) -> None:
    data = jumpy()
    assert np.array_equal(flags(data[:stop])[: stop - LOOKAHEAD], flags(data)[: stop - LOOKAHEAD])


def jumpy(cache: list[np.ndarray] = []) -> np.ndarray:  # noqa: B006 - rendered once
    """Cuts, a flash and a whip pan within 50 frames."""
    if not cache:
        data = filmed(shot(1, 9), shot(2, 6), shot(3, 15, speed=250), shot(4, 20))
        data[20:22] = 240
        cache.append(data)
    return cache[0]


def test_no_more_than_the_lookahead_is_held_back() -> None:
    taken = 0

    def feed() -> Iterator[Frames]:
        nonlocal taken
        for chunk in frames_of(filmed(shot(1, 60))).rechunked(3):
            taken += len(chunk)
            yield chunk

    given_out = 0
    for chunk, _ in mark_cuts(feed()):
        assert taken - given_out <= LOOKAHEAD + 2 * 3
        given_out += len(chunk)
    assert given_out == taken == 60


@pytest.mark.parametrize("length", [1, 2, 3, 4])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flash_or_a_gap_is_no_cut(length: int, level: int) -> None:
    data = filmed(shot(3, 40))
    data[18 : 18 + length] = level
    assert cuts(data) == []


def test_a_light_switched_on_is_no_cut() -> None:
    data = filmed(shot(3, 40))
    data[:20] = data[:20] * 0.4
    assert cuts(data) == []


def test_fades_and_dissolves_are_no_cuts() -> None:
    a, b = (filmed(shot(ground, 40)).astype(float) for ground in (1, 2))
    share = np.clip((np.arange(40) - 10) / 18, 0, 1)[:, None, None, None]
    assert cuts((a * (1 - share)).astype(np.uint8)) == []
    assert cuts((a * share).astype(np.uint8)) == []
    assert cuts((a * (1 - share) + b * share).astype(np.uint8)) == []


@pytest.mark.parametrize("grounds", [(1,), (1, 2)])
def test_noise_hides_and_makes_no_cut(grounds: tuple[int, ...]) -> None:
    clean = filmed(*(shot(ground) for ground in grounds))
    noisy = clean + np.random.default_rng(0).normal(0, 30, clean.shape)
    assert cuts(np.clip(noisy, 0, 255).astype(np.uint8)) == [25][: len(grounds) - 1]


def test_noise_in_the_dark_makes_no_cut() -> None:
    dark = np.random.default_rng(0).poisson(3, (40, 64, 96, 3)).astype(np.uint8)
    assert cuts(dark) == []


def test_a_whip_pan_is_no_cut() -> None:
    still, pan = Shot(0.4, 5), Shot(0.8, 5, Motion(velocity=(0.15 * SIZE[0] * 25, 0)))
    data = filmed(still, pan)
    assert cuts(np.concatenate([data, np.repeat(data[-1:], 10, axis=0)])) == []


def test_camera_shake_is_no_cut() -> None:
    data, rng = filmed(shot(2, 40)), np.random.default_rng(1)
    offsets = rng.integers(0, [13, 19], (40, 2))
    assert cuts(np.stack([f[y : y + 51, x : x + 77] for f, (y, x) in zip(data, offsets, strict=True)])) == []


def test_a_lone_pair_is_a_cut_only_when_nothing_is_left(media: Path) -> None:
    pairs = sorted((media / "interpolation/davis/input").iterdir())
    assert pairs
    pictures = [[np.asarray(Image.open(f).convert("RGB")) for f in sorted(pair.iterdir())] for pair in pairs]
    for pair, name in zip(pictures, pairs, strict=True):
        assert cuts(np.stack(pair)) == [], name.name
    scenes = [np.asarray(Image.fromarray(first).resize((160, 90))) for first, _ in pictures]
    strangers = [np.stack(two) for two in permutations(scenes, 2)]
    assert np.mean([cuts(pair) == [1] for pair in strangers]) > 0.9


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SOX5yA1l24A.mp4", [138, 219, 292]),
        ("bikes.mp4", [30, 76, 137, 187, 242]),
        ("sample_demo_3.mp4", [6]),
        ("bag.avi", []),
        ("v_SoccerJuggling_g23_c01.avi", []),
    ],
)
def test_the_cuts_of_real_clips_seen_by_eye(media: Path, name: str, expected: list[int]) -> None:
    with av.open(str(media / "clips" / name)) as container:
        frames = [
            frame.to_ndarray(width=320, height=180, format="rgb24") for frame in container.decode(video=0)
        ]
    assert cuts(np.stack(frames)) == expected

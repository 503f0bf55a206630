"""Following is the same for every tracker: both ways in time, in order, in bounded memory."""

from typing import Any, ClassVar

import numpy as np
import pytest
from scenes import all_of, clip_of, filmed, followed

from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.frames import Frames
from moviola.masking.follower import CHUNK, Following
from moviola.media.scenes import LOOKAHEAD, WARMUP
from moviola.media.source import Source
from moviola.media.span import span_of
from moviola.stage import Motion, Scene, Shot, render
from moviola.tasks.prompts import Point

LONG = 3 * CHUNK + 7


def numbered(count: int = LONG) -> Frames:
    """Frames that show their own number, at uneven times."""
    pixels = np.zeros((count, 16, 16, 3), np.uint8)
    pixels[:] = np.arange(count, dtype=np.uint8)[:, None, None, None]
    durations = 0.04 + 0.01 * (np.arange(count) % 3)
    return Frames(pixels, np.cumsum(durations) - durations, durations)


class Noting:
    """Writes down what it is shown. Selects the pixel of its prompt and, in row 15, one for how far it is."""

    made: ClassVar[list["Noting"]] = []

    def __init__(self) -> None:
        self.shown: list[int] = []
        self.cuts: list[bool] = []
        Noting.made.append(self)

    def begin(self, picture, prompts, frames):
        self.prompts, self.frames = prompts, frames
        return self._answer(picture)

    def next(self, picture, cut):
        self.cuts.append(cut)
        return self._answer(picture)

    def _answer(self, picture):
        self.shown.append(int(picture[0, 0, 0]))
        mask = np.zeros(picture.shape[:2], bool)
        for prompt in self.prompts:
            mask[int(prompt.y), int(prompt.x)] = True
        mask[15, (len(self.shown) - 1) % 16] = True
        return mask


@pytest.fixture(autouse=True)
def fresh():
    Noting.made = []


class Counting:
    """A source that remembers how many frames each reading was asked for, and how many came at once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.spans: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def read(self, *, start: int = 0, stop: int | None = None, chunk: int = 16, **kind: Any):
        self.spans.append((len(self.timeline()) if stop is None else stop) - start)
        assert chunk <= CHUNK
        return self._source.read(start=start, stop=stop, chunk=chunk, **kind)


@pytest.mark.parametrize("prompted", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 40, LONG - 1])
def test_every_frame_is_answered_once_in_order_at_its_own_time(prompted):
    frames = numbered()
    clip = Clip(frames)
    mask = followed(Following(Noting), clip, [Point(3, 4, float(frames.pts_seconds[prompted]) + 0.001)])
    assert np.array_equal(mask.pts_seconds, frames.pts_seconds)
    assert np.array_equal(mask.duration_seconds, frames.duration_seconds)
    steps = np.abs(np.arange(LONG) - prompted)
    assert np.array_equal(mask.data[:, 15].argmax(1), steps % 16)
    assert mask.data[:, 4, 3].all()
    assert np.array_equal(mask.data.sum((1, 2)), np.full(LONG, 2))


def test_a_tracker_sees_the_prompted_frame_first_and_then_its_neighbours_outward():
    frames = numbered()
    followed(Following(Noting), Clip(frames), [Point(3, 4, float(frames.pts_seconds[20]))])
    backward, forward = Noting.made
    assert backward.shown == list(range(20, -1, -1))
    assert forward.shown == list(range(20, LONG))
    assert forward.frames == backward.frames == LONG
    assert not any(backward.cuts + forward.cuts)


def test_a_range_is_followed_and_nothing_outside_of_it():
    frames = numbered()
    clip = Clip(frames)
    span = span_of(clip.timeline(), float(frames.pts_seconds[5]), float(frames.pts_seconds[30]), "clip")
    mask = followed(Following(Noting), clip, [Point(3, 4, float(frames.pts_seconds[9]))], span)
    assert np.array_equal(mask.pts_seconds, frames.pts_seconds[5:30])
    assert {number for tracker in Noting.made for number in tracker.shown} == set(range(5, 30))


def test_things_pointed_at_in_different_frames_are_selected_together():
    frames = numbered()
    at = frames.pts_seconds
    spots = [Point(1, 2, float(at[10])), Point(3, 4, float(at[10])), Point(5, 6, float(at[50]))]
    mask = followed(Following(Noting), Clip(frames), spots)
    for spot in spots:
        assert mask.data[:, int(spot.y), int(spot.x)].all()
    assert sorted(len(tracker.prompts) for tracker in Noting.made) == [1, 1, 2, 2]


def test_never_more_than_a_window_is_held_however_long_the_clip():
    source = Counting(Clip(numbered(250)).source)
    clip = Clip(source)
    masks = Following(Noting).follow(
        clip, [Point(3, 4, float(clip.timeline().pts_seconds[200]))], all_of(clip)
    )
    assert max(map(len, masks)) <= CHUNK
    *windows, forward = source.spans
    assert max(windows) <= CHUNK + WARMUP + LOOKAHEAD
    assert forward <= 250 - 200 + WARMUP


@pytest.mark.parametrize("prompted", [2, 25])
def test_a_tracker_is_told_of_cuts_whichever_way_it_goes(prompted):
    shots = [Shot(0.8, ground=ground, camera=Motion(velocity=(40, 0))) for ground in (5, 11)]
    stage = render(Scene(tuple(shots), (96, 64)))
    assert stage.cut_frames == (20,)
    followed(Following(Noting), clip_of(stage), [Point(3, 4, stage.time_of(prompted))])
    told = {}
    for tracker, step in zip(Noting.made, (-1, 1), strict=True):
        told |= {step: [prompted + step * (at + 1) for at, cut in enumerate(tracker.cuts) if cut]}
    assert told == ({-1: [], 1: [20]} if prompted < 20 else {-1: [19], 1: []})


def test_bad_prompts_are_refused_before_anything_is_decoded():
    clip = Clip(Counting(Clip(numbered()).source))
    with pytest.raises(RequestError, match="outside of the picture"):
        Following(Noting).follow(clip, [Point(99, 4)], all_of(clip))
    assert clip.source.spans == []


def test_clips_of_one_and_two_frames():
    for count in (1, 2):
        clip = clip_of(filmed((), frames=count))
        assert (
            len(followed(Following(Noting), clip, [Point(3, 4, clip.timeline().end_seconds - 0.01)])) == count
        )

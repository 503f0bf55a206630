"""How a video is divided: at its cuts, into scenes and into parts."""

import tracemalloc
from itertools import pairwise
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reels import Reel, filmed

from moviola.clip import Clip
from moviola.errors import InputError, RequestError
from moviola.film import film
from moviola.stage import Scene, Shot
from moviola.understanding.stretches import asked, cuts, divided, joined, parts, scenes, stretches

LENGTHS = (1.5, 0.8, 2.2, 0.5, 4.0, 1.0)
CUTS = [1.5, 2.3, 4.5, 5.0, 9.0]


@pytest.fixture(scope="module")
def ten_seconds() -> Clip:
    return filmed(*LENGTHS)


def approx(stretches):
    return [pytest.approx(stretch) for stretch in stretches]


def test_scenes_lie_between_cuts(ten_seconds):
    span = asked(ten_seconds)
    assert list(cuts(ten_seconds, span)) == pytest.approx(CUTS)
    found = list(stretches(ten_seconds, span, 0, 30))
    assert found == approx(zip([0, *CUTS], [*CUTS, 10], strict=True))


def test_short_scenes_are_joined_with_the_shorter_neighbour():
    assert list(joined([(0, 4), (4, 5), (5, 8)], 2)) == [(0, 4), (4, 8)]
    assert list(joined([(0, 3), (3, 4), (4, 8)], 2)) == [(0, 4), (4, 8)]
    assert list(joined([(0, 4), (4, 5), (5, 9)], 2)) == [(0, 5), (5, 9)]
    # What was joined is one scene, and may go on being too short.
    assert list(joined([(0, 4), (4, 5), (5, 5.5), (5.5, 9)], 2)) == [(0, 4), (4, 9)]
    assert list(joined([(0, 1), (1, 2), (2, 3), (3, 4)], 2)) == [(0, 2), (2, 4)]


def test_at_the_ends_there_is_one_neighbour():
    assert list(joined([(0, 1), (1, 9)], 2)) == [(0, 9)]
    assert list(joined([(0, 8), (8, 9)], 2)) == [(0, 9)]
    assert list(joined([(0, 1)], 2)) == [(0, 1)]
    assert list(joined([(0, 0.5), (0.5, 1)], 2)) == [(0, 1)]


def test_long_scenes_are_divided_equally():
    assert list(divided((0, 10), 30)) == [(0, 10)]
    assert list(divided((2, 12), 5)) == [(2, 7), (7, 12)]
    assert list(divided((0, 10), 4)) == approx([(0, 10 / 3), (10 / 3, 20 / 3), (20 / 3, 10)])


cut_times = st.lists(st.floats(0.01, 99.99), max_size=30, unique=True).map(sorted)


@given(cut_times, st.floats(0, 20), st.floats(0.5, 40))
def test_scenes_tile_the_stretch_whatever_is_joined_and_divided(times, shortest, longest):
    whole = list(joined(scenes(0.0, times, 100.0), shortest))
    assert {start for start, _ in whole} <= {0.0, *times}
    assert all(stop - start >= shortest for start, stop in whole) or len(whole) == 1
    pieces = [piece for scene in whole for piece in divided(scene, longest)]
    for row in (whole, pieces):
        assert (row[0][0], row[-1][1]) == (0, 100)
        assert all(before[1] == after[0] for before, after in pairwise(row))
        assert all(start < stop for start, stop in row)
    assert all(stop - start <= longest + 1e-4 for start, stop in pieces)


@given(cut_times)
def test_scenes_that_are_long_enough_stay_as_they_are(times):
    row = list(scenes(0.0, times, 100.0))
    assert list(joined(row, min(stop - start for start, stop in row))) == row


def test_a_stretch_is_given_out_as_soon_as_its_end_is_known():
    taken = []

    def coming():
        for scene in scenes(0, [3, 4, 8, 13], 20):
            taken.append(scene)
            yield scene

    found = joined(coming(), 2)
    assert next(found) == (0, 4)
    assert taken[-1] == (4, 8)
    reel = Reel(60)
    assert next(stretches(Clip(reel), asked(Clip(reel)), 2, 30)) == (0, 7)
    assert reel.read_frames <= 2 * Reel.scene_frames + 6


def test_the_cuts_are_the_same_whatever_stretch_they_are_looked_for_in(ten_seconds):
    every = list(cuts(ten_seconds, asked(ten_seconds)))
    for start, stop in [(1.0, 9.5), (1.5, 4.5), (1.4, 4.6), (2.25, 2.35), (4.9, 10), (6, 8)]:
        found = list(cuts(ten_seconds, asked(ten_seconds, (start, stop))))
        assert found == [cut for cut in every if start + 1e-6 < cut < stop - 1e-6]


def test_stretches_tile_the_span_that_was_asked_for(ten_seconds):
    span = asked(ten_seconds, (2.05, 9.25))
    found = list(stretches(ten_seconds, span, 1, 3))
    assert found == approx([(2.05, 5), (5, 7.125), (7.125, 9.25)])
    assert (found[0][0], found[-1][1]) == (2.05, 9.25)
    assert all(before[1] == after[0] for before, after in pairwise(found))


def test_scenes_of_a_file_whose_rate_varies(tmp_path):
    still = filmed(2, 2)
    frames = still.source.frames_at(range(40))
    pts = np.cumsum([0, *[0.04, 0.2] * 20])[:40]
    uneven = type(frames)(frames.data, pts, np.diff([*pts, pts[-1] + 0.04]))
    clip = Clip(uneven).save(tmp_path / "uneven.mkv")
    span = asked(clip)
    assert list(stretches(clip, span, 0, 30)) == approx([(0, pts[20]), (pts[20], span.stop)])


def test_parts_end_at_the_cut_near_their_place(ten_seconds):
    span = asked(ten_seconds)
    # Halves of 5 s, whose end may move by 5/8 s.
    assert list(parts(ten_seconds, span, 5)) == approx([(0, 5), (5, 10)])
    assert list(parts(ten_seconds, span, 9)) == approx([(0, 5), (5, 10)])
    # Fifths of 2 s, by 1/4 s: none near 2, 4.5 not near enough to 4, and 6 and 8 have none.
    assert list(parts(ten_seconds, span, 2)) == approx([(0, 2), (2, 4), (4, 6), (6, 8), (8, 10)])
    # Quarters of 2.5 s, by 5/16: 2.3 for 2.5, 5 for 5, none for 7.5.
    assert list(parts(ten_seconds, span, 2.5)) == approx([(0, 2.3), (2.3, 5), (5, 7.5), (7.5, 10)])
    assert list(parts(ten_seconds, span, 10)) == [(0, 10)]


def test_of_two_cuts_the_nearer_one():
    clip = filmed(4.4, 0.4, 0.3, 4.9)  # cuts at 4.4, 4.8 and 5.1 s
    assert list(parts(clip, asked(clip), 5)) == approx([(0, 5.1), (5.1, 10)])


@given(length=st.floats(0.7, 12), ends=st.tuples(st.floats(0, 4), st.floats(6, 10)))
@settings(max_examples=25)
def test_parts_tile_the_stretch_and_are_about_as_long_as_asked(ten_seconds, length, ends):
    span = asked(ten_seconds, ends)
    found = list(parts(ten_seconds, span, length))
    even = (span.stop - span.start) / ceil((span.stop - span.start) / length - 1e-6)
    assert (found[0][0], found[-1][1]) == (span.start, span.stop)
    assert all(before[1] == after[0] for before, after in pairwise(found))
    for start, stop in found:
        assert 0.75 * even - 1e-6 <= stop - start <= 1.25 * even + 1e-6 <= 1.25 * length + 1e-5


def test_only_the_surroundings_of_ends_are_decoded_for_parts():
    reel = Reel(240)
    list(parts(Clip(reel), asked(Clip(reel)), 60))
    assert reel.read_frames < 0.3 * len(reel.timeline())


@pytest.mark.parametrize(
    ("divide", "minimum"),
    [(lambda *given: stretches(*given, 2, 30), 30), (lambda *given: parts(*given, 30), 19)],
)
def test_ten_minutes_cost_no_more_memory_than_one(divide, minimum):
    def peak(seconds):
        clip = Clip(Reel(seconds, rate=2))
        span = asked(clip)
        tracemalloc.start()
        count = sum(1 for _ in divide(clip, span))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak, count

    (short, _), (long, count) = peak(60), peak(600)
    assert count > minimum
    assert long < 1.1 * short
    assert long < 20 * Reel.width * Reel.height * 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [("bikes.mp4", [0, 3.04, 5.48, 7.48, 10]), ("SOX5yA1l24A.mp4", [0, 4.6, 7.31, 11.07])],
)
def test_real_clips_are_divided_where_they_are_cut(media, name, expected):
    clip = Clip(media / "clips" / name)
    found = list(stretches(clip, asked(clip), 2, 8))
    assert [start for start, _ in found] + [found[-1][1]] == pytest.approx(expected, abs=0.05)


def test_a_cut_of_a_file_is_at_its_frame(tmp_path):
    scene = Scene((Shot(1, ground=1), Shot(3, ground=2), Shot(1, ground=3)), (96, 64))
    clip = Clip(film(scene, tmp_path / "three.mp4", sound=False))
    assert list(stretches(clip, asked(clip), 0, 2)) == approx([(0, 1), (1, 2.5), (2.5, 4), (4, 5)])


def test_what_cannot_be_divided_is_refused():
    with pytest.raises(InputError, match="is live"):
        asked(Clip("rtsp://camera.invalid/stream"))
    with pytest.raises(RequestError, match=r"covers 0\.000s to 60\.000s"):
        asked(Clip(Reel(60)), (60, 70))

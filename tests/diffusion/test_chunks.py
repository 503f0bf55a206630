"""Long videos: how they are divided, and how chunks join."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.card import Limits
from moviola.diffusion.chunks import divide, heard, joined, seed_of
from moviola.model import Sound

WAN = Limits(min_frames=5, max_frames=81, frame_step=4, frame_base=1)


@given(st.integers(1, 1000), st.sampled_from([1, 5, 9, 17]))
def test_chunks_cover_the_video_exactly_and_share_what_they_should(total, overlap):
    chunks = divide(total, WAN, overlap)
    assert chunks[0].start == 0
    assert chunks[-1].start + chunks[-1].keep == total
    for chunk in chunks:
        assert chunk.keep <= chunk.frames <= 81
        assert chunk.frames % 4 == 1
    for before, after in pairwise(chunks):
        assert before.keep == before.frames == 81
        assert after.start == before.start + before.frames - overlap
        assert after.overlap == overlap


def test_a_video_that_fits_is_one_chunk_without_a_spare_frame_kept():
    (only,) = divide(80, WAN, 9)
    assert (only.frames, only.keep, only.overlap) == (81, 80, 0)


def test_seeds_of_chunks_differ_and_follow_from_the_requests():
    seeds = [seed_of(42, number) for number in range(20)]
    assert seeds[0] == 42
    assert len(set(seeds)) == 20
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seeds == [seed_of(42, number) for number in range(20)]
    assert set(seeds).isdisjoint(seed_of(43, number) for number in range(20))


def test_a_chunk_without_a_past_stays_as_it_is():
    made = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 3), np.uint8)
    assert joined(made, None) is made


def test_a_chunk_that_drifted_in_colour_is_brought_back():
    rng = np.random.default_rng(0)
    truth = rng.integers(60, 180, (12, 16, 16, 3)).astype(np.uint8)
    drifted = np.clip(truth * 0.9 + np.array([12, -4, 6]), 0, 255).astype(np.uint8)
    mended = joined(drifted, truth[:4])
    error = np.abs(mended[4:].astype(int) - truth[4:]).mean()
    assert error < 2 < np.abs(drifted[4:].astype(int) - truth[4:]).mean()


def test_the_seam_fades_from_the_known_to_the_new():
    known = np.full((3, 4, 4, 3), 100, np.uint8)
    known[:, :2] = 140
    made = known[[0, 0, 0, 0, 0]].copy()
    made[:3, 0, 0] = 0
    mended = joined(made, known)[:3, 0, 0, 0].astype(int)
    assert mended[0] > mended[1] > mended[2]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_depth_is_kept(dtype):
    made = np.full((4, 2, 2, 3), 50, dtype)
    assert joined(made, made[:1]).dtype == dtype


def test_a_seam_does_not_depend_on_how_frames_lie_in_memory():
    random = np.random.default_rng(0)
    made = random.integers(0, 65535, (12, 64, 64, 3), np.uint16)
    known = random.integers(0, 65535, (9, 64, 64, 3), np.uint16)
    turned = np.ascontiguousarray(known.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    assert np.array_equal(joined(made, turned), joined(made, known))


def test_sound_is_cut_to_the_frames_it_goes_with_and_what_is_missing_is_silent():
    samples = np.arange(1, 1001, dtype=np.float32)[:, None].repeat(2, 1) / 1000
    made = Sound(samples, 1000)
    cut = heard(made, 0.4, 0.2)
    assert np.array_equal(cut.samples, samples[:400])
    assert np.array_equal(cut.tail, samples[400:600])
    short = heard(made, 0.9, 0.3)
    assert np.array_equal(short.samples, samples[:900])
    assert np.array_equal(short.tail[:100], samples[900:])
    assert short.tail.shape == (300, 2)
    assert not short.tail[100:].any()
    whole = heard(made, 1.5, 0)
    assert whole.samples.shape == (1500, 2)
    assert whole.tail is None

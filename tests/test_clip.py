"""A Clip opens nothing until asked, and gives what its source has."""

from pathlib import Path

import numpy as np
import pytest

from moviola.clip import Clip
from moviola.errors import OutputError
from moviola.film import film
from moviola.frames import Frames
from moviola.stage import Motion, Scene, Shot


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    shot = Shot(1, camera=Motion(velocity=(20, 0)))
    return film(Scene((shot,), size=(96, 64)), tmp_path_factory.mktemp("film") / "clip.mp4")


def test_making_one_touches_no_file():
    Clip("missing.mp4")


def test_a_clip_of_a_clip_is_the_same_source(path):
    clip = Clip(path)
    assert Clip(clip).source is clip.source


def test_chunks_are_consecutive_and_bounded(path):
    chunks = list(Clip(path).chunks(7, start=3, stop=20))
    assert [len(chunk) for chunk in chunks] == [7, 7, 3]
    times = np.concatenate([chunk.pts_seconds for chunk in chunks])
    assert np.allclose(times, np.arange(3, 20) / 25)


def test_samples_are_the_frames_on_screen(path):
    clip = Clip(path)
    whole = Frames.concatenate(clip.chunks()).data
    assert np.array_equal(clip.sample(times=[0.5]).data[0], whole[12])
    assert len(clip.sample(4).data) == 4
    assert np.array_equal(clip.sample(fps=5, start=0.4, stop=0.8).data, whole[[10, 15]])


def test_saving_keeps_sound_and_times(path, tmp_path):
    saved = Clip(path).save(tmp_path / "copy.mkv", codec="ffv1")
    assert np.array_equal(
        Frames.concatenate(saved.chunks()).data, Frames.concatenate(Clip(path).chunks()).data
    )
    assert np.allclose(saved.timeline().pts_seconds, Clip(path).timeline().pts_seconds, atol=0.0005)
    assert saved.info.audio[0].codec == Clip(path).info.audio[0].codec
    with pytest.raises(OutputError, match="exists"):
        Clip(path).save(tmp_path / "copy.mkv", codec="ffv1")

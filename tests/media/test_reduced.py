"""Frames by number, each reduced to something small as soon as it is decoded."""

from pathlib import Path

import numpy as np
import pytest
from rendered import pictures, render

from moviola.errors import InputError, MediaError
from moviola.media.container import ContainerSource
from moviola.media.source import Source, open_source

WANTED = [41, 3, 3, 0, 19]


def small(picture: np.ndarray) -> np.ndarray:
    return picture[::8, ::8].copy()


@pytest.fixture(params=["container", "array", "images", "animation"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    frames = np.stack(list(pictures(50, 128, 96)))
    match request.param:
        case "container":
            return open_source(render(tmp_path / "clip.mp4", count=50))
        case "array":
            return open_source(frames)
        case "images":
            from PIL import Image

            return open_source([Image.fromarray(frame) for frame in frames])
    from moviola.clip import Clip

    return Clip(frames).save(tmp_path / "clip.webp").source


def test_what_is_made_of_a_frame_is_as_of_the_frame_by_number(source):
    made = source.reduced_at(WANTED, small)
    assert sorted(made) == [0, 3, 19, 41]
    for number, reduced in made.items():
        assert np.array_equal(reduced, small(source.frames_at([number]).data[0]))


def test_a_frame_asked_for_twice_is_reduced_once(source):
    seen = []
    source.reduced_at(WANTED, lambda picture: seen.append(picture.shape))
    assert seen == [(96, 128, 3)] * 4


def test_nothing_asked_for_is_nothing_made(source):
    assert source.reduced_at([], small) == {}


def test_a_frame_there_is_not_is_refused(source):
    with pytest.raises(InputError, match="no frame 50"):
        source.reduced_at([50], small)


def test_frames_that_damage_has_taken_are_left_out_and_no_others(tmp_path):
    path = render(tmp_path / "clip.mkv", codec="ffv1", gop=1, bframes=0, count=20)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + len(data) // 10] = bytes(len(data) // 10)
    path.write_bytes(data)
    source = ContainerSource(path)
    numbers = range(len(source.timeline()))
    made = source.reduced_at(numbers, small)
    for number in numbers:
        if number in made:
            assert np.array_equal(made[number], small(source.frames_at([number]).data[0]))
        else:
            with pytest.raises(MediaError):
                source.frames_at([number])
    assert 0 < len(made) < len(numbers)

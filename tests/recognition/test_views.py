"""The pictures training sees: those of the published test, decoded once, kept within bounds, varied."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.clip import Clip
from moviola.errors import InputError
from moviola.media.span import span_of
from moviola.recognition import looks
from moviola.recognition.examples import Features, Pictures, in_order, shuffled
from moviola.recognition.prepare import Preparer
from moviola.recognition.views import Arrays, Views, roomy, varied
from pulls import RECOGNITION

FACTS = RECOGNITION
LONG, SHORT = 40, 5
"""Frames of clips in which several views find room, and less than one."""


def clip(folder: Path, frames: int, size: tuple[int, int] = (60, 48)) -> Path:
    """A clip whose frame n is of the grey n."""
    width, height = size
    values = np.arange(frames, dtype=np.uint8)[:, None, None, None]
    Clip(np.broadcast_to(values, (frames, height, width, 3))).save(folder / f"{frames}.mkv", codec="ffv1")
    return folder / f"{frames}.mkv"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("clips")
    for frames in (SHORT, LONG):
        clip(made, frames)
    return made


def test_views_are_those_recognize_takes(folder):
    path = folder / f"{LONG}.mkv"
    source = Clip(path).source
    rows = looks.whole(FACTS, source.timeline(), span_of(source.timeline(), None, None, source.name), clips=3)
    wanted = np.stack([look.frames for look in rows])
    views = Views(FACTS, 3, None).of(path)
    assert views.shape == (3, 4, 32, 32, 3)
    assert (views == wanted[:, :, None, None, None]).all()


def test_of_a_clip_shorter_than_a_view_all_are_the_same_and_one_is_kept(folder):
    assert Views(FACTS, 3, None).of(folder / f"{SHORT}.mkv").shape == (1, 4, 32, 32, 3)


def test_a_clip_is_decoded_once_where_there_is_room(folder, tmp_path, monkeypatch):
    path = folder / f"{LONG}.mkv"
    first = Views(FACTS, 2, Arrays(tmp_path)).of(path)
    monkeypatch.setattr(Preparer, "one", lambda *_: pytest.fail("it was decoded again"))
    again = Views(FACTS, 2, Arrays(tmp_path)).of(path)
    assert (first == again).all()


def test_other_facts_or_another_state_of_the_file_are_other_pictures(tmp_path):
    path = clip(tmp_path, LONG)
    names = {
        Views(FACTS, 2, None).name(path),
        Views(FACTS, 3, None).name(path),
        Views(roomy(FACTS), 2, None).name(path),
        Views(FACTS.model_copy(update={"stride": 1}), 2, None).name(path),
    }
    assert len(names) == 4
    path.write_bytes(path.read_bytes() + b"\0")
    assert Views(FACTS, 2, None).name(path) not in names


def test_what_finds_no_room_is_decoded_every_time(folder, tmp_path):
    path = folder / f"{LONG}.mkv"
    one = 2 * 4 * 32 * 32 * 3
    arrays = Arrays(tmp_path, room=one + one // 2)
    views = Views(FACTS, 2, arrays)
    larger = Views(roomy(FACTS), 2, arrays)
    first = [views.of(path), larger.of(path)]
    assert (arrays.refused, len(list(tmp_path.glob("*.npy")))) == (1, 1)
    assert all((a == b).all() for a, b in zip(first, [views.of(path), larger.of(path)], strict=True))
    # What an earlier run kept counts too.
    later = Arrays(tmp_path, room=one + one // 2)
    later.put("more", np.zeros(one, np.uint8))
    assert later.refused == 1


def test_half_an_array_is_none(tmp_path):
    (tmp_path / "cut.part").write_bytes(b"\x93NUMPY")
    arrays = Arrays(tmp_path)
    assert arrays.get("cut") is None
    assert not list(tmp_path.iterdir())


def test_a_clip_that_cannot_be_read_is_an_input_error(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match=r"broken\.mp4"):
        Views(FACTS, 2, None).of(tmp_path / "broken.mp4")


def test_roomy_pictures_show_what_the_test_shows_and_a_seventh_more():
    facts = roomy(FACTS.model_copy(update={"short_side": 224, "crop": (224, 224)}))
    assert (facts.short_side, facts.crop) == (256, (256, 256))
    stretched = roomy(FACTS.model_copy(update={"short_side": None, "crop": (112, 56)}))
    assert (stretched.short_side, stretched.crop) == (None, (128, 64))
    otherwise = roomy(FACTS.model_copy(update={"single_side": 70}))
    assert (otherwise.single_side, otherwise.crop) == (80, (37, 37))


@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([(14, 14), (28, 14), (7, 21)]))
def test_a_varied_view_is_a_part_of_it_at_the_size_of_the_crop(seed, flip, crop):
    width, height = crop
    facts = roomy(FACTS.model_copy(update={"short_side": None, "crop": crop}))
    wide, tall = facts.crop
    # The value of a pixel is its place.
    place = np.stack(np.meshgrid(np.arange(wide) * 4, np.arange(tall) * 4), -1).astype(np.uint8)
    view = np.concatenate([place, np.zeros((tall, wide, 1), np.uint8)], -1)[None].repeat(3, 0)
    part = varied(view, crop, np.random.default_rng(seed), flip=flip)
    assert part.shape == (3, height, width, 3)
    assert (part == part[0]).all()
    across = np.diff(part[0, 0, :, 0].astype(int))
    down = np.diff(part[0, :, 0, 1].astype(int))
    mirrored = across.mean() < 0
    assert flip or not mirrored
    # A step is one pixel of the view at least, and a seventh more at most, up to rounding.
    for steps in (-across if mirrored else across, down):
        assert 4 * 0.9 <= steps.mean() <= 4 * 8 / 7 * 1.1


def test_all_places_sizes_and_sides_are_seen():
    view = np.random.default_rng(0).integers(0, 255, (1, 16, 16, 3), np.uint8)
    random = np.random.default_rng(1)
    seen = {varied(view, (14, 14), random, flip=True).tobytes() for _ in range(400)}
    # 3 × 3 places of the smallest size, 2 × 2 of the next, 1 of the whole, each both ways round.
    assert len(seen) == 2 * (9 + 4 + 1)


class Counted:
    """Pictures that say which clip and which view they are of."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = lengths

    def of(self, path: Path) -> np.ndarray:
        clip = int(path.name)
        views = np.arange(self.lengths[clip], dtype=np.uint8)
        return np.stack([np.full((2, 4, 4, 3), 10 * clip + view, np.uint8) for view in views])


def counted(lengths: list[int]) -> Pictures:
    paths = [Path(str(clip)) for clip in range(len(lengths))]
    targets = np.arange(len(lengths)) % 2
    return Pictures(targets, paths, Counted(lengths), (4, 4))


def test_an_epoch_sees_every_clip_once_in_even_batches():
    examples = counted([1, 2, 3, 1, 2])
    batches = list(shuffled(examples, 2, np.random.default_rng(0)))
    assert [len(targets) for _, targets in batches] == [2, 2, 1]
    seen = [int(view[0, 0, 0, 0]) for views, _ in batches for view in views]
    assert sorted(number // 10 for number in seen) == [0, 1, 2, 3, 4]
    assert [number // 10 % 2 for number in seen] == [int(one) for _, targets in batches for one in targets]


def test_over_epochs_every_view_is_learnt_from():
    random = np.random.default_rng(0)
    seen = {
        int(view[0, 0, 0, 0])
        for _ in range(40)
        for views, _ in shuffled(counted([1, 3]), 2, random)
        for view in views
    }
    assert seen == {0, 10, 11, 12}


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.integers(1, 9))
def test_measuring_sees_every_view_once_in_order(lengths, size):
    batches = list(in_order(counted(lengths), size))
    assert [int(view[0, 0, 0, 0]) for views, _ in batches for view in views] == [
        10 * clip + view for clip, length in enumerate(lengths) for view in range(length)
    ]
    clips = np.concatenate([of for _, of in batches])
    assert np.bincount(clips).tolist() == lengths
    assert all(len(of) >= size for _, of in batches[:-1])


def test_features_are_taken_row_by_row():
    rows = [np.zeros((1, 3), np.float32), np.arange(6, dtype=np.float32).reshape(2, 3)]
    features = Features(np.array([0, 1]), rows)
    found = {features.one(1, np.random.default_rng(seed))[0] for seed in range(20)}
    assert found == {0.0, 3.0}
    assert features.every(1) is rows[1]

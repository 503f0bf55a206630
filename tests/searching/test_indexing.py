"""The index follows the folder: each video is looked at once, whole or not at all."""

import os
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from seeing_colours import COLOURS, Colours, painted

from moviola.clip import Clip
from moviola.errors import MediaError
from moviola.model import Note, Progress
from moviola.searching import indexing
from moviola.searching.indexing import listed, update
from moviola.searching.store import Key, opened

KEY = Key(folder=".", model="colours", weights="[]", cutting="{}")


@pytest.fixture
def folder(tmp_path) -> Path:
    painted(tmp_path / "a.mp4", ("red", 3), ("green", 3))
    painted(tmp_path / "sub" / "b.mp4", ("blue", 2))
    painted(tmp_path / "z.mp4", ("grey", 5))
    return tmp_path


def events_of(folder: Path, embedder: Colours, every: float = 2, batch: int = 4):
    """The events of an update, and its change."""
    events = []
    with opened(folder / ".index", KEY) as store:
        work = update(store, embedder, folder, listed(folder), every, batch)
        while True:
            try:
                events.append(next(work))
            except StopIteration as end:
                return events, end.value


def updated(folder: Path, embedder: Colours | None = None, **sizes):
    return events_of(folder, embedder or Colours(), **sizes)[1]


def contents(folder: Path) -> dict[str, list[tuple[float, float]]]:
    with opened(folder / ".index", KEY) as store:
        paths = dict.fromkeys(store.states(), ())
        hits, _ = store.nearest(np.ones(3, np.float32), 1000)
    return {
        path: sorted((round(h.start, 2), round(h.stop, 2)) for h in hits if h.path == path) for path in paths
    }


def test_moments_end_at_cuts_and_are_no_longer_than_asked(folder):
    updated(folder, every=2)
    assert contents(folder) == {
        "a.mp4": [(0, 1.5), (1.5, 3), (3, 4.5), (4.5, 6)],
        "sub/b.mp4": [(0, 2)],
        "z.mp4": [(0, 1.67), (1.67, 3.33), (3.33, 5)],
    }


def test_a_moment_is_embedded_from_the_middles_of_equal_parts_of_it(tmp_path):
    painted(tmp_path / "a.mp4", ("red", 3), ("green", 3))
    updated(tmp_path, Colours(frames=3), every=3)
    frames = [np.array([5, 15, 25]), np.array([35, 45, 55])]
    for start, numbers in zip((0, 3), frames, strict=True):
        pictures = Clip(tmp_path / "a.mp4").source.frames_at(numbers).data
        truth = pictures[:, ::8, ::8].mean(axis=(0, 1, 2))
        with opened(tmp_path / ".index", KEY) as store:
            hits, _ = store.nearest((truth / np.linalg.norm(truth)).astype(np.float32), 2)
        assert hits[0].start == start
        assert hits[0].similarity == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("section", [1, 6, 256])
def test_each_frame_is_decoded_once(tmp_path, monkeypatch, section):
    # Frames of a second and a half, so that looks share them.
    pictures = [np.full((48, 64, 3), value, np.uint8) for value in range(10, 250, 10)]
    Clip(np.stack(pictures), rate=2 / 3).save(tmp_path / "slides.mp4")
    monkeypatch.setattr(indexing, "_SECTION", section)
    embedder = Colours(frames=3)
    updated(tmp_path, embedder, every=1)
    assert len(contents(tmp_path)["slides.mp4"]) >= 36
    assert embedder.fitted == 24


def test_the_size_of_batches_and_sections_changes_nothing(folder, monkeypatch):
    kept = []
    for batch, section in ((1, 1), (3, 4), (100, 256)):
        (folder / ".index").unlink(missing_ok=True)
        monkeypatch.setattr(indexing, "_SECTION", section)
        embedder = Colours()
        updated(folder, embedder, batch=batch)
        assert max(embedder.batches) == min(batch, 8)
        with opened(folder / ".index", KEY) as store:
            kept.append(store.nearest(embedder.texts(["yellow"])[0], 100))
    assert kept[0] == kept[1] == kept[2]


def test_looks_of_several_videos_are_embedded_together(folder):
    embedder = Colours()
    updated(folder, embedder, batch=8)
    assert embedder.batches == {8: 1}


def test_what_has_not_changed_is_not_opened(folder, monkeypatch):
    assert updated(folder).indexed == 3
    monkeypatch.setattr(indexing, "Clip", None)
    assert updated(folder).indexed == 0


def test_new_changed_moved_and_removed_videos_are_followed(folder):
    updated(folder)
    painted(folder / "new.mp4", ("yellow", 1))
    painted(folder / "z.mp4", ("red", 1))
    (folder / "sub" / "b.mp4").rename(folder / "c.mp4")
    embedder = Colours(frames=1)
    change = updated(folder, embedder)
    assert (change.indexed, change.removed) == (3, 1)
    assert embedder.fitted == 3
    assert list(contents(folder)) == ["a.mp4", "c.mp4", "new.mp4", "z.mp4"]
    assert contents(folder)["z.mp4"] == [(0, 1)]


def test_a_change_of_time_alone_is_a_change(folder):
    updated(folder)
    os.utime(folder / "z.mp4", ns=(0, 1))
    assert updated(folder).indexed == 1


def test_work_that_was_stopped_goes_on_with_the_next_video(folder):
    with opened(folder / ".index", KEY) as store:
        work = update(store, Colours(), folder, listed(folder), 2, 1)
        with closing(work):
            for event in work:
                if isinstance(event, Progress) and event.done > 2.2:  # in the midst of the third video
                    break
    assert list(contents(folder)) == ["a.mp4", "sub/b.mp4"]
    embedder = Colours(frames=1)
    assert updated(folder, embedder).indexed == 1
    assert embedder.fitted == 3
    assert list(contents(folder)) == ["a.mp4", "sub/b.mp4", "z.mp4"]


def test_a_broken_video_is_told_left_out_and_tried_again_once_it_has_changed(folder):
    (folder / "broken.mp4").write_bytes(b"no video at all" * 100)
    (folder / "empty.mkv").touch()
    events, change = events_of(folder, Colours())
    assert change.indexed == 3
    told = [event.text for event in events if isinstance(event, Note)]
    assert len(told) == 2
    assert all(
        line.startswith("left out: ") and name in line
        for line, name in zip(told, ("broken.mp4", "empty.mkv"), strict=True)
    )
    with opened(folder / ".index", KEY) as store:
        assert store.errors().keys() == {"broken.mp4", "empty.mkv"}
        assert str(folder) not in "".join(store.errors().values())
    again, change = events_of(folder, Colours())
    assert not again
    assert change.indexed == 0
    painted(folder / "broken.mp4", ("red", 1))
    assert updated(folder).indexed == 1
    with opened(folder / ".index", KEY) as store:
        assert store.errors().keys() == {"empty.mkv"}


def test_a_video_that_breaks_off_leaves_nothing_half_indexed(folder, monkeypatch):
    updated(folder)
    whole = Clip.timeline

    def failing(clip):
        if "a.mp4" in clip.source.name:
            raise MediaError(f"{clip.source.name} is on a disk that went away")
        return whole(clip)

    monkeypatch.setattr(Clip, "timeline", failing)
    os.utime(folder / "a.mp4", ns=(0, 1))
    assert updated(folder).indexed == 0
    assert contents(folder)["a.mp4"] == []
    with opened(folder / ".index", KEY) as store:
        assert store.errors() == {"a.mp4": "a.mp4 is on a disk that went away"}


def test_a_link_to_nothing_is_told_and_tried_again_each_time(folder):
    (folder / "away.mp4").symlink_to(folder / "elsewhere.mp4")
    for _ in range(2):
        events, change = events_of(folder, Colours())
        assert change.unopened == {"away.mp4": "away.mp4 cannot be opened: No such file or directory"}
        assert [event.text for event in events if isinstance(event, Note)] == [
            "left out: away.mp4 cannot be opened: No such file or directory"
        ]
    painted(folder / "elsewhere.mp4", ("red", 1))
    assert updated(folder).indexed == 2


@pytest.mark.skipif(os.name != "posix", reason="names are text there")
def test_a_name_that_is_no_text_stops_nothing(folder):
    (folder / os.fsdecode(b"\xff.mp4")).write_bytes((folder / "z.mp4").read_bytes())
    change = updated(folder)
    assert change.indexed == 3
    (line,) = change.unopened.values()
    assert line == r"'\udcff.mp4' has a name that is no text; rename it"


def test_what_is_hidden_or_no_video_is_not_looked_at(folder):
    painted(folder / ".trash" / "a.mp4", ("red", 1))
    (folder / "._a.mp4").write_bytes(b"what another system keeps beside a file")
    (folder / "notes.txt").touch()
    assert list(listed(folder).videos) == ["a.mp4", "sub/b.mp4", "z.mp4"]


def test_videos_of_a_folder_that_cannot_be_looked_into_are_kept(folder, monkeypatch):
    updated(folder)
    looked_into = os.scandir

    def closed(path):
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied", str(path))
        return looked_into(path)

    monkeypatch.setattr(os, "scandir", closed)
    listing = listed(folder)
    assert listing.closed == {"sub": "Permission denied"}
    assert updated(folder).removed == 0
    assert "sub/b.mp4" in contents(folder)


def test_progress_grows_to_all_videos(folder):
    for batch in (1, 3, 100):
        (folder / ".index").unlink(missing_ok=True)
        events, _ = events_of(folder, Colours(), batch=batch)
        done = [event.done for event in events if isinstance(event, Progress)]
        assert done == sorted(done)
        assert done[0] == 0
        assert done[-1] == 3
        assert {(event.total, event.unit) for event in events if isinstance(event, Progress)} == {
            (3, "videos")
        }


def test_a_long_take_is_begun_before_its_end_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(indexing, "_PIECE", 10)
    painted(tmp_path / "take.mp4", ("red", 60))
    embedder = Colours()
    with opened(tmp_path / ".index", KEY) as store:
        with closing(update(store, embedder, tmp_path, listed(tmp_path), 2, 1)) as work:
            assert next(work).done == 0
            assert 0 < next(work).done <= 1 / 30
        assert embedder.fitted < 90
    updated(tmp_path)
    assert contents(tmp_path)["take.mp4"] == [(start, start + 2) for start in range(0, 60, 2)]


@pytest.mark.parametrize("name", ["a.mp4", "z.mp4"])
def test_cuts_are_found_where_a_piece_ends_too(folder, monkeypatch, name):
    monkeypatch.setattr(indexing, "_PIECE", 3)
    updated(folder)
    moments = contents(folder)[name]
    assert (
        moments
        == {
            "a.mp4": [(0, 1.5), (1.5, 3), (3, 4.5), (4.5, 6)],
            "z.mp4": [(0, 1.25), (1.25, 2.5), (2.5, 3.75), (3.75, 5)],
        }[name]
    )


def test_no_more_pictures_are_held_for_a_long_video_than_for_a_short_one(tmp_path, monkeypatch):
    monkeypatch.setattr(indexing, "_SECTION", 6)
    asked_at_once = []
    for seconds in (10, 60):
        source = painted(tmp_path / f"{seconds}.mp4", *[(name, seconds / 5) for name in COLOURS])
        clip = Clip(source)
        reduced_at = clip.source.reduced_at

        def counted(numbers, reduce, reduced_at=reduced_at, counts=asked_at_once):
            counts.append(len(numbers))
            return reduced_at(numbers, reduce)

        monkeypatch.setattr(clip.source, "reduced_at", counted)
        monkeypatch.setattr(indexing, "Clip", lambda path, clip=clip: clip)
        updated(tmp_path)
        assert max(asked_at_once) == 6
    assert sum(asked_at_once) == 3 * (5 + 30)

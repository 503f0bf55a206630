"""Searching finds the right video and the right time, and looks at nothing twice."""

import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seeing_colours import Colours, asked, painted

from moviola.errors import InputError, OutputError
from moviola.media.container import ContainerSource
from moviola.model import Progress, Result
from moviola.searching.finding import INDEX, joined, search
from moviola.searching.store import Hit
from moviola.tasks.understanding import SearchResult


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    painted(folder / "a.mp4", ("red", 4), ("green", 2), ("grey", 4))
    painted(folder / "deep" / "down" / "b.mp4", ("grey", 2), ("blue", 6))
    painted(folder / "c.mp4", ("yellow", 2))
    return folder


@pytest.fixture
def folder(videos, tmp_path) -> Path:
    return shutil.copytree(videos, tmp_path / "videos")


def result(folder: Path, text: str, embedder: Colours | None = None, **fields) -> SearchResult:
    *_, last = search(embedder or Colours(), asked(folder, text, **fields), None)
    assert isinstance(last, Result)
    return last.value


def moments(said: SearchResult) -> list[tuple[str, float, float]]:
    return [(Path(f.video).name, round(f.start_seconds, 2), round(f.stop_seconds, 2)) for f in said.found]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("red", ("a.mp4", 0, 4)),
        ("green", ("a.mp4", 4, 6)),
        ("blue", ("b.mp4", 2, 8)),
        ("yellow", ("c.mp4", 0, 2)),
    ],
)
def test_the_right_video_and_the_right_time_come_first(folder, text, moment):
    said = result(folder, text)
    assert moments(said)[0] == moment
    assert said.found[0].similarity > 0.98
    assert [found.similarity for found in said.found] == sorted(
        (found.similarity for found in said.found), reverse=True
    )
    assert (said.videos, said.moments, said.indexed, said.removed) == (3, 10, 3, 0)
    assert said.index == folder / INDEX
    assert Path(said.found[0].video).is_file()


def test_no_more_moments_are_told_than_asked_for(folder):
    assert len(result(folder, "red", top=1).found) == 1
    assert moments(result(folder, "red", top=1)) == [("a.mp4", 0, 2)]
    assert sum(
        found.stop_seconds - found.start_seconds for found in result(folder, "red", top=1000).found
    ) == (pytest.approx(20))


def test_a_second_search_opens_no_video(folder, monkeypatch):
    first = result(folder, "green")
    monkeypatch.setattr(ContainerSource, "__init__", None)
    embedder = Colours()
    events = list(search(embedder, asked(folder, "green"), None))
    assert not any(isinstance(event, Progress) for event in events)
    assert events[-1].value.found == first.found
    assert (events[-1].value.indexed, embedder.fitted, embedder.batches.total()) == (0, 0, 0)


def test_a_search_follows_the_folder(folder):
    result(folder, "red")
    painted(folder / "new.mp4", ("blue", 1), ("red", 2))
    (folder / "a.mp4").unlink()
    said = result(folder, "red")
    assert (said.indexed, said.removed) == (1, 1)
    assert moments(said)[0] == ("new.mp4", 1, 3)
    assert (said.videos, said.moments) == (3, 7)


def test_a_search_that_is_stopped_is_gone_on_with(folder):
    work = search(Colours(), asked(folder, "red", batch=1), None)
    with closing(work):
        for event in work:
            if isinstance(event, Progress) and event.done > 1:
                break
    said = result(folder, "red")
    assert said.indexed == 2
    assert moments(said)[0] == ("a.mp4", 0, 4)


def test_models_and_lengths_share_a_file_and_nothing_else(folder):
    one, other = Colours("one"), Colours("other", frames=5)
    assert result(folder, "red", one).indexed == 3
    assert result(folder, "red", other).indexed == 3
    assert result(folder, "red", one, every=4).indexed == 3
    assert result(folder, "red", one).indexed == 0
    assert result(folder, "red", other).indexed == 0
    assert result(folder, "red", one, every=4).moments == 7
    assert result(folder, "red", one).moments == 10
    # What the model looks for by itself is no other cutting.
    assert result(folder, "red", one, every=2).indexed == 0


def test_other_weights_are_another_model(folder, tmp_path):
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "model.safetensors").write_bytes(b"1")
    assert result(folder, "red").indexed == 3
    assert result(folder, "red", weights=checkpoint).indexed == 3
    assert result(folder, "red", weights=checkpoint).indexed == 0
    (checkpoint / "model.safetensors").write_bytes(b"22")
    assert result(folder, "red", weights=checkpoint).indexed == 3


def test_an_index_moves_with_its_folder(folder):
    result(folder, "red")
    moved = folder.rename(folder.parent / "moved")
    said = result(moved, "red")
    assert said.indexed == 0
    assert Path(said.found[0].video).is_relative_to(moved)


def test_one_index_elsewhere_may_be_of_several_folders(folder, tmp_path):
    index = tmp_path / "elsewhere" / "index"
    index.parent.mkdir()
    deep = folder / "deep"
    assert result(folder, "red", index=index).indexed == 3
    assert result(deep, "red", index=index).indexed == 1
    assert result(folder, "red", index=index).indexed == 0
    assert not (folder / INDEX).exists()


def test_a_folder_named_in_another_way_is_the_same(folder, monkeypatch):
    result(folder, "red")
    monkeypatch.chdir(folder)
    said = result(Path("."), "red")
    assert said.indexed == 0
    assert said.found[0].video == "a.mp4"


def test_what_cannot_be_read_is_told_each_time(folder):
    (folder / "broken.mp4").write_bytes(b"no video at all" * 100)
    (folder / "away.mp4").symlink_to("nowhere")
    for _ in range(2):
        said = result(folder, "red")
        assert said.unreadable.keys() == {str(folder / "broken.mp4"), str(folder / "away.mp4")}
        assert said.videos == 3
        assert moments(said)[0] == ("a.mp4", 0, 4)


def test_a_folder_of_nothing_but_broken_videos_finds_nothing(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video at all" * 100)
    said = result(tmp_path, "red")
    assert said.found == []
    assert list(said.unreadable) == [str(tmp_path / "broken.mp4")]


def test_a_folder_without_videos_is_told_and_left_alone(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="there are no videos in"):
        result(tmp_path, "red")
    assert os.listdir(tmp_path) == ["notes.txt"]


@pytest.mark.parametrize(
    ("name", "line"), [("missing", "is not there; name a folder"), ("a.mp4", "is no folder; name the folder")]
)
def test_what_is_no_folder_is_told(folder, name, line):
    with pytest.raises(InputError, match=line):
        result(folder / name, "red")


def test_an_index_that_cannot_be_made_is_told_before_anything_is_decoded(folder, monkeypatch):
    monkeypatch.setattr(ContainerSource, "__init__", None)
    with pytest.raises(OutputError, match="--index"):
        result(folder, "red", index=folder / "missing" / "index")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_needs_an_index_elsewhere(folder, tmp_path):
    folder.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="name another file with --index"):
            result(folder, "red")
        assert moments(result(folder, "red", index=tmp_path / "index"))[0] == ("a.mp4", 0, 4)
    finally:
        folder.chmod(0o700)


def hits(*similarities: float) -> list[Hit]:
    """Moments of a second each of one video, the most similar first."""
    made = [Hit("a.mp4", number, number + 1, each) for number, each in enumerate(similarities)]
    return sorted(made, key=lambda hit: (-hit.similarity, hit.start))


def spans(groups: list[Hit]) -> list[tuple[float, float]]:
    return [(group.start, group.stop) for group in groups]


def test_touching_hits_that_stand_out_are_one():
    assert spans(joined(hits(0.1, 0.3, 0.28, 0.1), usual=0.15)) == [(1, 3), (0, 1), (3, 4)]


def test_a_hit_that_says_little_does_not_hide_when_it_happens():
    assert spans(joined(hits(0.1, 0.1, 0.3, 0.12, 0.1), usual=0.14))[0] == (2, 3)


def test_a_hit_between_two_joins_both():
    assert spans(joined(hits(0.3, 0.25, 0.29), usual=0.1)) == [(0, 3)]


def test_a_still_video_is_one_moment():
    assert spans(joined(hits(0.2, 0.2, 0.2), usual=0.2)) == [(0, 3)]


def test_hits_of_two_videos_never_join():
    two = [Hit("a.mp4", 0, 1, 0.5), Hit("b.mp4", 1, 2, 0.5)]
    assert joined(two, usual=0) == two


@given(
    st.lists(
        st.builds(
            lambda path, start, similarity: Hit(path, start, start + 1, similarity),
            st.sampled_from(["a.mp4", "b.mp4"]),
            st.integers(0, 8).map(float),
            st.sampled_from([0.1, 0.2, 0.3, 0.4]),
        ),
        unique_by=lambda hit: (hit.path, hit.start),
    ),
    st.floats(-1, 1),
)
def test_joining_keeps_all_time_and_the_order(given_hits, usual):
    ranked = sorted(given_hits, key=lambda hit: (-hit.similarity, hit.path, hit.start))
    groups = joined(ranked, usual)
    seconds = {
        (group.path, second) for group in groups for second in range(int(group.start), int(group.stop))
    }
    assert seconds == {(hit.path, int(hit.start)) for hit in ranked}
    assert len(seconds) == sum(group.stop - group.start for group in groups)
    assert [group.similarity for group in groups] == sorted(
        (group.similarity for group in groups), reverse=True
    )
    assert [group.similarity for group in groups[:1]] == [hit.similarity for hit in ranked[:1]]

"""The index finds what brute force finds, keeps collections apart, and tells what is wrong with its file."""

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import apsw
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.errors import InputError, OutputError
from moviola.searching.store import Hit, Key, State, opened

KEY = Key(folder=".", model="toy", weights="[]", cutting="{}")
STATE = State(size=10, modified=20)


def unit(*rows) -> np.ndarray:
    rows = np.array(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def times(count: int) -> list[tuple[float, float]]:
    return [(float(number), number + 1.0) for number in range(count)]


directions = st.lists(
    st.tuples(*[st.integers(-3, 3)] * 5).filter(any), min_size=1, max_size=8, unique=True
).map(lambda rows: unit(*rows))


@given(st.lists(directions, min_size=1, max_size=5), directions, st.integers(1, 30))
def test_the_nearest_are_those_of_brute_force(videos, sought, count):
    with opened(Path(":memory:"), KEY) as store:
        for number, rows in enumerate(videos):
            store.put(f"{number}.mp4", STATE, times(len(rows)), rows)
        hits, mean = store.nearest(sought[0], count)
    truth = np.concatenate(videos).astype(np.float64) @ sought[0].astype(np.float64)
    names = [(f"{number}.mp4", float(row)) for number, rows in enumerate(videos) for row in range(len(rows))]
    by_name = dict(zip(names, truth, strict=True))
    assert mean == pytest.approx(truth.mean(), abs=1e-6)
    assert [hit.similarity for hit in hits] == pytest.approx(sorted(truth, reverse=True)[:count], abs=1e-6)
    assert all(hit.similarity == pytest.approx(by_name[hit.path, hit.start], abs=1e-6) for hit in hits)
    assert len({(hit.path, hit.start) for hit in hits}) == len(hits)


def test_equal_moments_come_by_path_and_time_whatever_came_first(tmp_path):
    same = unit(*[(1, 2, 3)] * 2)
    with opened(tmp_path / "index", KEY) as store:
        for path in ("c.mp4", "a.mp4", "b.mp4"):
            store.put(path, STATE, [(5.0, 6.0), (2.0, 3.0)], same)
        hits, _ = store.nearest(same[0], 5)
    assert [(hit.path, hit.start) for hit in hits] == [
        ("a.mp4", 2),
        ("a.mp4", 5),
        ("b.mp4", 2),
        ("b.mp4", 5),
        ("c.mp4", 2),
    ]


def test_what_was_put_is_there_when_the_file_is_opened_again(tmp_path):
    rows = unit((1, 0), (0, 1))
    with opened(tmp_path / "index", KEY) as store:
        store.put("sub/a.mp4", STATE, [(0, 1.5), (1.5, 4)], rows)
        store.put_error("b.mp4", State(1, 2), "b.mp4 is empty")
    with opened(tmp_path / "index", KEY) as store:
        assert store.states() == {"sub/a.mp4": STATE, "b.mp4": State(1, 2)}
        assert store.errors() == {"b.mp4": "b.mp4 is empty"}
        assert store.counts() == (1, 2)
        assert store.nearest(rows[1], 1) == ([Hit("sub/a.mp4", 1.5, 4, 1)], 0.5)


def test_a_video_that_is_put_again_replaces_what_was_known(tmp_path):
    with opened(tmp_path / "index", KEY) as store:
        store.put("a.mp4", STATE, times(3), unit((1, 0), (0, 1), (1, 1)))
        store.put("a.mp4", State(7, 8), times(1), unit((0, 1)))
        assert store.states() == {"a.mp4": State(7, 8)}
        assert store.counts() == (1, 1)
        store.put_error("a.mp4", State(9, 9), "broken")
        assert store.counts() == (0, 0)
        store.remove(["a.mp4"])
        assert store.states() == store.errors() == {}


@pytest.mark.parametrize(
    "other",
    [
        Key("sub", KEY.model, KEY.weights, KEY.cutting),
        Key(KEY.folder, "other", KEY.weights, KEY.cutting),
        Key(KEY.folder, KEY.model, '[{"revision": "1"}]', KEY.cutting),
        Key(KEY.folder, KEY.model, KEY.weights, '{"every": 2}'),
    ],
)
def test_collections_know_nothing_of_each_other(tmp_path, other):
    path = tmp_path / "index"
    with opened(path, KEY) as store:
        store.put("a.mp4", STATE, times(1), unit((1, 0)))
    with opened(path, other) as store:
        assert store.states() == {}
        assert store.nearest(unit((1, 0, 0))[0], 5) == ([], 0)
        # Embeddings of another width, too.
        store.put("a.mp4", STATE, times(2), unit((1, 0, 0), (0, 1, 0)))
        store.remove(["a.mp4"])
    with opened(path, KEY) as store:
        assert store.counts() == (1, 1)


def test_an_error_half_way_through_a_video_leaves_what_was_there(tmp_path):
    with opened(tmp_path / "index", KEY) as store:
        store.put("a.mp4", STATE, times(2), unit((1, 0), (0, 1)))
        with pytest.raises(ValueError, match="zip"):
            store.put("a.mp4", State(7, 8), times(3), unit((1, 0), (0, 1)))
        assert store.states() == {"a.mp4": STATE}
        assert store.counts() == (1, 2)


def test_a_process_killed_while_it_writes_leaves_what_was_whole(tmp_path):
    path = tmp_path / "index"
    script = """
        import os, sys
        from pathlib import Path
        import numpy as np
        from moviola.searching.store import Key, State, opened
        rows = np.eye(2000, dtype=np.float32)
        moments = [(float(n), n + 1.0) for n in range(2000)]
        def breaking():
            for number, row in enumerate(rows):
                if number == 1900:
                    os.kill(os.getpid(), 9)
                yield row
        class Rows:
            def __iter__(self):
                return breaking()
        with opened(Path(sys.argv[1]), Key(".", "toy", "[]", "{}")) as store:
            store.put("a.mp4", State(10, 20), moments[:2], rows[:2])
            store._connection.pragma("cache_size", 10)  # so that pages reach the disk before the end
            store.put("b.mp4", State(10, 20), moments, Rows())
    """
    done = subprocess.run([sys.executable, "-c", dedent(script), str(path)], capture_output=True)
    assert done.returncode == -9
    assert Path(f"{path}-journal").exists()
    with opened(path, KEY) as store:
        assert store.states() == {"a.mp4": STATE}
        assert store.counts() == (1, 2)


def test_two_processes_may_have_it_open(tmp_path):
    with opened(tmp_path / "index", KEY) as one, opened(tmp_path / "index", KEY) as other:
        one.put("a.mp4", STATE, times(1), unit((1, 0)))
        other.put("b.mp4", STATE, times(1), unit((0, 1)))
        assert one.states() == other.states() == {"a.mp4": STATE, "b.mp4": STATE}
    assert os.listdir(tmp_path) == ["index"]


def damaged(path: Path) -> None:
    with opened(path, KEY) as store:
        store.put("a.mp4", STATE, times(500), np.tile(np.eye(100, dtype=np.float32), (5, 1)))
    data = bytearray(path.read_bytes())
    data[16384:49152] = b"\xff" * 32768
    path.write_bytes(data)


def cut_off(path: Path) -> None:
    with opened(path, KEY) as store:
        store.put("a.mp4", STATE, times(500), np.tile(np.eye(100, dtype=np.float32), (5, 1)))
    os.truncate(path, 40000)


def foreign(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE videos (id); INSERT INTO videos VALUES (1)")
    connection.close()


def later(path: Path) -> None:
    with opened(path, KEY):
        pass
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 99)
    connection.close()


def ask(path: Path) -> None:
    with opened(path, KEY) as store:
        store.counts()
        store.nearest(unit(np.ones(100))[0], 5)


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (damaged, "is damaged"),
        (cut_off, "is damaged"),
        (foreign, "is no index of moviola"),
        (later, "kind 99"),
        (lambda path: path.write_text(json.dumps({"videos": []}) * 500), "is no index of moviola"),
    ],
)
def test_a_file_that_is_no_good_index_is_told_in_one_line_and_left_alone(tmp_path, spoil, line):
    path = tmp_path / "index"
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=line) as told:
        ask(path)
    assert "--index" in str(told.value)
    assert "\n" not in str(told.value)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["index"]


def test_an_empty_file_becomes_an_index(tmp_path):
    path = tmp_path / "index"
    path.touch()
    with opened(path, KEY) as store:
        store.put("a.mp4", STATE, times(1), unit((1, 0)))
        assert store.counts() == (1, 1)


@pytest.mark.parametrize("path", ["missing/index", "."])
def test_where_no_file_can_be_a_line_names_the_option(tmp_path, path):
    with pytest.raises(OutputError, match="--index"), opened(tmp_path / path, KEY):
        pass


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_an_index_that_may_not_be_written_can_be_asked(tmp_path):
    path = tmp_path / "index"
    with opened(path, KEY) as store:
        store.put("a.mp4", STATE, times(1), unit((1, 0)))
    path.chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        with opened(path, KEY) as store:
            assert store.counts() == (1, 1)
            with pytest.raises(OutputError, match="cannot be written; name another file with --index"):
                store.put("b.mp4", STATE, times(1), unit((1, 0)))
    finally:
        tmp_path.chmod(0o700)


def test_an_index_that_another_process_holds_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("moviola.searching.store._PATIENCE", 0)
    with opened(tmp_path / "index", KEY) as store:
        other = apsw.Connection(str(tmp_path / "index"))
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OutputError, match="held by another process"):
            store.put("a.mp4", STATE, times(1), unit((1, 0)))
        other.close()

"""The journal remembers finished windows of the same job, and only of the same job."""

import multiprocessing

import numpy as np
import pytest

from moviola.errors import OutputError
from moviola.frames import Frames
from moviola.journal import Journal
from moviola.model import Committed, Place

JOB = {"request": "remove", "seed": 1}


def tail() -> Frames:
    return Frames(np.full((2, 3, 4, 3), 7, np.uint8), np.array([0.1, 0.2]), np.array([0.1, 0.1]))


def test_a_new_job_starts_at_the_beginning(tmp_path):
    with Journal(tmp_path / "work", JOB) as journal:
        assert journal.place() == Place(0, 0, None)
        assert journal.windows == 0


def test_a_stopped_job_goes_on_after_the_last_finished_window(tmp_path):
    journal = Journal(tmp_path / "work", JOB)
    journal.commit(Committed(0, 32, None), frames=64)
    journal.commit(Committed(1, 64, tail()), frames=60)
    journal.close(done=False)

    again = Journal(tmp_path / "work", JOB)
    place = again.place()
    assert (place.number, place.start, again.windows, again.frames) == (2, 64, 2, 124)
    assert np.array_equal(place.tail.data, tail().data)
    assert np.array_equal(place.tail.pts_seconds, tail().pts_seconds)
    again.close(done=False)


def test_only_the_newest_tail_is_kept(tmp_path):
    with Journal(tmp_path / "work", JOB) as journal:
        for number in range(4):
            journal.commit(Committed(number, 8 * number + 8, tail()), frames=8)
        assert len(list(journal.folder.glob("tail-*"))) == 1


def test_work_of_another_job_is_thrown_away(tmp_path):
    journal = Journal(tmp_path / "work", JOB)
    journal.commit(Committed(0, 32, None), frames=32)
    (journal.folder / "segment-000000").mkdir()
    journal.close(done=False)
    with Journal(tmp_path / "work", JOB | {"seed": 2}) as other:
        assert other.windows == 0
        assert sorted(entry.name for entry in other.folder.iterdir()) == ["journal.jsonl", "lock"]


def test_half_a_record_does_not_count(tmp_path):
    journal = Journal(tmp_path / "work", JOB)
    journal.commit(Committed(0, 32, None), frames=32)
    journal.close(done=False)
    log = tmp_path / "work" / "journal.jsonl"
    log.write_text(log.read_text() + '{"number": 1, "st')
    again = Journal(tmp_path / "work", JOB)
    again.commit(Committed(1, 64, None), frames=32)
    again.close(done=False)
    last = Journal(tmp_path / "work", JOB)
    assert last.windows == 2
    last.close(done=False)


def test_the_folder_goes_away_when_the_work_is_done_and_stays_when_it_fails(tmp_path):
    with Journal(tmp_path / "done", JOB):
        pass
    assert not (tmp_path / "done").exists()

    def fail():
        with Journal(tmp_path / "failed", JOB) as journal:
            journal.commit(Committed(0, 32, None), frames=32)
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        fail()
    assert (tmp_path / "failed").is_dir()


def test_nothing_is_left_where_nothing_was_finished(tmp_path):
    Journal(tmp_path / "work", JOB).close(done=False)
    assert not (tmp_path / "work").exists()


def _hold(folder, ready, go):
    with Journal(folder, JOB):
        ready.set()
        go.wait(30)


def test_two_processes_cannot_write_one_output(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    ready, go = spawn.Event(), spawn.Event()
    other = spawn.Process(target=_hold, args=(tmp_path / "work", ready, go))
    other.start()
    try:
        assert ready.wait(60)
        with pytest.raises(OutputError, match="another process"):
            Journal(tmp_path / "work", JOB)
    finally:
        go.set()
        other.join(30)


def test_an_unwritable_place_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match="cannot write"):
        Journal(tmp_path / "file" / "work", JOB)

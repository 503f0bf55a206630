"""What a process does of jobs, and how it leaves them."""

import hashlib
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from fractions import Fraction

import pytest
from hosted_worker import FILE, fails, quick, works_at
from killing import lines

from moviola import jobs
from moviola.errors import OutputError, RequestError
from moviola.film import film
from moviola.jobs import assets, counter
from moviola.jobs.store import Store
from moviola.jobs.worker import Left, Worker
from moviola.model import Note, Result
from moviola.roads.making import work_folder
from moviola.stage import Motion, Scene, Shot
from moviola.tasks import Interpolate


def test_what_was_left_open_is_taken_up_in_the_same_process(house, provider, asked):
    tries = []

    def work(request, desk):
        tries.append(desk.again)
        if len(tries) == 1:
            raise OSError("no disk")
        yield from quick(request, desk)

    id, store = jobs.submit(asked), Store()
    with Worker(store, work) as worker:
        with pytest.raises(OutputError, match="no disk"):
            list(worker.follow(id))
        assert jobs.show(id).error.startswith("no disk")
        assert [*worker.follow(id)][-1].value.output == asked.output
    store.close()
    assert tries == [False, True]
    assert (jobs.show(id).state, jobs.show(id).error) == ("done", None)


def test_what_the_provider_made_is_kept_to_the_bit(house, provider, asked):
    counter.wait([jobs.submit(asked)], work=works_at(provider))
    asked.output.write_bytes(b"edited")
    kept = assets.find(hashlib.sha256(FILE).hexdigest())
    assert kept.path.read_bytes() == FILE
    assert kept.path.suffix == ".mp4"


def test_a_bug_loses_nothing_that_is_paid_for(house, provider, asked):
    def broken(request, desk):
        for event in works_at(provider)(request, desk):
            if isinstance(event, Result):
                raise ValueError("oops")
            yield event

    id = jobs.submit(asked)
    (job,) = counter.wait([id], work=broken)
    assert (job.state, "oops" in job.error) == ("interrupted", True)
    (job,) = counter.resume(work=works_at(provider))
    assert (job.state, lines(provider, "creates")) == ("done", [id])


def test_jobs_of_a_provider_keep_to_its_number(house, provider, asked):
    active, most = [], []

    def work(request, desk):
        active.append(desk.job)
        most.append(len(active))
        time.sleep(0.05)
        active.remove(desk.job)
        yield from quick(request, desk)

    ids = [jobs.submit(asked, concurrent=2) for _ in range(5)]
    assert {job.state for job in counter.wait(ids, work=work)} == {"done"}
    assert max(most) == 2


def test_what_cannot_be_delivered_stays_open_until_it_can(house, provider, asked):
    asked.output.write_text("somebody else's")
    id = jobs.submit(asked)
    with pytest.raises(OutputError, match="exists already"):
        list(counter.follow(id, work=works_at(provider)))
    assert (jobs.show(id).state, "exists already" in jobs.show(id).error) == ("interrupted", True)
    asked.output.unlink()
    (job,) = counter.resume(work=works_at(provider))
    assert job.state == "done"
    assert lines(provider, "creates") == [id]
    assert asked.output.read_bytes() == FILE


def test_a_clock_that_jumps_back_prunes_and_repeats_nothing(house, provider, asked, monkeypatch):
    id = jobs.submit(asked)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - timedelta(days=400).total_seconds())
    counter.wait([id], work=works_at(provider))
    monkeypatch.setattr(time, "time", now)
    assert jobs.show(id).state == "done"
    assert lines(provider, "creates") == [id]
    assert next(name for _, name in counter.steps(id)) == "begun"


def test_two_workers_in_one_process_are_refused(house):
    store = Store()
    with Worker(store, quick), pytest.raises(RequestError, match="does jobs already"), Worker(store, quick):
        pass
    store.close()


def test_threads_share_a_worker(house, provider, asked):
    ids = [jobs.submit(asked) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda id: [*counter.follow(id, work=quick)][-1].value, ids))
    assert [result.output for result in results] == [asked.output] * 4
    assert {job.state for job in jobs.listed()} == {"done"}


def test_a_worker_does_one_kind_of_work(house, provider, asked):
    with_it = counter.follow(jobs.submit(asked), work=quick)
    next(with_it)
    with pytest.raises(RequestError, match="does other jobs already"):
        next(counter.follow(jobs.submit(asked), work=fails(ValueError())))
    with_it.close()


def test_a_provider_is_not_begun_with_faster_than_it_takes(house, provider, asked):
    ids = [jobs.submit(asked, per_minute=2) for _ in range(3)]
    counter.wait(ids[:2], work=quick)
    assert sorted(job.state for job in jobs.listed()) == ["done", "done", "queued"]


def test_a_worker_that_closes_leaves_its_jobs_open(house, provider, asked):
    ended = []

    def waits(request, desk):
        try:
            yield Note("at it")
            desk.clock.sleep(60)
        except Left:
            ended.append(desk.job)
            raise

    id = jobs.submit(asked)
    with_it = counter.follow(id, work=waits)
    next(with_it)
    with_it.close()
    assert ended == [id]
    assert jobs.show(id).state == "interrupted"
    (job,) = counter.resume(work=quick)
    assert job.state == "done"


def test_long_work_of_this_machine_goes_on_after_kill_9(files, tmp_path):
    shots = tuple(Shot(1, ground=n, camera=Motion(velocity=(40, 10 * n))) for n in range(4))
    clip = film(Scene(shots, size=(160, 96), rate=Fraction(25)), tmp_path / "clip.mp4")
    output = tmp_path / "smooth.mp4"
    id = jobs.submit(Interpolate(video=clip, model="flow", factor=2, output=output))
    journal = work_folder(output) / "journal.jsonl"
    line = [sys.executable, "-m", "moviola", "jobs", "wait", id]
    with subprocess.Popen(line, stderr=subprocess.DEVNULL) as process:
        while not (journal.exists() and len(journal.read_text().splitlines()) >= 3):
            assert process.poll() is None
            time.sleep(0.005)
        process.kill()
    assert jobs.show(id).state == "interrupted"
    (job,) = jobs.resume()
    assert job.state == "done"
    assert job.result["resumed_windows"] >= 2

"""Handing jobs in, asking after them, cancelling, trying again and forgetting them."""

import subprocess
import sys
import time
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hosted_worker import FILE, a_result, works_at
from killing import lines

from moviola import jobs
from moviola.errors import InputError, OutputError, RequestError, UnknownOutcomeError, WithdrawnError
from moviola.film import film
from moviola.jobs import counter
from moviola.jobs.store import Store
from moviola.jobs.worker import Left, Worker
from moviola.model import Note, Progress, Result
from moviola.roads.making import work_folder
from moviola.stage import Motion, Scene, Shot
from moviola.tasks import Interpolate


def quick(request, desk):
    """Work that is done at once."""
    yield Note("at it")
    yield Result(a_result(request.output))


def fails(error):
    def work(request, desk):
        yield Note("at it")
        raise error

    return work


def test_a_store_without_jobs_lists_none_and_makes_nothing(house):
    assert jobs.listed() == []
    assert jobs.cost() == []
    assert not house.exists()


def test_a_job_keeps_its_request_with_full_names(house, provider, asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    id = jobs.submit(asked.model_copy(update={"output": None, "image": "still.png"}))
    kept = jobs.show(id).request
    assert kept["output"] == str(tmp_path / "a-lake.mp4")
    assert kept["image"] == str(tmp_path / "still.png")


def test_what_is_only_in_memory_cannot_be_a_job(house, provider, asked):
    with pytest.raises(RequestError, match="write it to a file"):
        jobs.submit(asked.model_copy(update={"image": object()}))


def test_a_followed_job_tells_its_events_and_its_result(house, provider, asked):
    id = jobs.submit(asked)
    assert jobs.show(id).state == "queued"
    *notes, result = counter.follow(id, work=quick)
    assert notes == [Note("at it")]
    assert result.value.output == asked.output
    # It is there for whoever asks later.
    assert [event.value.output for event in counter.follow(id)] == [asked.output]


def test_a_job_is_named_by_the_beginning_of_its_id(house, provider, asked):
    id = jobs.submit(asked)
    assert jobs.show(id[:10]).id == id
    with pytest.raises(RequestError, match="there is no job"):
        jobs.show("nothing")
    jobs.submit(asked)
    with pytest.raises(RequestError, match="2 jobs begin with"):
        jobs.show("")


def test_an_error_ends_a_job_and_keeps_its_kind(house, provider, asked):
    id = jobs.submit(asked)
    (job,) = counter.wait([id], work=fails(InputError("no such film")))
    assert (job.state, job.error) == ("failed", "no such film")
    with pytest.raises(InputError, match="no such film"):
        list(counter.follow(id))


def test_a_bug_ends_a_job_too(house, provider, asked):
    (job,) = counter.wait([jobs.submit(asked)], work=fails(ValueError("oops")))
    assert (job.state, job.error) == ("failed", "oops")


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


def test_a_job_that_waits_is_cancelled_at_once_and_sends_nothing(house, provider, asked):
    id = jobs.submit(asked)
    *_, result = counter.cancel(id, work=works_at(provider))
    assert result.value.state == "cancelled"
    assert counter.resume(work=works_at(provider)) == []
    assert lines(provider, "creates") == []
    with pytest.raises(WithdrawnError):
        list(counter.follow(id))


def test_an_interrupted_job_is_cancelled_at_its_provider(house, provider, asked):
    (provider / "slow").touch()
    id = jobs.submit(asked)
    with_it = counter.follow(id, work=works_at(provider))
    while not lines(provider, "looks"):
        next(with_it)
    with_it.close()
    assert jobs.show(id).state == "interrupted"
    *_, result = counter.cancel(id, work=works_at(provider))
    assert (result.value.state, lines(provider, "cancelled")) == ("cancelled", [id])
    assert result.value.error == "half of it is paid for"
    assert lines(provider, "creates") == [id]


def test_a_running_job_is_cancelled_from_outside(house, provider, asked):
    (provider / "slow").touch()
    id = jobs.submit(asked)
    with_it = counter.follow(id, work=works_at(provider))
    while not lines(provider, "looks"):
        next(with_it)
    assert jobs.show(id).state == "running"
    assert [event.text for event in counter.cancel(id) if isinstance(event, Note)]
    with pytest.raises(WithdrawnError, match="half of it is paid for"):
        list(with_it)
    assert lines(provider, "cancelled") == [id]


def test_local_work_that_is_cancelled_stops(house, provider, asked):
    def endless(request, desk):
        while True:
            yield Progress(1, 2)
            time.sleep(0.02)

    id = jobs.submit(asked)
    with_it = counter.follow(id, work=endless)
    next(with_it)
    list(counter.cancel(id))
    with pytest.raises(WithdrawnError):
        list(with_it)


def test_only_what_is_open_can_be_cancelled_or_resumed(house, provider, asked):
    id = jobs.submit(asked)
    counter.wait([id], work=quick)
    with pytest.raises(RequestError, match="is done and cannot be cancelled"):
        list(counter.cancel(id))
    with pytest.raises(RequestError, match="moviola jobs retry"):
        jobs.resume([id])


def test_another_try_is_another_job(house, provider, asked):
    id = jobs.submit(asked, estimate_usd=Decimal("0.6"))
    with pytest.raises(RequestError, match="jobs resume"):
        jobs.retry(id)
    counter.wait([id], work=fails(UnknownOutcomeError("no reply")))
    again = jobs.show(jobs.retry(id))
    assert again.id != id
    assert (again.retry_of, again.request) == (id, jobs.show(id).request)


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


def test_costs_are_summed_by_day_and_model(house, provider, asked):
    told = jobs.submit(asked, estimate_usd=Decimal("0.50"))
    counter.wait([told], work=works_at(provider))
    lost = jobs.submit(asked, estimate_usd=Decimal("0.50"))
    counter.wait([lost], work=fails(UnknownOutcomeError("no reply")))
    (spent,) = jobs.cost()
    assert (spent.model, spent.jobs) == ("files/model", 2)
    assert (spent.told_usd, spent.estimated_usd, spent.at_risk_usd) == (Decimal("0.60"), 0, Decimal("0.50"))


def test_pruning_forgets_what_ended_and_leaves_the_users_files(house, provider, asked):
    done = jobs.submit(asked)
    counter.wait([done], work=works_at(provider))
    lost = jobs.submit(asked)
    counter.wait([lost], work=fails(UnknownOutcomeError("no reply")))
    waits = jobs.submit(asked)
    assert jobs.prune(days=1).jobs == []
    pruned = jobs.prune(days=0)
    assert (pruned.jobs, pruned.freed_bytes) == ([done], len(FILE))
    assert {job.id for job in jobs.listed()} == {lost, waits}
    assert asked.output.read_bytes() == FILE
    assert not (house / "jobs" / done).exists()
    assert jobs.prune(days=0, unknown=True).jobs == [lost]


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


def test_what_jobs_need_is_told_where_it_is_not_installed():
    script = "import sys; sys.modules['dbos'] = None; from moviola.cli import main; main()"
    line = [sys.executable, "-c", script, "jobs", "list"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: keeping jobs needs packages")
    assert done.stderr.count("\n") == 1


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

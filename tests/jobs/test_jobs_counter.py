"""Handing jobs in, asking after them, trying again and forgetting them."""

import subprocess
import sys
from decimal import Decimal

import pytest
from hosted_worker import FILE, fails, quick, works_at

from moviola import jobs
from moviola.errors import InputError, RequestError, UnknownOutcomeError
from moviola.jobs import counter
from moviola.model import Note


def test_a_store_without_jobs_lists_none_and_makes_nothing(house):
    assert jobs.listed() == []
    assert jobs.cost() == []
    assert not house.exists()


def test_a_job_keeps_its_request_with_full_names(house, provider, asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {"image": "still.png", "references": ["one.png", "https://acme.example/two.png"]}
    id = jobs.submit(asked.model_copy(update={"output": None} | files))
    kept = jobs.show(id).request
    assert kept["output"] == str(tmp_path / "a-lake.mp4")
    assert kept["image"] == str(tmp_path / "still.png")
    assert kept["references"] == [str(tmp_path / "one.png"), "https://acme.example/two.png"]


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


def test_another_try_is_another_job(house, provider, asked):
    id = jobs.submit(asked, estimate_usd=Decimal("0.6"))
    with pytest.raises(RequestError, match="jobs resume"):
        jobs.retry(id)
    counter.wait([id], work=fails(UnknownOutcomeError("no reply")))
    again = jobs.show(jobs.retry(id))
    assert again.id != id
    assert (again.retry_of, again.request) == (id, jobs.show(id).request)


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


def test_what_jobs_need_is_told_where_it_is_not_installed():
    script = "import sys; sys.modules['dbos'] = None; from moviola.cli import main; main()"
    line = [sys.executable, "-c", script, "jobs", "list"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: keeping jobs needs packages")
    assert done.stderr.count("\n") == 1

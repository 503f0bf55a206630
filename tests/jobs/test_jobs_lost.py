"""What was sent is never sent again: not without a reply, and not by another process."""

import pytest
from hosted_worker import works_at
from killing import killed, lines, worker

from moviola import jobs
from moviola.jobs import counter


@pytest.mark.parametrize("where", ["sent", "reply"])
def test_a_job_whose_reply_is_lost_is_unknown_and_not_created_again(house, provider, asked, where):
    id = jobs.submit(asked)
    killed(provider, id, where)
    for _ in range(2):
        (job,) = counter.resume(work=works_at(provider)) or [jobs.show(id)]
        assert (job.state, job.ticket) == ("unknown", None)
        assert job.error == "files cannot be asked"
    assert lines(provider, "creates") == [id]
    assert not asked.output.exists()


def test_a_lost_job_is_found_where_the_provider_can_be_asked(house, provider, asked):
    (provider / "finds").touch()
    id = jobs.submit(asked)
    killed(provider, id, "sent")
    (job,) = counter.resume(work=works_at(provider))
    assert (job.state, job.ticket) == ("done", id)
    assert lines(provider, "creates") == [id]


def test_processes_on_one_store_never_create_twice(house, provider, asked):
    ids = [
        jobs.submit(asked.model_copy(update={"output": asked.output.with_name(f"{n}.mp4")})) for n in range(6)
    ]
    others = [worker(provider) for _ in range(2)]
    here = counter.resume(work=works_at(provider))
    for process in others:
        with process:
            assert process.communicate(timeout=60) == (None, "")
    assert {job.state for job in here} == {"done"}
    assert sorted(lines(provider, "creates")) == sorted(ids)

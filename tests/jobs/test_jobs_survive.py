"""Jobs outlive their processes, wherever these are killed, and are created once."""

import pytest
from hosted_worker import FILE, works_at
from killing import killed, lines

from moviola import jobs
from moviola.jobs import counter


@pytest.mark.parametrize("where", ["intent", "poll", "download", "delivered"])
def test_a_killed_job_is_gone_on_with_and_created_once(house, provider, asked, where):
    id = jobs.submit(asked)
    killed(provider, id, where)
    assert not asked.output.exists() or asked.output.read_bytes() == FILE
    (job,) = counter.resume(work=works_at(provider))
    assert (job.state, job.error, str(job.cost_usd)) == ("done", None, "0.60")
    assert lines(provider, "creates") == [id]
    assert asked.output.read_bytes() == FILE

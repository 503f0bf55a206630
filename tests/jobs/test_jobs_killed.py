"""Whatever provider does a job, and wherever its process is killed, it is created once and the file is whole.

intent    the order is written down, nothing was sent
sent      the request has arrived, no reply has come
reply     the reply has come, and is not written down
look      in the middle of a look at the job
file      half of what was made has come
"""

import os
import signal
import threading

import dying
import numpy as np
import pytest

from fake_fal import FakeFal
from fake_gemini_omni import FakeGeminiOmni
from fake_kling import FakeKling
from fake_luma import FakeDreamMachine, FakeLuma
from fake_provider import Answer
from fake_replicate import FakeReplicate
from fake_runway import FakeRunway
from fake_vertex import FakeVertex
from fake_videos import FakeVideos
from moviola import jobs
from moviola.clip import Clip
from moviola.tasks import Generate, request

FAKES = [
    FakeDreamMachine,
    FakeFal,
    FakeGeminiOmni,
    FakeKling,
    FakeLuma,
    FakeReplicate,
    FakeRunway,
    FakeVertex,
    FakeVideos,
]
"""Every provider there is."""


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    pictures = np.random.default_rng(0).integers(0, 255, (8, 64, 96, 3), dtype=np.uint8)
    Clip(pictures, rate=32).save(path)
    return path.read_bytes()


@pytest.fixture(params=FAKES, ids=lambda fake: fake.__name__)
def fake(request, film, house, monkeypatch):
    """A provider at which every family's real code does its jobs, without long waits."""
    monkeypatch.setenv("MOVIOLA_KEYS", str(house / "keys.toml"))
    dying.hurry(monkeypatch.setattr)
    with request.param(film) as there:
        for name, value in there.environment.items():
            monkeypatch.setenv(name, value)
        yield there


@pytest.fixture
def job(fake, tmp_path):
    asked = {"prompt": "a lake", "model": fake.model, "output": tmp_path / "lake.mp4", **fake.asks}
    return jobs.submit(request(Generate, asked))


def killed(job, where, fake):
    """The job is begun and its process killed there."""
    process = None

    def kill(*_):
        os.kill(process.pid, signal.SIGKILL)

    def after(asked):
        kill()
        return fake.handle(asked)

    def halfway(asked):
        threading.Timer(0.1, kill).start()
        answer = fake.handle(asked)
        return Answer(answer.status, answer.body, answer.headers, drip=0.001)

    if where in ("sent", "look"):
        fake.trouble(*(fake.create if where == "sent" else fake.look), after)
    if where == "file":
        fake.trouble(*fake.file, halfway)
    process = dying.started(job, where, dict(os.environ))
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert jobs.show(job).state == "interrupted"


@pytest.mark.parametrize("where", ["intent", "sent", "reply", "look", "file"])
def test_a_killed_job_is_created_once_and_its_file_is_whole(fake, job, where, film, tmp_path):
    killed(job, where, fake)
    assert not (tmp_path / "lake.mp4").exists()
    (after,) = jobs.resume() or [jobs.show(job)]
    lost = where in ("sent", "reply") and not fake.finds
    assert after.state == ("unknown" if lost else "done"), after.error
    assert fake.count(*fake.create) == 1
    assert (tmp_path / "lake.mp4").exists() == (not lost)
    if not lost:
        assert len(Clip(tmp_path / "lake.mp4").timeline()) == 8

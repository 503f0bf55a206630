"""`moviola jobs`: what is printed, and when it fails."""

import json
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("dbos")

from moviola import jobs
from moviola.cli import moviola
from moviola.errors import MissingExtraError, RequestError, UnknownOutcomeError
from moviola.film import film
from moviola.jobs import counter
from moviola.stage import demo_scene
from moviola.tasks import Generate, Interpolate


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MOVIOLA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MOVIOLA_JOBS", raising=False)


@pytest.fixture
def local(tmp_path):
    """A job of this machine."""
    clip = film(demo_scene(seconds=0.3, size=(48, 32), fps=10, seed=1), tmp_path / "clip.mp4")
    return jobs.submit(Interpolate(video=clip, model="flow", factor=2, output=tmp_path / "smooth.mp4"))


@pytest.fixture
def unknown(monkeypatch):
    """A job that may have been made."""
    monkeypatch.setattr(counter, "provider_of", lambda request: "acme")

    def lost(request, desk):
        raise UnknownOutcomeError("no reply from acme")
        yield

    asked = Generate(prompt="a lake", model="acme/lakes", output=Path("lake.mp4"))
    id = jobs.submit(asked, estimate_usd=Decimal("1.20"))
    counter.wait([id], work=lost)
    return id


def said(*line):
    done = CliRunner().invoke(moviola, ["jobs", *line])
    return done.exit_code, done.stdout


def told(*line):
    code, text = said(*line, "--json")
    assert code == 0, text
    return json.loads(text)


def test_without_jobs_there_is_nothing_to_say():
    for verb in ("list", "cost", "resume"):
        assert said(verb) == (0, "")
        assert told(verb) == []


def test_a_job_is_done_by_whoever_waits_for_it(local, tmp_path):
    assert [(job["id"], job["state"]) for job in told("list")] == [(local, "queued")]
    code, text = said("wait", local)
    assert (code, text.startswith(str(tmp_path / "smooth.mp4"))) == (0, True)
    assert [job["state"] for job in told("list", "--state", "done")] == ["done"]
    assert told("list", "--state", "queued") == []
    shown = told("show", local[:13])
    assert shown["result"]["frames"] == 4
    assert [step["step"] for step in shown["steps"]] == ["begun"]


def test_open_jobs_are_gone_on_with(local):
    assert [job["state"] for job in told("resume")] == ["done"]


def test_a_job_that_fails_fails_the_command(local, tmp_path):
    (tmp_path / "clip.mp4").unlink()
    code, text = said("resume")
    assert (code, "failed" in text) == (1, True)


def test_a_job_can_be_cancelled(local):
    assert told("cancel", local)["state"] == "cancelled"
    assert told("resume") == []


def test_once_more_of_what_may_have_been_made_asks_first(unknown):
    refused = CliRunner().invoke(moviola, ["jobs", "retry", unknown, "--no-wait"])
    assert isinstance(refused.exception, RequestError)
    assert "both are paid for" in str(refused.exception)
    assert len(jobs.listed()) == 1
    again = told("retry", unknown, "--yes", "--no-wait")
    assert (again["retry_of"], again["state"]) == (unknown, "queued")


def test_costs_say_what_is_not_known(unknown):
    (spent,) = told("cost")
    assert (spent["model"], spent["told_usd"], spent["at_risk_usd"]) == ("acme/lakes", "0", "1.20")
    assert "$1.20 of unknown outcome" in said("cost")[1]


def test_pruning_keeps_what_is_unknown_unless_told(unknown):
    assert told("prune", "--days", "0")["jobs"] == []
    assert told("prune", "--days", "0", "--unknown")["jobs"] == [unknown]


def test_listening_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "moviola.jobs.listening", raising=False)
    monkeypatch.delattr(jobs, "listening", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'moviola\[server\]'"):
        CliRunner().invoke(moviola, ["jobs", "listen"], catch_exceptions=False, standalone_mode=False)

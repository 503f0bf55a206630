"""Where jobs are kept: read-only, full, broken, unreachable, and several at it at once."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from hosted_worker import works_at
from killing import lines

from moviola import jobs
from moviola.errors import RequestError
from moviola.jobs import counter
from moviola.jobs.presence import Presence, is_alive
from moviola.jobs.store import Store, StoredLedger, StoreError


@pytest.fixture
def store(house):
    store = Store()
    store.prepare()
    yield store
    store.close()


def test_an_entry_is_read_back_as_it_was_written(store):
    ledger = store.ledger("a")
    assert ledger.read("ticket") is None
    ledger.write("ticket", {"id": "1", "urls": {"see": "https://…"}})
    ledger.write("ticket", {"id": "2"})
    assert ledger.read("ticket") == {"id": "2"}
    assert store.ledger("b").read("ticket") is None


def test_an_entry_is_claimed_once_by_however_many(store):
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda number: store.ledger("a").claim("sent/1", {"by": number}), range(40)))
    assert told.count(True) == 1
    assert store.ledger("a").read("sent/1") == {"by": told.index(True)}


def test_a_process_is_seen_until_it_ends(store):
    presence = Presence(store)
    presence.begin()
    assert is_alive(store, presence.name)
    assert presence.gone([presence.name, "long gone"]) == ["long gone"]
    presence.end()
    assert not is_alive(store, presence.name)


@pytest.mark.parametrize("url", ["nonsense", "mysql://a@b/c", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused(files, monkeypatch, url):
    monkeypatch.setenv("MOVIOLA_JOBS", url)
    with pytest.raises(RequestError, match="MOVIOLA_JOBS"):
        jobs.listed()


def test_jobs_can_lie_elsewhere(files, provider, asked, tmp_path, monkeypatch):
    monkeypatch.setenv("MOVIOLA_JOBS", f"sqlite:///{tmp_path / 'there' / 'mine.sqlite'}")
    id = jobs.submit(asked)
    assert [job.id for job in jobs.listed()] == [id]
    assert (tmp_path / "there" / "mine.sqlite").exists()
    assert not files.exists()


def test_a_password_is_not_shown(monkeypatch):
    monkeypatch.setenv("MOVIOLA_JOBS", "postgresql://me:secret@127.0.0.1:1/jobs")
    with pytest.raises(StoreError, match="no connection to the jobs at") as told:
        jobs.listed()
    assert "secret" not in str(told.value)
    assert "\n" not in str(told.value)


def opened_as(pragma):
    """Every connection to a file is as by this pragma."""

    def set_pragma(connection, _):
        if isinstance(connection, sqlite3.Connection):
            connection.execute(f"PRAGMA {pragma}")

    return set_pragma


@pytest.mark.parametrize(
    ("pragma", "line"), [("query_only=1", "cannot be written"), ("max_page_count=1", "is full")]
)
def test_a_store_that_takes_nothing_is_one_line(files, provider, asked, pragma, line):
    known = jobs.submit(asked)
    listen = opened_as(pragma)
    sa.event.listen(sa.engine.Engine, "connect", listen)
    try:
        # Enough of it that the pages that are there do not hold it.
        long = asked.model_copy(update={"prompt": "a lake " * 20_000})
        with pytest.raises(StoreError, match=line) as told:
            jobs.submit(long)
        assert "\n" not in str(told.value)
        assert [job.id for job in jobs.listed()] == [known]
    finally:
        sa.event.remove(sa.engine.Engine, "connect", listen)
    (job,) = counter.wait([known], work=works_at(provider))
    assert job.state == "done"


def test_a_file_that_is_no_store_is_one_line(files):
    (files / "jobs").mkdir(parents=True)
    (files / "jobs" / "jobs.sqlite").write_bytes(b"nothing of the kind" * 1000)
    with pytest.raises(StoreError, match="cannot be read"):
        jobs.listed()


@pytest.mark.parametrize("name", ["order", "sent/1", "seen", "fetched/0"])
def test_a_store_that_fails_on_the_way_leaves_the_job_open(files, provider, asked, monkeypatch, name):
    put, failed = StoredLedger._put, []

    def fails_once(self, given, *rest):
        if given == name and not failed:
            failed.append(name)
            raise StoreError("the disk is full")
        return put(self, given, *rest)

    monkeypatch.setattr(StoredLedger, "_put", fails_once)
    id = jobs.submit(asked)
    with pytest.raises(StoreError, match="is full"):
        list(counter.follow(id, work=works_at(provider)))
    assert (jobs.show(id).state, jobs.show(id).error) == ("interrupted", "the disk is full")
    (job,) = counter.resume(work=works_at(provider))
    assert (job.state, lines(provider, "creates")) == ("done", [id])


def test_a_ticket_waits_for_a_store_that_takes_it(files, provider, asked, monkeypatch, caplog):
    put, failed = StoredLedger._put, []

    def fails_twice(self, given, *rest):
        if given == "ticket" and len(failed) < 2:
            failed.append(given)
            raise StoreError("the disk is full")
        return put(self, given, *rest)

    monkeypatch.setattr(StoredLedger, "_put", fails_twice)
    id = jobs.submit(asked)
    (job,) = counter.wait([id], work=works_at(provider))
    assert (job.state, job.ticket, len(failed)) == ("done", id, 2)
    assert f"the disk is full; until then {id} is only in memory" in caplog.text

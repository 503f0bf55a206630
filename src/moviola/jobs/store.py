"""Where jobs are kept: one database, for the queue (tables of DBOS) and for what is done of each (ours).

    MOVIOLA_JOBS=postgresql://user@host/database    for many machines
    MOVIOLA_JOBS=sqlite:////folder/jobs.sqlite      a file elsewhere; default jobs/jobs.sqlite of the user

A fact is kept once: who is to do a job, and how it ended, on its row in DBOS's tables; what has been done of
it, in its ledger. What `moviola jobs` shows is read from these two.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer

from moviola.errors import MoviolaError, OutputError, RequestError
from moviola.shelf import home

# What matters of it comes as errors of ours; the rest is no business of a user's terminal.
logging.getLogger("dbos").setLevel(logging.CRITICAL)

APPLICATION = "moviola"

LAYOUT = "1"
"""Version of what a job's row and ledger hold. Jobs of another one are left to a Moviola that knows it."""

_BUSY_SECONDS = 30
"""That another process may write before one that wants to gives up."""

_POOL_SECONDS = 300
"""That one of hundreds of jobs may wait for a connection before it gives up."""

_TABLES = sa.MetaData()
_LEDGER = sa.Table(
    "moviola_ledger",
    _TABLES,
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("written_at", sa.Float, nullable=False),
)


def address() -> str:
    """The database that the environment names, or the user's own file. Raises RequestError."""
    given = os.environ.get("MOVIOLA_JOBS")
    return given or f"sqlite:///{home() / 'jobs' / 'jobs.sqlite'}"


_done: set[tuple[Any, ...]] = set()
"""What this process has done that need not be done again; see `Store.once`."""


class StoreError(MoviolaError):
    """The jobs cannot be read or written, now; none of them is the worse for it."""


class Store:
    """The database of jobs. Nothing is made or opened before it is needed."""

    def __init__(self, url: str | None = None) -> None:
        try:
            self.url = sa.make_url(url or address())
            kind = self.url.get_backend_name()
        except (sa.exc.ArgumentError, ValueError):
            kind = ""
        if kind not in ("sqlite", "postgresql"):
            raise RequestError(
                "MOVIOLA_JOBS is no address of a database; "
                "write postgresql://user@host/database or sqlite:////folder/jobs.sqlite"
            )
        if kind == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        elif not self.url.database or self.url.database == ":memory:":
            raise RequestError("MOVIOLA_JOBS names no file: jobs have to outlive the process")

    @property
    def path(self) -> Path | None:
        """The file; None of a database on a server."""
        if self.url.get_backend_name() != "sqlite":
            return None
        assert self.url.database is not None
        return Path(self.url.database).expanduser().absolute()

    @property
    def name(self) -> str:
        """For messages; without a password."""
        return str(self.path or self.url.render_as_string(hide_password=True))

    def address(self) -> str:
        """For DBOS; with the password."""
        if self.path is not None:
            return f"sqlite:///{self.path}"
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    def is_there(self) -> bool:
        """Whether a job was ever kept here."""
        if self.path is not None and not self.path.exists():
            return False
        with self.explained():
            tables = sa.inspect(self.engine)
            schema = None if self.path is not None else "dbos"
            return tables.has_table(_LEDGER.name) and tables.has_table("workflow_status", schema=schema)

    def once(self, do: Callable[[], Any], *what: Any) -> None:
        """Do something to this database, unless this process has done so before."""
        if (self._which(), *what) not in _done:
            do()
            _done.add((self._which(), *what))

    def _which(self) -> tuple[str, int | None]:
        """The address, and the file as long as it is the same one."""
        try:
            return self.address(), None if self.path is None else self.path.stat().st_ino
        except OSError:
            return self.address(), None

    def prepare(self) -> None:
        """Make what is missing. Raises MoviolaError."""
        self.once(self._prepare, "prepared")

    def _prepare(self) -> None:
        if self.path is not None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise OutputError(f"cannot make {self.path.parent}: {error.strerror}") from error
        with self.explained():
            DBOS.migrate(self.address())
            _TABLES.create_all(self.engine)

    @cached_property
    def engine(self) -> sa.Engine:
        if self.path is None:
            return sa.create_engine(self.url, pool_pre_ping=True, pool_timeout=_POOL_SECONDS)
        address = f"sqlite:///{self.path}"
        engine = sa.create_engine(
            address, connect_args={"timeout": _BUSY_SECONDS}, pool_timeout=_POOL_SECONDS
        )

        @sa.event.listens_for(engine, "connect")
        def _immediate(connection: Any, _: Any) -> None:
            # Who begins to write holds the lock from its first statement, so that none has to give it back.
            connection.isolation_level = "IMMEDIATE"

        return engine

    @cached_property
    def client(self) -> DBOSClient:
        return DBOSClient(
            system_database_url=self.address(),
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
            lazy=True,
            retry_connection_errors=False,
        )

    def ledger(self, job: str) -> StoredLedger:
        return StoredLedger(self, job)

    def entries(self, jobs: Collection[str], names: Collection[str]) -> dict[str, dict[str, Any]]:
        """Of several jobs at once, the entries with these names, by job and name."""
        found: dict[str, dict[str, Any]] = {}
        wanted = sorted(jobs)
        with self.explained(), self.engine.connect() as open_:
            for start in range(0, len(wanted), 500):
                some = _LEDGER.c.job.in_(wanted[start : start + 500])
                for row in open_.execute(sa.select(_LEDGER).where(some, _LEDGER.c.name.in_(names))):
                    found.setdefault(row.job, {})[row.name] = json.loads(row.value)
        return found

    def mentioning(self, name: str, text: str) -> list[str]:
        """Jobs in whose entry of that name a text stands, whatever it stands for there."""
        where = (_LEDGER.c.name == name, _LEDGER.c.value.contains(_json(text), autoescape=True))
        with self.explained(), self.engine.connect() as open_:
            return list(open_.execute(sa.select(_LEDGER.c.job).where(*where)).scalars())

    def fetched(self, job: str | None = None) -> list[dict[str, Any]]:
        """What was fetched for a job, or for all of them: the ledger's entries `fetched/N`."""
        asked = sa.select(_LEDGER.c.value).where(_LEDGER.c.name.like("fetched/%"))
        if job is not None:
            asked = asked.where(_LEDGER.c.job == job)
        with self.explained(), self.engine.connect() as open_:
            return [json.loads(value) for value in open_.execute(asked).scalars()]

    def forget(self, jobs: Collection[str]) -> None:
        """Remove jobs and all that is known of them."""
        with self.explained():
            self.client.delete_workflows(sorted(jobs))
            with self.engine.begin() as open_:
                for job in jobs:
                    open_.execute(_LEDGER.delete().where(_LEDGER.c.job == job))

    def close(self) -> None:
        if "client" in self.__dict__:
            self.client.destroy()
            del self.client
        if "engine" in self.__dict__:
            self.engine.dispose()
            del self.engine

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turns what goes wrong with the database into one line for the user."""
        try:
            yield
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            raise self.told(error) from error

    def told(self, error: Exception) -> StoreError:
        """The line for an error of the database."""
        line = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        low = line.lower()
        if "read-only" in low or "readonly" in low or "permission denied" in low:
            return StoreError(f"the jobs in {self.name} cannot be written: {line}")
        if "full" in low or "no space" in low:
            return StoreError(f"the disk of {self.name} is full; make room, then run: moviola jobs resume")
        if self.path is not None:
            return StoreError(f"the jobs in {self.name} cannot be read: {line}; MOVIOLA_JOBS names others")
        return StoreError(f"no connection to the jobs at {self.name}: {line}; open jobs wait there")


class StoredLedger:
    """What is done of one job; see `moviola.hosted.ledger.Ledger`. Raises MoviolaError."""

    def __init__(self, store: Store, job: str) -> None:
        self._store, self._job = store, job

    def read(self, name: str) -> Mapping[str, Any] | None:
        """An entry; None where there is none."""
        where = (_LEDGER.c.job == self._job, _LEDGER.c.name == name)
        with self._store.explained(), self._store.engine.connect() as open_:
            value = open_.execute(sa.select(_LEDGER.c.value).where(*where)).scalar()
        return None if value is None else json.loads(value)

    def entries(self) -> dict[str, tuple[float, Any]]:
        """All of them by name, each with when it was written (seconds since 1970), in the order of that."""
        asked = sa.select(_LEDGER).where(_LEDGER.c.job == self._job).order_by(_LEDGER.c.written_at)
        with self._store.explained(), self._store.engine.connect() as open_:
            return {row.name: (row.written_at, json.loads(row.value)) for row in open_.execute(asked)}

    def claim(self, name: str, entry: Mapping[str, Any]) -> bool:
        """Write an entry that is not there yet. False where it is; of several who try, one is told True."""
        return self._put(name, entry, "DO NOTHING")

    def write(self, name: str, entry: Mapping[str, Any]) -> None:
        """Write an entry, in place of an earlier one."""
        self._put(name, entry, "DO UPDATE SET value = excluded.value, written_at = excluded.written_at")

    def _put(self, name: str, entry: Mapping[str, Any], else_: str) -> bool:
        insert = sa.text(
            f"INSERT INTO {_LEDGER.name} (job, name, value, written_at) VALUES (:job, :name, :value, :at) "
            f"ON CONFLICT (job, name) {else_}"
        )
        given = {"job": self._job, "name": name, "value": _json(entry), "at": time.time()}
        with self._store.explained(), self._store.engine.begin() as open_:
            return open_.execute(insert, given).rowcount == 1


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)

"""A store of its own for every test, and a provider made of files."""

import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("dbos")

import sqlalchemy as sa
from hosted_worker import FILE

from moviola.jobs import counter
from moviola.jobs.store import Store
from moviola.tasks import Generate

SERVER = os.environ.get("MOVIOLA_TEST_JOBS")
"""Address of a PostgreSQL database that these tests may empty; without it, all is kept in files."""


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The folder of all that is kept, jobs too; it is not there yet."""
    monkeypatch.setenv("MOVIOLA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOVIOLA_OFFLINE", "1")
    monkeypatch.delenv("MOVIOLA_JOBS", raising=False)
    return tmp_path / "home"


@pytest.fixture
def house(files, monkeypatch):
    """The same, or with the jobs on a server."""
    if SERVER is not None:
        monkeypatch.setenv("MOVIOLA_JOBS", SERVER)
        store = Store()
        with store.engine.begin() as open_:
            open_.execute(sa.text("DROP SCHEMA IF EXISTS dbos CASCADE"))
            open_.execute(sa.text("DROP TABLE IF EXISTS moviola_ledger"))
        store.close()
        monkeypatch.setattr("moviola.jobs.store._done", set())
    return files


@pytest.fixture
def provider(tmp_path, monkeypatch):
    """The folder of a provider whose file comes in half a second."""

    class Storage(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(FILE)))
            self.end_headers()
            step = len(FILE) // 10
            for start in range(0, len(FILE), step):
                try:
                    self.wfile.write(FILE[start : start + step])
                except OSError:
                    return
                time.sleep(0.05)

        def log_message(self, *_):
            pass

    folder = tmp_path / "provider"
    folder.mkdir()
    monkeypatch.setattr(counter, "provider_of", lambda request: "files")
    with ThreadingHTTPServer(("127.0.0.1", 0), Storage) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        (folder / "address").write_text(f"http://127.0.0.1:{server.server_port}/made.mp4")
        yield folder
        server.shutdown()
        thread.join()


@pytest.fixture
def asked(tmp_path):
    """A request to the provider."""
    return Generate(prompt="a lake", model="files/model", output=Path(tmp_path / "lake.mp4"))

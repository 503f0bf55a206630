"""A provider of hosted models on this machine, whose troubles can be written down beforehand.

A kind of provider is a subclass with a `handle`. What goes wrong is put before it with `trouble`, and is used
up one after the other by the requests that it is for.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Asked:
    """A request that came in. path: with its query. headers: lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def place(self) -> str:
        """The path alone."""
        return urlsplit(self.path).path


@dataclass
class Answer:
    """What goes back. body: bytes, or a value that is sent as JSON.

    length: what Content-Length says; None is the truth, -1 leaves it out. cut: bytes after which the
    connection is dropped. drip: seconds between the bytes, sent one by one. delay: seconds before the first.
    """

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    cut: int | None = None
    drip: float = 0.0
    delay: float = 0.0


DROP = "drop"
"""The connection is closed, and nothing was done."""

LOSE = "lose"
"""All is done as asked, and then the connection is closed instead of an answer."""


Trouble = Answer | str | Callable[["Asked"], Answer]
"""What a request meets; a function is given the request and says what goes back."""


class FakeProvider:
    """url: its address, without a slash at the end. asked: all requests, in order.

    A kind that makes videos says: model, an id that means it, and asks, what a request to it says beside a
    prompt; environment, variables by which a family finds it; create, look and file, method and path of what
    makes a job, asks how it stands, and fetches what was made; finds, whether a job whose reply was lost can
    be found again.
    """

    asks: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._troubles: list[tuple[str, re.Pattern[str], list[Trouble]]] = []
        self._lock = threading.RLock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.provider = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def trouble(self, method: str, path: str, *troubles: Trouble) -> None:
        """The next requests of a method whose path matches all of a pattern meet these, one each."""
        self._troubles.append((method, re.compile(path), list(troubles)))

    def count(self, method: str, path: str) -> int:
        """How many requests there were of a method to a path that matches all of a pattern."""
        return sum(bool(ask.method == method and re.fullmatch(path, ask.place)) for ask in self.asked)

    def handle(self, asked: Asked) -> Answer:
        raise AssertionError("a kind of provider says what it answers")

    def answer(self, asked: Asked) -> Answer | str:
        with self._lock:
            self.asked.append(asked)
            for method, path, troubles in self._troubles:
                if troubles and method == asked.method and path.fullmatch(asked.place):
                    trouble = troubles.pop(0)
                    if trouble == LOSE:
                        self.handle(asked)
                    return trouble(asked) if callable(trouble) else trouble
            return self.handle(asked)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    provider: FakeProvider


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are written apart: the second would wait for the first to be acknowledged.
    disable_nagle_algorithm = True
    server: _Server

    def _any(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, body, time.monotonic())
        answer = self.server.provider.answer(asked)
        if isinstance(answer, str):
            self._hang_up()
        else:
            self._send(answer)

    do_GET = do_POST = do_PUT = do_DELETE = _any  # noqa: N815

    def _send(self, answer: Answer) -> None:
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        headers = {"Content-Type": "application/json"} if not isinstance(answer.body, bytes) else {}
        if answer.length != -1:
            headers["Content-Length"] = str(len(content) if answer.length is None else answer.length)
        else:
            self.close_connection = True
        time.sleep(answer.delay)
        self.send_response(answer.status)
        for name, value in (headers | answer.headers).items():
            self.send_header(name, value)
        self.end_headers()
        if answer.cut is not None:
            self.wfile.write(content[: answer.cut])
            self._hang_up()
        elif answer.drip:
            for byte in content:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(answer.drip)
        else:
            self.wfile.write(content)

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            return

    def finish(self) -> None:
        try:
            super().finish()
        except (ConnectionError, ValueError):
            return

    def log_message(self, *_: object) -> None:
        return

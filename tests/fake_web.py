"""A web server on the loopback interface that has files, and the moods of real ones."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Literal

from fake_hub import listening


@dataclass(frozen=True)
class Asked:
    """One request. range, if_range: its headers."""

    path: str
    range: str | None
    if_range: str | None


@dataclass
class Web:
    """files: by path and query, as those below.

    names: what tells one state of a file from another. ranges: whether parts of files are served.
    careless: parts are served whatever If-Range says. silent: no answer says how large it is.
    squeezes: whole files are sent compressed to who would take them so.
    cut: after how many bytes of an answer the connection breaks, for each of the next answers with more.
    stuck: after how many bytes of an answer nothing more comes, as `cut`.
    next: what the file is, once a connection broke. status: what is answered next in place of the file.
    moved: where a file is instead. slow: seconds between two bits of a file.
    asked: every request for a file, but for those that only want to know what it is.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    names: Literal["etag", "weak", "time", "nothing"] = "etag"
    ranges: bool = True
    careless: bool = False
    silent: bool = False
    squeezes: bool = False
    cut: dict[str, list[int]] = field(default_factory=dict)
    stuck: dict[str, list[int]] = field(default_factory=dict)
    next: dict[str, bytes] = field(default_factory=dict)
    status: dict[str, list[int]] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    slow: float = 0
    asked: list[Asked] = field(default_factory=list)
    questions: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    def headers(self, path: str) -> dict[str, str]:
        digest = hashlib.sha256(self.files[path]).hexdigest()
        hour, minute = int(digest[:2], 16) % 24, int(digest[2:4], 16) % 60
        time = f"Mon, 02 Feb 2026 {hour:02}:{minute:02}:{int(digest[4:6], 16) % 60:02} GMT"
        match self.names:
            case "etag":
                return {"ETag": f'"{digest[:16]}"', "Last-Modified": time}
            case "weak":
                return {"ETag": f'W/"{digest[:16]}"', "Last-Modified": time}
            case "time":
                return {"Last-Modified": time}
        return {}


def handler(web: Web) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            path, asked = self.path, self.headers.get("Range")
            question = asked == "bytes=0-0"
            if question:
                web.questions += 1
            else:
                web.asked.append(Asked(path, asked, self.headers.get("If-Range")))
            if path in web.moved:
                return self.empty(302, {"Location": web.moved[path]})
            if web.status.get(path):
                return self.empty(web.status[path].pop(0))
            if path not in web.files:
                return self.empty(404)
            return self.send_file(path, asked, question)

        def empty(self, status: int, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in ((headers or {}) | {"Content-Length": "0"}).items():
                self.send_header(name, value)
            self.end_headers()

        def send_file(self, path: str, asked: str | None, question: bool) -> None:
            content, facts = web.files[path], web.headers(path)
            wanted = self.headers.get("If-Range")
            first, last = 0, len(content) - 1
            if web.ranges and asked and (web.careless or wanted is None or wanted in facts.values()):
                begin, _, end = asked.removeprefix("bytes=").partition("-")
                first, last = int(begin), int(end or last)
                if first > last:
                    return self.empty(416)
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
            else:
                self.send_response(200)
                if web.squeezes and "gzip" in self.headers.get("Accept-Encoding", ""):
                    self.send_header("Content-Encoding", "gzip")
                    content = gzip.compress(content)
                    last = len(content) - 1
            for name, value in facts.items():
                self.send_header(name, value)
            if web.silent:
                self.send_header("Connection", "close")
            else:
                self.send_header("Content-Length", str(last + 1 - first))
            self.end_headers()
            content = content[first : last + 1]
            for breaks in (web.cut, web.stuck):
                if not question and breaks.get(path) and breaks[path][0] < len(content):
                    self.wfile.write(content[: breaks[path].pop(0)])
                    web.files |= web.next
                    if breaks is web.stuck:
                        web.closing.wait()
                    self.close_connection = True
                    return None
            bit = 2**16 if web.slow else len(content)
            for at in range(0, len(content), bit):
                self.wfile.write(content[at : at + bit])
                if web.closing.wait(web.slow):
                    break
            return None

        def handle(self) -> None:
            # A client that gives up is what some tests are about.
            with suppress(BrokenPipeError, ConnectionResetError):
                super().handle()

    return Handler


@contextmanager
def serve() -> Iterator[Web]:
    """A server that answers at `web.url` until the block is left."""
    web = Web()
    with listening(handler(web), web.closing) as web.url:
        yield web

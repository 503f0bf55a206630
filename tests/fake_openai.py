"""A server on the loopback interface with OpenAI's API: it says what it is told to, in all its moods."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from fake_hub import listening


def event(piece: str | None = None, finish: str | None = None, usage: dict[str, int] | None = None) -> bytes:
    """One event of an answer."""
    choices = [] if usage else [{"index": 0, "delta": {"content": piece}, "finish_reason": finish}]
    return b"data: " + json.dumps({"choices": choices, "usage": usage}).encode() + b"\n\n"


@dataclass
class Reply:
    """status, headers, body: of an answer that is no stream. stream: the bytes of one, as they are sent.

    breaks: whether the connection breaks after them. waits: whether nothing comes after them until the other
    side has hung up.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: list[bytes] | None = None
    breaks: bool = False
    waits: bool = False


def saying(*pieces: str, finish: str = "stop", usage: tuple[int, int] | None = (100, 7)) -> Reply:
    """A whole answer. usage: tokens of prompt and answer; None where the server does not count."""
    stream = [*map(event, pieces), event(finish=finish)]
    if usage is not None:
        stream.append(event(usage={"prompt_tokens": usage[0], "completion_tokens": usage[1]}))
    return Reply(stream=[*stream, b"data: [DONE]\n\n"])


def refusing(status: int, message: str, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, named, json.dumps({"error": {"message": message, "code": status}}).encode())


@dataclass
class Served:
    """replies: to the next questions; "Yes." where there are none. models: as listed; None for no list.

    path: below which the API lies. busy: what is answered first to who wants the list.
    asked: the bodies of all questions. keys: the `Authorization` of every request. hung_up: set once somebody
    has hung up on a reply that waits.
    """

    url: str = ""
    path: str = "/v1"
    models: list[dict[str, Any]] | None = field(default_factory=lambda: [{"id": "eye-7b"}, {"id": "eye-70b"}])
    busy: list[Reply] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)


def handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            served.keys.append(self.headers.get("Authorization"))
            if served.busy:
                return self.send(served.busy.pop(0))
            if served.models is None or self.path != f"{served.path}/models":
                return self.send(refusing(404, "Not Found"))
            return self.send(Reply(body=json.dumps({"object": "list", "data": served.models}).encode()))

        def do_POST(self) -> None:
            served.keys.append(self.headers.get("Authorization"))
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != f"{served.path}/chat/completions":
                return self.send(refusing(404, "Not Found"))
            served.asked.append(body)
            return self.send(served.replies.pop(0) if served.replies else saying("Yes", "."))

        def send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.stream is None:
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)
                return
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in reply.stream:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            if reply.waits and self.rfile.read(1) == b"":
                served.hung_up.set()
            if reply.waits or reply.breaks:
                self.close_connection = True
                return
            self.wfile.write(b"0\r\n\r\n")

        def handle(self) -> None:
            # A client that gives up is what some tests are about.
            with suppress(BrokenPipeError, ConnectionResetError):
                super().handle()

    return Handler


@contextmanager
def serve() -> Iterator[Served]:
    """A server whose API is at `served.url` until the block is left."""
    served = Served()
    with listening(handler(served), served.closing) as url:
        served.url = f"{url}/v1"
        yield served

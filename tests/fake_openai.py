"""A server on the loopback interface with OpenAI's APIs: it says what it is told to, in all its moods."""

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


def response(
    *pieces: str,
    status: str = "completed",
    reason: str | None = None,
    refusal: str = "",
    error: dict[str, Any] | None = None,
    usage: tuple[int, int, int, int] | None = (100, 7, 0, 0),
) -> list[dict[str, Any]]:
    """The events of an answer in Responses. usage: tokens of prompt and answer, and of the prompt those found
    in the cache and put there."""
    part: dict[str, Any] = {"type": "output_text", "text": "".join(pieces), "annotations": []}
    if refusal:
        part = {"type": "refusal", "refusal": refusal}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": [part]}
    begun = {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "model": "gpt-5.4",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
    }
    ended: dict[str, Any] = begun | {"status": status, "output": [message], "error": error}
    if reason is not None:
        ended["incomplete_details"] = {"reason": reason}
    if usage is not None:
        prompt, answer, cached, written = usage
        ended["usage"] = {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
            "output_tokens": answer,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + answer,
        }
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    said = [{"type": "response.output_text.delta", "delta": each, "logprobs": [], **at} for each in pieces]
    if refusal:
        said = [{"type": "response.refusal.delta", "delta": refusal, **at}]
    told = [{"type": "response.created", "response": begun}, *said]
    told.append({"type": f"response.{status}", "response": ended})
    return [event | {"sequence_number": number} for number, event in enumerate(told)]


def streamed(told: list[dict[str, Any]]) -> list[bytes]:
    return [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in told]


def responding(*pieces: str, **facts: Any) -> Reply:
    """A whole answer in Responses; see `response`."""
    return Reply(stream=streamed(response(*pieces, **facts)))


def failing(status: int, message: str, code: str | None = None, **more: Any) -> Reply:
    """An error as OpenAI sends it. more: `type`, `param`, and `headers`."""
    headers = more.pop("headers", {})
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code} | more
    return Reply(status, headers, json.dumps({"error": error}).encode())


def refusing(status: int, message: str, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, named, json.dumps({"error": {"message": message, "code": status}}).encode())


@dataclass
class Served:
    """replies: to the next questions; "Yes." where there are none. models: as listed; None for no list.

    path: below which the APIs lie. busy: what is answered first to who wants the list.
    asked: the bodies of all questions, and paths: where each was asked. keys: the `Authorization` of every
    request. hung_up: set once somebody has hung up on a reply that waits.
    """

    url: str = ""
    path: str = "/v1"
    models: list[dict[str, Any]] | None = field(default_factory=lambda: [{"id": "eye-7b"}, {"id": "eye-70b"}])
    busy: list[Reply] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
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
            said = {"/chat/completions": saying, "/responses": responding}.get(
                self.path.removeprefix(served.path)
            )
            if said is None:
                return self.send(refusing(404, "Not Found"))
            served.asked.append(body)
            served.paths.append(self.path)
            return self.send(served.replies.pop(0) if served.replies else said("Yes", "."))

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

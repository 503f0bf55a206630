"""A Hugging Face Hub on the loopback interface: just what downloading a model asks of the real one."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest


@dataclass
class Repo:
    """commits: the last is what `main` stands for. files: by path, the same in all. held: by Git LFS."""

    commits: list[str]
    files: dict[str, bytes]
    held: tuple[str, ...] = (".safetensors", ".bin")
    gated: bool = False

    def etag(self, path: str) -> str:
        content = self.files[path]
        if path.endswith(self.held):
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def tree(self) -> list[dict[str, object]]:
        listing: list[dict[str, object]] = []
        for path, content in self.files.items():
            entry = {"type": "file", "path": path, "size": len(content), "oid": self.etag(path)[:40]}
            if path.endswith(self.held):
                entry["lfs"] = {"oid": self.etag(path), "size": len(content), "pointerSize": 134}
            listing.append(entry)
        return listing


@dataclass
class Hub:
    """repos: by `org/name`. cut: after how many bytes the connection breaks, once for each file named.

    spoilt: files that arrive with other bytes than published. slow: seconds between two bits of a file.
    asked: every request, as (method, path, Range).
    """

    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    spoilt: set[str] = field(default_factory=set)
    slow: float = 0
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def fetched(self) -> list[str]:
        """The files whose bytes were asked for, in the order of the requests."""
        return [
            path.split("/", 5)[-1]
            for method, path, _ in self.asked
            if method == "GET" and "/resolve/" in path
        ]


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            parts = path.removeprefix("/api/models").lstrip("/").split("/", 4)
            if len(parts) < 4:
                return self.refuse(404, "EntryNotFound")
            hub.asked.append((self.command, path, self.headers.get("Range")))
            owner, name, what, revision, *rest = parts
            file = "".join(rest)
            repo = hub.repos.get(f"{owner}/{name}")
            if repo is None:
                return self.refuse(401, "RepoNotFound")
            commit = repo.commits[-1] if revision == "main" else revision
            if commit not in repo.commits:
                return self.refuse(404, "RevisionNotFound")
            if what == "revision":
                return self.send_json({"id": f"{owner}/{name}", "sha": commit, "siblings": []})
            if what == "tree":
                return self.send_json(repo.tree())
            if repo.gated:
                return self.refuse(403, "GatedRepo")
            if file not in repo.files:
                return self.refuse(404, "EntryNotFound")
            return self.send_file(repo, commit, file)

        def refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def send_json(self, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def send_file(self, repo: Repo, commit: str, file: str) -> None:
            content = repo.files[file]
            if file in hub.spoilt:
                content = bytes(255 - byte for byte in content)
            start = 0
            if asked := self.headers.get("Range"):
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            self.send_header("ETag", f'"{repo.etag(file)}"')
            self.send_header("X-Repo-Commit", commit)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            if self.command == "HEAD":
                return
            if file in hub.cut:
                self.wfile.write(content[start : hub.cut.pop(file)])
                self.close_connection = True
                return
            bit = 2**16 if hub.slow else len(content)
            for at in range(start, len(content), max(1, bit)):
                self.wfile.write(content[at : at + bit])
                if hub.closing.wait(hub.slow):
                    return

        def handle(self) -> None:
            # A client that gives up is what some tests are about.
            with suppress(BrokenPipeError, ConnectionResetError):
                super().handle()

    return Handler


@contextmanager
def serve() -> Iterator[Hub]:
    """A hub that answers at `hub.url` until the block is left."""
    hub = Hub()
    with listening(handler(hub), hub.closing) as hub.url:
        yield hub


@contextmanager
def listening(answers: type[BaseHTTPRequestHandler], closing: threading.Event) -> Iterator[str]:
    """The address of a server on the loopback interface. closing: is set when the block is left."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), answers)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> str:
    """An address where nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def point_at(url: str, cache: Path, patch: pytest.MonkeyPatch) -> None:
    """Make huggingface_hub of this process use the hub at `url` and a cache of its own.

    It reads the environment when it is imported, so its constants are what has to change.
    """
    from huggingface_hub import constants

    patch.setattr(constants, "ENDPOINT", url)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    patch.setattr(constants, "HF_HUB_CACHE", str(cache))
    patch.setattr(constants, "HF_TOKEN_PATH", str(cache / "token"))
    patch.setattr(constants, "AGENT_HARNESSES_PATH", str(cache / "agents.json"))
    patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    patch.setattr(constants, "HF_HUB_OFFLINE", False)


def environment(url: str, cache: Path) -> dict[str, str]:
    """The same for another process, through its environment."""
    return {"HF_ENDPOINT": url, "HF_HUB_CACHE": str(cache), "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1"}

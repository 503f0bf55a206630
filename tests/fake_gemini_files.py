"""Google's Files API on this machine, for a fake of any service that is shown files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fake_provider import Answer, Asked


@dataclass
class Held:
    """A file. looks: how often it was asked for since it came."""

    name: str
    kind: str
    title: str
    size: int
    content: bytes | None = None
    looks: int = 0


class FakeFiles:
    """held: files by their names, `files/ID`. url: of the server.

    prepared_after: looks that show a file as PROCESSING. broken: whether none can be read.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.held: dict[str, Held] = {}
        self.prepared_after = 1
        self.broken = False

    def handle(self, asked: Asked) -> Answer | None:
        """None for what is no affair of files. The key is checked by the caller, but for the bytes."""
        place = asked.place.strip("/")
        if place.startswith("upload/v1beta/files"):
            return self._began(asked)
        if place.startswith("room/"):
            return self._came(place.removeprefix("room/"), asked)
        if place.startswith("v1beta/files/") and asked.method == "GET":
            return self._shown(place.removeprefix("v1beta/"))
        return None

    def _began(self, asked: Asked) -> Answer:
        headers = asked.headers
        assert headers["x-goog-upload-protocol"] == "resumable"
        assert headers["x-goog-upload-command"] == "start"
        said = asked.json["file"]
        name = said.get("name") or f"files/f{len(self.held)}"
        if name in self.held and self.held[name].content is not None:
            return Answer(409, {"error": {"code": 409, "status": "ALREADY_EXISTS", "message": "it is there"}})
        kind, size = (
            headers["x-goog-upload-header-content-type"],
            headers["x-goog-upload-header-content-length"],
        )
        self.held[name] = Held(name, kind, said.get("display_name", ""), int(size))
        target = f"{self.url}/room/{name}?upload_id=1"
        return Answer(200, {}, {"X-Goog-Upload-URL": target, "X-Goog-Upload-Status": "active"})

    def _came(self, name: str, asked: Asked) -> Answer:
        assert "x-goog-api-key" not in asked.headers, "the key has no business there"
        assert asked.headers["x-goog-upload-command"] == "upload, finalize"
        assert asked.headers["x-goog-upload-offset"] == "0"
        held = self.held[name]
        assert len(asked.body) == held.size
        held.content = asked.body
        return Answer(200, {"file": self.said(held)}, {"X-Goog-Upload-Status": "final"})

    def _shown(self, name: str) -> Answer:
        held = self.held.get(name)
        if held is None or held.content is None:
            words = f"You do not have permission to access the File {name} or it may not exist."
            return Answer(403, {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": words}})
        held.looks += 1
        return Answer(200, self.said(held))

    def said(self, held: Held) -> dict[str, Any]:
        state = "PROCESSING" if held.looks < self.prepared_after else "FAILED" if self.broken else "ACTIVE"
        error = {"error": {"code": 3, "message": "it is no video"}} if state == "FAILED" else {}
        return {
            "name": held.name,
            "displayName": held.title,
            "mimeType": held.kind,
            "sizeBytes": str(held.size),
            "expirationTime": "2033-05-18T03:33:20.123456789Z",
            "uri": f"{self.url}/v1beta/{held.name}",
            "state": state,
            "source": "UPLOADED",
            **error,
        }

"""The Interactions API of Gemini on this machine: jobs that wait, run and end as they are told to."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any

from fake_gemini_files import FakeFiles, Held
from fake_provider import Answer, Asked, FakeProvider

NOW = "2026-11-26T04:00:00Z"


@dataclass
class Job:
    """body: as it was asked. looks: how often it was looked at. fetched: of its files, how often."""

    body: Any
    looks: int = 0
    cancelled: bool = False
    fetched: list[str] = field(default_factory=list)


class FakeGeminiOmni(FakeProvider):
    """film: what a job makes. key: that it takes. states: what its looks show before it ends.

    ending: what it ends with in place of a video. files: those it is shown, and those it makes.
    """

    model = "gemini-omni/1.1-flash"
    create = ("POST", r"/v1beta/interactions")
    look = ("GET", r"/v1beta/interactions/.*")
    file = ("GET", r"/v1beta/files/.*:download")
    finds = False

    def __init__(self, film: bytes = b"a film", key: str = "google-key-of-the-tests") -> None:
        super().__init__()
        self.film, self.key = film, key
        self.states: list[str] = ["queued", "in_progress"]
        self.ending: dict[str, Any] | None = None
        self.usage: dict[str, Any] = {
            "total_input_tokens": 20,
            "total_output_tokens": 17376,
            "total_thought_tokens": 100,
            "total_tokens": 17496,
            "output_tokens_by_modality": [{"modality": "video", "tokens": 17376}],
        }
        self.jobs: dict[str, Job] = {}
        self.files = FakeFiles(self.url)

    @property
    def environment(self) -> dict[str, str]:
        return {"GEMINI_API_KEY": self.key, "MOVIOLA_GEMINI_URL": self.url}

    def handle(self, asked: Asked) -> Answer:
        place = asked.place
        if not place.startswith("/room/") and asked.headers.get("x-goog-api-key") != self.key:
            said = asked.headers.get("x-goog-api-key", "none")
            words = f"API key not valid: {said}. Please pass a valid API key."
            detail = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
            return refused(400, words, status="INVALID_ARGUMENT", details=[detail])
        if place == "/v1beta/interactions" and asked.method == "POST":
            return self._created(asked)
        if found := re.fullmatch(r"/v1beta/interactions/([^/]+)(/cancel)?", place):
            job = self.jobs.get(found[1])
            if job is None:
                return refused(400, "Invalid interaction name", code="invalid_request")
            return self._cancelled(found[1], job) if found[2] else self._looked(found[1], job)
        if found := re.fullmatch(r"/v1beta/files/(\S+):download", place):
            return self._downloaded(found[1], asked)
        return self.files.handle(asked) or Answer(404, b"<html>no such page</html>")

    def _created(self, asked: Asked) -> Answer:
        body = asked.json
        assert body["background"], "the answer would come when the video is made"
        number = f"v1_{len(self.jobs) + 1}"
        self.jobs[number] = Job(body)
        return Answer(200, self._said(number, "queued" if self.states else "in_progress"))

    def _looked(self, number: str, job: Job) -> Answer:
        if job.cancelled:
            return Answer(200, self._said(number, "cancelled"))
        job.looks += 1
        if job.looks <= len(self.states):
            return Answer(200, self._said(number, self.states[job.looks - 1]))
        if self.ending is not None:
            return Answer(200, self._said(number, "completed") | self.ending)
        return Answer(200, self._said(number, "completed") | self._made(number, job))

    def _made(self, number: str, job: Job) -> dict[str, Any]:
        if job.body["response_format"].get("delivery") == "uri":
            name = f"files/made-{number.removeprefix('v1_')}"
            self.files.held.setdefault(name, Held(name, "video/mp4", "", len(self.film), self.film))
            place = {"uri": f"{self.url}/v1beta/{name}:download?alt=media"}
        else:
            place = {"data": base64.b64encode(self.film).decode()}
        video = {"type": "video", "mime_type": "video/mp4", **place}
        return {"steps": [{"type": "model_output", "content": [video]}], "usage": self.usage}

    def _downloaded(self, id: str, asked: Asked) -> Answer:
        assert "alt=media" in asked.path
        held = self.files.held[f"files/{id}"]
        if held.looks < self.files.prepared_after:
            return refused(400, "the file is not ready", code="failed_precondition")
        self.jobs[f"v1_{id.removeprefix('made-')}"].fetched.append(asked.path)
        return Answer(200, held.content, {"Content-Type": "video/mp4", "ETag": '"film"'})

    def _cancelled(self, number: str, job: Job) -> Answer:
        if job.looks > len(self.states):
            return refused(400, "Only background interactions that are running can be cancelled.")
        job.cancelled = True
        return Answer(200, self._said(number, "cancelled"))

    def _said(self, number: str, status: str) -> dict[str, Any]:
        body = self.jobs[number].body
        return {
            "id": number,
            "object": "interaction",
            "status": status,
            "model": body["model"],
            "created": NOW,
            "updated": NOW,
        }


def refused(code: int, message: str, /, **error: Any) -> Answer:
    """A refusal as Google words it. error: what it says beside, or in place."""
    return Answer(code, {"error": {"code": code, "message": message, **error}})


def says(text: str) -> dict[str, Any]:
    """An ending with a text in place of a video."""
    content = {"type": "text", "text": text}
    usage = {"total_input_tokens": 20, "output_tokens_by_modality": [{"modality": "text", "tokens": 9}]}
    return {"steps": [{"type": "model_output", "content": [content]}], "usage": usage}

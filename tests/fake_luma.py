"""Luma's two APIs on this machine: generations that wait, run and end as they are told to, and films."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from fake_provider import Answer, Asked, FakeProvider

AT = datetime(2026, 11, 26, tzinfo=UTC).isoformat()


@dataclass
class Job:
    """action, body: as they were asked. looks: how often it was looked at. fetched: its links."""

    action: str
    body: Any
    looks: int = 0
    fetched: list[str] = field(default_factory=list)


@dataclass
class Kept:
    """A file that was brought. said: what was told of it beforehand. whole: whether it is said to be."""

    said: dict[str, Any]
    content: bytes | None = None
    whole: bool = False
    looks: int = 0


class _FakeGenerations(FakeProvider):
    """film: what a job makes. key: that it takes. states: what its looks show before it is completed.

    failure: what a generation says of why it failed; none has where it is empty. result: what a generation
    says beside, once it is completed.
    """

    finds = False
    look = ("GET", r"/generations/[^/]+")
    file = ("GET", r"/films/.*")
    states: tuple[str, ...]

    def __init__(self, film: bytes = b"a film", key: str = "luma-key-of-the-tests") -> None:
        super().__init__()
        self.film, self.key = film, key
        self.failure: dict[str, Any] = {}
        self.result: dict[str, Any] | None = None
        self.jobs: dict[str, Job] = {}

    def handle(self, asked: Asked) -> Answer:
        place = asked.place.strip("/")
        if place.startswith("films/"):
            self.jobs[place.split("/")[1]].fetched.append(place)
            return Answer(200, self.film, {"Content-Type": "video/mp4", "ETag": '"film"'})
        if (open_to_all := self.unlocked(place, asked)) is not None:
            return open_to_all
        if asked.headers.get("authorization") != f"Bearer {self.key}":
            return Answer(401, {"detail": f"Invalid API key: {asked.headers.get('authorization')}"})
        if asked.method == "POST" and re.fullmatch(self.create[1], f"/{place}"):
            return self.refusal(place, asked.json) or self._made(place, asked)
        if asked.method == "GET" and place.startswith("generations/"):
            return self._looked_at(place.removeprefix("generations/"))
        return self.other(place, asked)

    def unlocked(self, place: str, asked: Asked) -> Answer | None:
        return None

    def refusal(self, place: str, body: Any) -> Answer | None:
        return None

    def other(self, place: str, asked: Asked) -> Answer:
        return Answer(404, {"detail": "Not found"})

    def _made(self, place: str, asked: Asked) -> Answer:
        number = f"00000000-0000-4000-8000-{len(self.jobs) + 1:012d}"
        self.jobs[number] = Job(place.removeprefix("generations").strip("/"), asked.json)
        return Answer(201, self.generation(number, "queued"))

    def _looked_at(self, number: str) -> Answer:
        if number not in self.jobs:
            return Answer(404, {"detail": "Generation not found"})
        job = self.jobs[number]
        job.looks += 1
        if job.looks <= len(self.states):
            return Answer(200, self.generation(number, self.states[job.looks - 1]))
        if self.failure:
            return Answer(200, self.generation(number, "failed") | self.failure)
        made = self.made(self.link(number)) if self.result is None else self.result
        return Answer(200, self.generation(number, "completed") | made)

    def link(self, number: str) -> str:
        """A new one at every look."""
        return f"{self.url}/films/{number}/{self.jobs[number].looks}.mp4?sig=secret"


class FakeLuma(_FakeGenerations):
    """The Agents API. file_states: what looks at a file show before it is ready. file_end: how it ends."""

    model = "luma/ray-3.2"
    create = ("POST", r"/generations")

    def __init__(self, film: bytes = b"a film") -> None:
        super().__init__(film)
        self.states = ("queued", "processing")
        self.file_states: tuple[str, ...] = ("pending",)
        self.file_end: dict[str, Any] = {"state": "ready"}
        self.files: dict[str, Kept] = {}

    @property
    def environment(self) -> dict[str, str]:
        return {"LUMA_AGENTS_API_KEY": self.key, "MOVIOLA_LUMA_URL": self.url}

    def generation(self, number: str, state: str) -> dict[str, Any]:
        body = self.jobs[number].body
        said = {"id": number, "created_at": AT, "model": body["model"], "type": body["type"], "state": state}
        return said | {"failure_code": None, "failure_reason": None, "output": None}

    def made(self, link: str) -> dict[str, Any]:
        return {"output": [{"type": "video", "url": link}]}

    def refusal(self, place: str, body: Any) -> Answer | None:
        if body["model"] != "ray-3.2":
            return Answer(400, {"detail": f"model {body['model']} is not available"})
        video = body["video"]
        refs = [body.get("source"), video.get("start_frame"), video.get("end_frame")]
        refs += video.get("keyframes", [])
        numbers = [ref["file_id"] for ref in refs if ref and "file_id" in ref]
        if any(self._state(number)["state"] != "ready" for number in numbers):
            return Answer(422, {"detail": "source: the file is not ready"})
        return None

    def unlocked(self, place: str, asked: Asked) -> Answer | None:
        if asked.method != "PUT" or not place.startswith("room/"):
            return None
        if asked.headers.get("x-amz-meta-signed") != "yes":
            return Answer(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        self.files[place.removeprefix("room/")].content = asked.body
        return Answer(200)

    def other(self, place: str, asked: Asked) -> Answer:
        if (asked.method, place) == ("POST", "files"):
            number = f"00000000-0000-4000-9000-{len(self.files) + 1:012d}"
            self.files[number] = Kept(asked.json)
            until = (datetime.fromisoformat(AT) + timedelta(hours=1)).isoformat()
            upload = {
                "method": "PUT",
                "url": f"{self.url}/room/{number}?sig=1",
                "headers": {"Content-Type": asked.json["mime_type"], "x-amz-meta-signed": "yes"},
                "expires_at": until,
            }
            file = self._file(number)
            return Answer(201, {"id": number, "state": file["state"], "file": file, "upload": upload})
        number, _, what = place.removeprefix("files/").partition("/")
        kept = self.files.get(number)
        if kept is None:
            return Answer(404, {"detail": "File not found"})
        if what == "complete":
            if kept.whole:
                return Answer(409, {"detail": "File is complete already"})
            if kept.content is None or len(kept.content) != kept.said["size_bytes"]:
                return Answer(400, {"detail": "the content is not there"})
            kept.whole = True
        else:
            kept.looks += 1
        return Answer(200, self._file(number))

    def _state(self, number: str) -> dict[str, Any]:
        kept = self.files[number]
        if not kept.whole:
            return {"state": "pending"}
        shown = max(kept.looks, 1)
        return {"state": self.file_states[shown - 1]} if shown <= len(self.file_states) else self.file_end

    def _file(self, number: str) -> dict[str, Any]:
        said = self.files[number].said
        named = {name: said[name] for name in ("mime_type", "size_bytes", "filename")}
        return {"id": number, "created_at": AT, "purpose": "input", **named, **self._state(number)}


class FakeDreamMachine(_FakeGenerations):
    """The older API."""

    model = "luma/ray-2"
    create = ("POST", r"/generations/video(/modify|/reframe)?")

    def __init__(self, film: bytes = b"a film") -> None:
        super().__init__(film)
        self.states = ("queued", "dreaming")

    @property
    def environment(self) -> dict[str, str]:
        return {"LUMAAI_API_KEY": self.key, "MOVIOLA_LUMA_DREAM_MACHINE_URL": self.url}

    def generation(self, number: str, state: str) -> dict[str, Any]:
        body = self.jobs[number].body
        said = {"id": number, "created_at": AT, "model": body["model"], "request": body, "state": state}
        return said | {"generation_type": "video", "failure_reason": None, "assets": None}

    def made(self, link: str) -> dict[str, Any]:
        return {"assets": {"video": link, "image": None, "progress_video": None}}

    def refusal(self, place: str, body: Any) -> Answer | None:
        if body["model"] not in ("ray-2", "ray-flash-2"):
            return Answer(400, {"detail": f"Model {body['model']} is not supported"})
        return None

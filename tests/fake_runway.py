"""Runway on this machine: jobs that wait, run and end as they are told to, and files that come and go."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fake_provider import Answer, Asked, FakeProvider

ACTIONS = (
    "text_to_video",
    "image_to_video",
    "video_to_video",
    "character_performance",
    "video_upscale",
    "video_to_hdr",
)


@dataclass
class Job:
    """action, body: as they were asked. looks: how often it was looked at. fetched: its files, how often."""

    action: str
    body: Any
    looks: int = 0
    cancelled: bool = False
    fetched: list[str] = field(default_factory=list)


class FakeRunway(FakeProvider):
    """film: what a job makes. key: that it takes. states: what its looks show before it ends.

    end: how it ends. credits: what it costs. links: how many of a job's links are good, the newest first.
    """

    model = "runway/gen4.5"
    create = ("POST", r"/v1/(text|image|video)_to_video")
    look = ("GET", r"/v1/tasks/[^/]+")
    file = ("GET", r"/files/.*")
    finds = False

    def __init__(self, film: bytes = b"a film", key: str = "runway-key-of-the-tests") -> None:
        super().__init__()
        self.film, self.key = film, key
        self.states: list[dict[str, Any]] = [{"status": "PENDING"}, {"status": "RUNNING", "progress": 0.25}]
        self.end: dict[str, Any] = {"status": "SUCCEEDED"}
        self.credits = 60
        self.links = 1
        self.jobs: dict[str, Job] = {}
        self.kept: dict[str, bytes] = {}

    @property
    def environment(self) -> dict[str, str]:
        return {"RUNWAYML_API_SECRET": self.key, "MOVIOLA_RUNWAY_URL": self.url}

    def handle(self, asked: Asked) -> Answer:
        place = asked.place.strip("/")
        if place.startswith("files/"):
            return self._file(place, asked.path)
        if place == "room":
            return self._keep(asked)
        if asked.headers.get("authorization") != f"Bearer {self.key}":
            said = asked.headers.get("authorization", "none")
            return Answer(401, {"error": f"You did not provide a valid API key: {said}"})
        if asked.headers.get("x-runway-version") != "2024-11-06":
            return Answer(400, {"error": "X-Runway-Version header is missing or not known"})
        if asked.method == "POST" and place == "v1/uploads":
            return self._room(asked.json)
        action = place.removeprefix("v1/")
        if asked.method == "POST" and action in ACTIONS:
            return self._make(action, asked.json)
        job = self.jobs.get(action.removeprefix("tasks/"))
        if job is None or job.cancelled:
            return Answer(404, {"error": "Could not find Task"})
        if asked.method == "DELETE":
            # Whether it has ended or not.
            job.cancelled = True
            return Answer(204)
        return self._task(action.removeprefix("tasks/"), job)

    def _make(self, action: str, body: Any) -> Answer:
        id = f"0b5e2f1c-0000-4000-8000-{len(self.jobs) + 1:012}"
        self.jobs[id] = Job(action, body)
        return Answer(200, {"id": id, "estimatedCost": {"credits": self.credits}})

    def _task(self, id: str, job: Job) -> Answer:
        job.looks += 1
        said: dict[str, Any] = {"id": id, "createdAt": "2026-11-26T04:00:00.000Z"}
        if job.looks <= len(self.states):
            said |= self.states[job.looks - 1] | {"estimatedCost": {"credits": self.credits}}
        else:
            said |= self.end | {"cost": {"credits": self.credits}}
            if said["status"] == "SUCCEEDED":
                said.setdefault("output", [f"{self.url}/files/{id}/film.mp4?_jwt={job.looks}"])
        return Answer(200, said)

    def _file(self, place: str, path: str) -> Answer:
        job = self.jobs[place.split("/")[1]]
        number = int(parse_qs(urlsplit(path).query)["_jwt"][0])
        if number <= job.looks - self.links:
            return Answer(
                403, b"<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "application/xml"}
            )
        job.fetched.append(path)
        return Answer(200, self.film, {"Content-Type": "video/mp4", "ETag": '"film"'})

    def _room(self, asked: Any) -> Answer:
        name = f"{len(self.kept)}-{asked['filename']}"
        return Answer(
            200,
            {
                "uploadUrl": f"{self.url}/room",
                "fields": {"key": name, "policy": "cG9saWN5", "x-amz-signature": "5ig"},
                "runwayUri": f"runway://{name}",
            },
        )

    def _keep(self, asked: Asked) -> Answer:
        """A form, of which the file is the last part."""
        parts = dict(re.findall(rb'name="([\w-]+)".*?\r\n\r\n(.*?)\r\n--', asked.body, re.DOTALL))
        if list(parts)[-1:] != [b"file"] or b"x-amz-signature" not in parts:
            return Answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        self.kept[parts[b"key"].decode()] = parts[b"file"]
        return Answer(204)

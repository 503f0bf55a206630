"""Veo on Google Cloud on this machine: operations that run and end as they are told to, and buckets."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any

from fake_provider import Answer, Asked, FakeProvider

_PLACE = r"/v1/(projects/[^/]+/locations/[^/]+/publishers/google/models/[^/:]+):(\w+)"

PREDICTION = "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse"


@dataclass
class Job:
    """body: as it was asked. looks: how often it was looked at."""

    body: Any
    looks: int = 0


class FakeVertex(FakeProvider):
    """film: what a job makes. token: that it takes. runs: looks before a job ends.

    ending: the end of an operation in place of one with a video.
    """

    model = "veo/3.1"
    create = ("POST", r"/v1/.*:predictLongRunning")
    look = ("POST", r"/v1/.*:fetchPredictOperation")
    file = ("GET", r"/bucket/.*")
    finds = False

    def __init__(self, film: bytes = b"a film", token: str = "google-token-of-the-tests") -> None:
        super().__init__()
        self.film, self.token = film, token
        self.runs = 2
        self.ending: dict[str, Any] | None = None
        self.jobs: dict[str, Job] = {}

    @property
    def environment(self) -> dict[str, str]:
        return {
            "GOOGLE_ACCESS_TOKEN": self.token,
            "GOOGLE_CLOUD_PROJECT": "a-project",
            "GOOGLE_CLOUD_LOCATION": "europe-west4",
            "MOVIOLA_VERTEX_URL": self.url,
        }

    @property
    def asks(self) -> dict[str, Any]:
        """With which what is made has an address."""
        return {"options": {"storage_uri": "gs://bucket/films"}}

    def handle(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return refused(401, "Request had invalid authentication credentials.", status="UNAUTHENTICATED")
        if asked.place.startswith("/bucket/"):
            return Answer(200, self.film, {"Content-Type": "video/mp4", "ETag": '"film"'})
        found = re.fullmatch(_PLACE, asked.place)
        assert found, asked.place
        if found[2] == "predictLongRunning":
            name = f"{found[1]}/operations/{len(self.jobs) + 1}"
            self.jobs[name] = Job(asked.json)
            return Answer(200, {"name": name})
        name = asked.json["operationName"]
        assert name.startswith(found[1]), "an operation is asked for at its model"
        if name not in self.jobs:
            return refused(404, "Operation not found", status="NOT_FOUND")
        return Answer(200, self._said(name, self.jobs[name]))

    def _said(self, name: str, job: Job) -> dict[str, Any]:
        job.looks += 1
        if job.looks <= self.runs:
            return {"name": name}
        if self.ending is not None:
            return {"name": name, "done": True, **self.ending}
        bucket = job.body["parameters"].get("storageUri")
        place = (
            {"gcsUri": f"{bucket}/1/sample_0.mp4"}
            if bucket
            else {"bytesBase64Encoded": base64.b64encode(self.film).decode()}
        )
        video = {"mimeType": "video/mp4", **place}
        response = {"@type": PREDICTION, "raiMediaFilteredCount": 0, "videos": [video]}
        return {"name": name, "done": True, "response": response}


def refused(code: int, message: str, /, **error: Any) -> Answer:
    """A refusal as Google words it. error: what it says beside, or in place."""
    return Answer(code, {"error": {"code": code, "message": message, **error}})

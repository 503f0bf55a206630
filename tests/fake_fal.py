"""fal's queue on this machine: jobs that wait, run and end as they are told to, and the files they make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fake_provider import Answer, Asked, FakeProvider


@dataclass
class Job:
    """app, body, webhook: as they were asked. looks: how often it was looked at.

    fetched: of its links, how often.
    """

    app: str
    body: Any
    webhook: str = ""
    looks: int = 0
    cancelled: bool = False
    fetched: list[str] = field(default_factory=list)


class FakeFal(FakeProvider):
    """film: what a job makes. key: that it takes. states: what its looks show before it is completed.

    error: what the state of a completed job says beside. result: what the app answers in place of a video.
    keys: by which it signs its calls.
    """

    model = "pika/2.2"
    create = ("POST", "/fal-ai/.*")
    look = ("GET", ".*/status")
    file = ("GET", "/files/.*")
    finds = False

    def __init__(self, film: bytes = b"a film", key: str = "fal-key-of-the-tests") -> None:
        super().__init__()
        self.film, self.key = film, key
        self.states: list[dict[str, Any]] = [
            {"status": "IN_QUEUE", "queue_position": 2},
            {"status": "IN_PROGRESS", "logs": []},
        ]
        self.error: dict[str, Any] = {}
        self.result: Answer | None = None
        self.keys: list[Any] = []
        self.jobs: dict[str, Job] = {}
        self.kept: dict[str, bytes] = {}

    @property
    def environment(self) -> dict[str, str]:
        return {"FAL_KEY": self.key, "MOVIOLA_FAL_URL": self.url}

    def handle(self, asked: Asked) -> Answer:
        place = asked.place.strip("/")
        if place.startswith("files/"):
            return self._file(place)
        if place.startswith("room/"):
            self.kept[place.removeprefix("room/")] = asked.body
            return Answer(200)
        if place == ".well-known/jwks.json":
            return Answer(200, {"keys": self.keys})
        if asked.headers.get("authorization") != f"Key {self.key}":
            said = asked.headers.get("authorization", "none")
            return Answer(401, {"detail": f"Cannot access application: {said} is no key"})
        if place == "storage/upload/initiate":
            name = f"{len(self.kept)}-{asked.json['file_name']}"
            return Answer(
                200, {"upload_url": f"{self.url}/room/{name}?sig=1", "file_url": f"{self.url}/kept/{name}"}
            )
        if asked.method == "POST":
            return self._submit(place, asked)
        owner_app, _, rest = place.partition("/requests/")
        number, _, what = rest.partition("/")
        if number not in self.jobs or owner_app.count("/") != 1:
            return Answer(404, {"detail": "Request not found"})
        job = self.jobs[number]
        if what == "status":
            return self._status(job, number)
        if what == "cancel" and asked.method == "PUT":
            return self._cancel(job)
        return self._result(job, number)

    def _submit(self, app: str, asked: Asked) -> Answer:
        number = f"r-{len(self.jobs) + 1}"
        webhook = parse_qs(urlsplit(asked.path).query).get("fal_webhook", [""])[0]
        self.jobs[number] = Job(app, asked.json, webhook)
        # The addresses of an app with a long path hold only its first two parts.
        base = f"{self.url}/{'/'.join(app.split('/')[:2])}/requests/{number}"
        urls = {"response_url": base, "status_url": f"{base}/status", "cancel_url": f"{base}/cancel"}
        return Answer(200, {"request_id": number, "status": "IN_QUEUE", **urls})

    def _status(self, job: Job, number: str) -> Answer:
        job.looks += 1
        if job.looks <= len(self.states):
            return Answer(202, {"request_id": number, **self.states[job.looks - 1]})
        ended = {"request_id": number, "status": "COMPLETED", "logs": None, "metrics": {}}
        return Answer(200, ended | self.error)

    def _cancel(self, job: Job) -> Answer:
        if job.looks > len(self.states) or job.cancelled:
            return Answer(409, {"status": "ALREADY_COMPLETED"})
        job.cancelled = True
        return Answer(202, {"status": "CANCELLATION_REQUESTED"})

    def _result(self, job: Job, number: str) -> Answer:
        if self.result is not None:
            return self.result
        video = {"url": f"{self.url}/files/{number}/film.mp4", "content_type": "video/mp4", "file_size": 6}
        return Answer(200, {"video": video, "seed": 7})

    def _file(self, place: str) -> Answer:
        self.jobs[place.split("/")[1]].fetched.append(place)
        return Answer(200, self.film, {"Content-Type": "video/mp4", "ETag": '"film"'})

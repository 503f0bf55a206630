"""Replicate on this machine: predictions that start, run and end as they are told to, and what they make."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from typing import Any

from fake_provider import Answer, Asked, FakeProvider

_CREATE = re.compile(r"/v1/(?:models/([\w.-]+/[\w.-]+)/|(deployments/[\w.-]+/[\w.-]+)/)?predictions")


@dataclass
class Job:
    """model, version, body, headers: as they were asked. looks: how often it was looked at. fetched: its
    files, as often as they were."""

    model: str
    version: str
    body: Any
    headers: Any
    looks: int = 0
    cancelled: bool = False
    fetched: list[str] = field(default_factory=list)


class FakeReplicate(FakeProvider):
    """film: what a job makes. key: that it takes. states: what its looks show before it has ended.

    end: what a prediction that has ended says, over what it would. community: models that are run by a
    version alone, with their newest. gone: models and versions that there are no more. kept: files that were
    brought. page: predictions of a page of the list. ended: when jobs end. removed: whether what they made is
    removed. secret: by which it signs its calls.
    """

    model = "replicate/acme/lake"
    create = ("POST", r"/v1/models/acme/lake/predictions")
    look = ("GET", r"/v1/predictions/p\d+")
    file = ("GET", r"/delivery/.*")
    finds = False

    def __init__(self, film: bytes = b"a film", key: str = "replicate-key-of-the-tests") -> None:
        super().__init__()
        self.film, self.key = film, key
        self.environment = {"REPLICATE_API_TOKEN": key, "MOVIOLA_REPLICATE_URL": f"{self.url}/v1"}
        self.states: list[dict[str, Any]] = [{"status": "starting"}, {"status": "processing", "logs": ""}]
        self.end: dict[str, Any] = {}
        self.community: dict[str, str] = {}
        self.gone: set[str] = set()
        self.kept: dict[str, bytes] = {}
        self.page = 100
        self.ended = datetime.now(UTC)
        self.removed = False
        self.secret: Any = None
        self.jobs: dict[str, Job] = {}

    def handle(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {self.key}":
            said = asked.headers.get("authorization", "none")
            return _problem(401, "Unauthenticated", f"You did not pass a valid token: {said}")
        place = asked.place.removeprefix("/v1/")
        if asked.place.startswith("/delivery/"):
            return self._delivered(asked.place)
        if asked.method == "POST" and (found := _CREATE.fullmatch(asked.place)):
            return self._create(found[1], found[2], asked)
        if place == "files" and asked.method == "POST":
            return self._file(asked)
        if place == "webhooks/default/secret":
            return Answer(200, {"key": self.secret})
        if place == "predictions":
            return self._list(asked)
        kind, _, rest = place.partition("/")
        if kind == "models" and rest in self.community:
            return Answer(200, {"latest_version": {"id": self.community[rest]}})
        number, _, what = rest.partition("/")
        if kind != "predictions" or number not in self.jobs:
            return _problem(404, "Not found", "The requested resource could not be found.")
        job = self.jobs[number]
        if what == "cancel" and asked.method == "POST":
            job.cancelled = job.looks <= len(self.states)
            return Answer(200, self._prediction(number))
        job.looks += 1
        return Answer(200, self._prediction(number))

    def _create(self, model: str | None, deployment: str | None, asked: Asked) -> Answer:
        body = asked.json
        version = body.get("version") or "hidden"
        if {model, version} & self.gone or model in self.community:
            if model is None:
                detail = (
                    "The specified version does not exist (or perhaps you don't have permission to use it?)"
                )
                return _problem(422, "Invalid version or not permitted", detail)
            return _problem(404, "Not found", "The requested resource could not be found.")
        number = f"p{len(self.jobs) + 1}"
        self.jobs[number] = Job(deployment or model or "acme/of-the-version", version, body, asked.headers)
        return Answer(201, self._prediction(number))

    def _prediction(self, number: str) -> dict[str, Any]:
        job = self.jobs[number]
        told = {
            "id": number,
            "model": job.model,
            "version": job.version,
            "input": job.body["input"],
            "logs": None,
            "output": None,
            "error": None,
            "data_removed": False,
            "status": "starting",
            "source": "api",
            "created_at": _time(self.ended - timedelta(minutes=1)),
            "started_at": None,
            "completed_at": None,
            "urls": {
                "get": f"{self.url}/v1/predictions/{number}",
                "cancel": f"{self.url}/v1/predictions/{number}/cancel",
                "web": f"https://replicate.com/p/{number}",
            },
        }
        if job.cancelled:
            return told | {"status": "canceled", "completed_at": _time(self.ended)}
        if job.looks <= len(self.states):
            return told | (self.states[job.looks - 1] if job.looks else {})
        end = {
            "status": "succeeded",
            "output": f"{self.url}/delivery/{number}/film.mp4",
            "completed_at": _time(self.ended),
            "metrics": {"predict_time": 2.5, "total_time": 3.5},
        }
        removed = {"input": {}, "output": None, "data_removed": True} if self.removed else {}
        return told | end | self.end | removed

    def _list(self, asked: Asked) -> Answer:
        start = int(asked.path.partition("cursor=")[2] or 0)
        newest = sorted(self.jobs, key=lambda number: int(number[1:]), reverse=True)
        following = f"{self.url}/v1/predictions?cursor={start + self.page}"
        return Answer(
            200,
            {
                "next": following if start + self.page < len(newest) else None,
                "previous": None,
                "results": [self._prediction(number) for number in newest[start : start + self.page]],
            },
        )

    def _file(self, asked: Asked) -> Answer:
        head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
        parts = {
            str(part.get_param("name", header="content-disposition")): part
            for part in message_from_bytes(head + asked.body).get_payload()
        }
        content = parts["content"].get_payload(decode=True)
        name = f"{len(self.kept)}-{parts['content'].get_filename()}"
        self.kept[name] = content
        return Answer(
            201,
            {
                "id": name,
                "name": parts["content"].get_filename(),
                "content_type": parts["content"].get_content_type(),
                "size": len(content),
                "etag": "e",
                "checksums": {"sha256": "0"},
                "metadata": {},
                "created_at": _time(self.ended),
                "expires_at": _time(self.ended + timedelta(days=1)),
                "urls": {"get": f"{self.url}/v1/files/{name}"},
            },
        )

    def _delivered(self, place: str) -> Answer:
        number = place.split("/")[2]
        if self.removed:
            return Answer(404)
        if number in self.jobs:
            self.jobs[number].fetched.append(place)
        return Answer(200, self.film, {"Content-Type": "video/mp4", "ETag": '"film"'})


def _problem(status: int, title: str, detail: str) -> Answer:
    told = {"title": title, "detail": detail, "status": status}
    return Answer(status, json.dumps(told).encode(), {"Content-Type": "application/problem+json"})


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")

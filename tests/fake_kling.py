"""Kling's API on this machine: tasks that are submitted, run and end as they are told to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fake_provider import Answer, Asked, FakeProvider

ACTIONS = ("text2video", "image2video", "omni-video")


@dataclass
class Job:
    """action, body: as they were asked. looks: how often it was looked at. fetched: which of its links."""

    action: str
    body: Any
    looks: int = 0
    fetched: list[str] = field(default_factory=list)


class FakeKling(FakeProvider):
    """film: what a task makes. access, secret: the keys whose signature it takes. now: its clock.

    states: what looks show before a task is done. end: what a look shows then in place of success.
    by_reference: whether a task can be asked for by our own name of it. listed: whether there is a list.
    """

    model = "kling/v3"
    create = ("POST", r"/v1/videos/text2video")
    look = ("GET", r"/v1/videos/text2video/8\d+")
    file = ("GET", r"/files/.*")
    finds = True

    def __init__(self, film: bytes = b"a film") -> None:
        super().__init__()
        self.film = film
        self.access, self.secret = "access-key-of-the-tests", "secret-key-of-the-tests-0123456789"
        self.now: Callable[[], float] = time.time
        self.states = ["submitted", "processing"]
        self.end: dict[str, Any] = {}
        self.by_reference = self.listed = True
        self.jobs: dict[str, Job] = {}

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KLING_ACCESS_KEY": self.access,
            "KLING_SECRET_KEY": self.secret,
            "MOVIOLA_KLING_URL": self.url,
        }

    def handle(self, asked: Asked) -> Answer:
        if asked.place.startswith("/files/"):
            return self._file(asked)
        if (refused := self._unsigned(asked.headers.get("authorization", ""))) is not None:
            return refused
        action, _, id = asked.place.removeprefix("/v1/videos/").partition("/")
        if action not in ACTIONS:
            return said(1203, "no such resource", status=404)
        if asked.method == "POST":
            return self._submit(action, asked)
        if not id:
            tasks = [self._task(id) for id, job in self.jobs.items() if job.action == action]
            return said(0, data=tasks) if self.listed else said(1202, "no such method", status=404)
        known = {id: id} | (self._references(action) if self.by_reference else {})
        job = self.jobs.get(known.get(id, ""))
        if job is None or job.action != action:
            return said(1203, f"no task {id}", status=404)
        job.looks += 1
        return said(0, data=self._task(known[id]))

    def _references(self, action: str) -> dict[str, str]:
        jobs = [(id, job) for id, job in self.jobs.items() if job.action == action]
        return {job.body["external_task_id"]: id for id, job in jobs if job.body.get("external_task_id")}

    def _submit(self, action: str, asked: Asked) -> Answer:
        body = asked.json
        if not isinstance(body.get("duration", ""), str):
            return said(1201, "duration: not a string", status=400)
        if body.get("external_task_id") in self._references(action):
            return said(1201, "external_task_id: not unique", status=400)
        id = f"86{len(self.jobs) + 1:016}"
        self.jobs[id] = Job(action, body)
        return said(0, data=self._task(id))

    def _task(self, id: str) -> dict[str, Any]:
        job = self.jobs[id]
        task = {
            "task_id": id,
            "task_status": "succeed" if job.looks > len(self.states) else "submitted",
            "task_info": {"external_task_id": job.body.get("external_task_id", "")},
            "created_at": 1774805076166,
            "updated_at": 1774805076166,
        }
        if 0 < job.looks <= len(self.states):
            task["task_status"] = self.states[job.looks - 1]
        if task["task_status"] == "succeed":
            video = {"id": f"v-{id}", "url": f"{self.url}/files/{id}/{job.looks}.mp4", "duration": "5.1"}
            task |= {"task_result": {"videos": [video]}, "final_unit_deduction": "3"} | self.end
        return task

    def _file(self, asked: Asked) -> Answer:
        self.jobs[asked.place.split("/")[2]].fetched.append(asked.place)
        return Answer(200, self.film, {"Content-Type": "video/mp4", "ETag": '"film"'})

    def _unsigned(self, authorization: str) -> Answer | None:
        """The refusal of a token, read by RFC 7515 and 7519 and by no library."""
        if not authorization:
            return said(1001, "Authorization is empty", status=401)
        token = authorization.removeprefix("Bearer ")
        signed, _, signature = token.rpartition(".")
        right = hmac.new(self.secret.encode(), signed.encode(), hashlib.sha256).digest()
        parts = [_decoded(part) for part in token.split(".")]
        if len(parts) != 3 or not hmac.compare_digest(_decoded(signature), right):
            return said(1002, f"Authorization is invalid: {token}", status=401)
        head, claims = json.loads(parts[0]), json.loads(parts[1])
        if head != {"alg": "HS256", "typ": "JWT"} or claims["iss"] != self.access:
            return said(1000, f"Authentication failed: {claims['iss']}", status=401)
        if claims["nbf"] > self.now():
            return said(1003, "Authorization is not yet valid", status=401)
        if claims["exp"] <= self.now():
            return said(1004, "Authorization has expired", status=401)
        return None


def said(code: int, message: str = "SUCCEED", *, data: Any = None, status: int = 200) -> Answer:
    """An answer in Kling's envelope."""
    body = {"code": code, "message": message, "request_id": "9984d27b"}
    return Answer(status, body if data is None else body | {"data": data})


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

"""Runway's API for programs, which has models of its own and of others: https://docs.dev.runwayml.com/api

    POST   /v1/text_to_video and its like → id
    GET    /v1/tasks/{id}                 → PENDING, THROTTLED, RUNNING, SUCCEEDED, FAILED, CANCELLED
    DELETE /v1/tasks/{id}                 → cancels what has not ended, and deletes what has, without asking
    POST   /v1/uploads                    → an address to send a file to, and the runway:// that it then has

A job cannot be found by anything but its id. Facts with their sources are on the cards of `models/runway.py`.
"""

from __future__ import annotations

import math
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import httpx

from moviola.errors import (
    CannotCancelError,
    HostedError,
    InputError,
    InvalidInputError,
    ModelRetiredError,
    ModeratedError,
    ProviderDownError,
    QuotaError,
    UnknownOutcomeError,
)
from moviola.hosted.keys import Key, key
from moviola.hosted.providers.runway_models import GONE
from moviola.hosted.replies import one_line, refusal, words_of
from moviola.hosted.servers import in_place_of
from moviola.hosted.service import Failure, Order, Output, Rules, Sighting, State, Ticket, Upload, Uploaded
from moviola.hosted.transport import Reply, Transport

NAME = "runway"

API = "https://api.dev.runwayml.com"

VERSION = "2024-11-06"
"""Of the API, which every request has to name."""

_DAY = 24 * 3600.0
"""Seconds that an uploaded file is kept, and that the address of what was made holds at least."""

_OPEN: Mapping[str, State] = {"PENDING": "waiting", "THROTTLED": "waiting", "RUNNING": "running"}


def service(order: Order, transport: Transport) -> Runway:
    """Runway with the user's key. MOVIOLA_RUNWAY_URL puts another server in its place.

    Raises NotAuthorizedError without a key, InputError for one that cannot be.
    """
    api = in_place_of(API, "MOVIOLA_RUNWAY_URL")
    return Runway(transport, key(NAME, ("RUNWAYML_API_SECRET",)), api)


@dataclass(frozen=True, slots=True)
class Runway:
    """A `Service`. api: its address, without a slash at the end."""

    transport: Transport
    key: Key
    api: str = API

    name = NAME
    rules = Rules(poll_seconds=5.0, first_poll_seconds=5.0)

    @property
    def secrets(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.key.secret}"}

    def upload(self, file: Upload) -> Uploaded:
        asked = {"filename": Path(file.path).name, "type": "ephemeral"}
        told = self._good(self._ask("POST", "uploads", json=asked)).fields()
        target, fields, kept = told.get("uploadUrl"), told.get("fields"), told.get("runwayUri")
        if not (isinstance(target, str) and isinstance(fields, Mapping) and isinstance(kept, str)):
            raise ProviderDownError(f"{NAME} gives no room for a file, and does not say why")
        began = self.transport.clock.now()
        try:
            with Path(file.path).open("rb") as content:
                # The form's fields are the permission: the key has no business there.
                form = {"file": (asked["filename"], content, file.kind)}
                reply = self.transport.ask("POST", target, data=dict(fields), files=form)
        except OSError as error:
            raise InputError(f"cannot read {file.path}: {error.strerror}") from error
        if not reply.good:
            raise refusal(f"the store of {NAME}", reply, words_of(reply))
        return Uploaded(kept, began + _DAY)

    def create(self, order: Order) -> Ticket:
        reply = self.transport.create(
            f"{self.api}/v1/{order.action}",
            secrets=self.secrets,
            headers={"X-Runway-Version": VERSION, **order.headers},
            json=dict(order.body),
        )
        if not reply.good:
            raise self._not_made(reply, order)
        try:
            id = reply.fields().get("id")
        except ProviderDownError:
            id = None
        if not isinstance(id, str) or not id.strip("/. "):
            raise UnknownOutcomeError(
                f"{NAME} took the job, and says of it what makes no sense: whether it was made is not known"
            )
        return Ticket(id)

    def look(self, ticket: Ticket) -> Sighting:
        reply = self._task("GET", ticket)
        if reply.status == 404:
            # Not taken for its end: that would give up a job that is paid for, should it be shown again.
            raise HostedError(
                f"{NAME} shows no job {ticket.id} (any more): it was cancelled or deleted there, or the key "
                "is of another organization"
            )
        return self._seen(self._good(reply).fields())

    renew = look

    def cancel(self, ticket: Ticket) -> str:
        """Only what has not ended: the same request would delete what is finished, and paid for."""
        seen = self._task("GET", ticket)
        if seen.status == 404:
            return f"{NAME} has the job no more"
        status = _status(self._good(seen).fields())
        if status not in _OPEN:
            raise CannotCancelError(f"{NAME} cannot cancel the job any more ({status})")
        reply = self._task("DELETE", ticket)
        if reply.status != 404:
            self._good(reply)
        if status == "RUNNING":
            return f"{NAME} cancelled the job, and refunds nothing of one that was running"
        return f"{NAME} cancelled the job before it ran, which should cost nothing"

    def find(self, order: Order) -> Ticket | None:
        raise UnknownOutcomeError(
            f"no reply came to what was sent, and {NAME} cannot be asked for it: see by the usage at "
            "https://dev.runwayml.com whether it was made, before you try it again as a new one"
        )

    def _ask(self, method: Literal["GET", "POST", "DELETE"], path: str, **body: Any) -> Reply:
        headers = {"X-Runway-Version": VERSION}
        return self.transport.ask(
            method, f"{self.api}/v1/{path}", secrets=self.secrets, headers=headers, **body
        )

    def _task(self, method: Literal["GET", "DELETE"], ticket: Ticket) -> Reply:
        return self._ask(method, f"tasks/{quote(ticket.id, safe='')}")

    def _good(self, reply: Reply) -> Reply:
        if not reply.good:
            raise self._refusal(reply)
        return reply

    # Refusals

    def _not_made(self, reply: Reply, order: Order) -> HostedError:
        """Why nothing was made."""
        words = words_of(reply)
        closed = reply.status == 403 and "model" in words.lower() and "available" in words.lower()
        if reply.status == 404 or closed or any(field == "model" for field, _ in _issues(reply)):
            gone = GONE.get(order.model)
            instead = f"; use {NAME}/{gone.successor}" if gone else ""
            return ModelRetiredError(
                f"{NAME} has no model {order.model}, has it no more, or not for this key{instead}",
                successor=f"{NAME}/{gone.successor}" if gone else None,
            )
        return self._refusal(reply)

    def _refusal(self, reply: Reply) -> HostedError:
        """`{"error": text}`, and where fields are wrong `issues: [{path, message}]`."""
        words = words_of(reply)
        if reply.status == 400 and "credits" in words.lower():
            return QuotaError(f"{NAME}: {one_line(words)}")
        if reply.status == 429 and any(
            word in words.lower() for word in ("daily", "day", "24 hour", "quota")
        ):
            # What waiting a few minutes does not bring back.
            return QuotaError(f"{NAME}: {one_line(words)}")
        for field, message in _issues(reply):
            return InvalidInputError(f"{NAME} does not take {field or 'this'}: {one_line(message)}", field)
        return refusal(NAME, reply, words)

    # Jobs

    def _seen(self, said: Mapping[str, Any]) -> Sighting:
        status, cost = _status(said), _cost(said)
        if status == "THROTTLED":
            return Sighting("waiting", words="as many jobs run as your tier allows; this one waits its turn")
        if status == "SUCCEEDED":
            output = said.get("output")
            urls = [url for url in output if isinstance(url, str)] if isinstance(output, list) else []
            if not urls:
                raise ProviderDownError(f"{NAME} says that the job is done, and not where its video is")
            expires = self.transport.clock.now() + _DAY
            outputs = tuple(Output(url, _kind(url), expires) for url in urls)
            return Sighting("done", outputs=outputs, cost_usd=cost)
        if status == "FAILED":
            return Sighting("failed", failure=Failure.told_by(_failure(said, cost)), cost_usd=cost)
        if status == "CANCELLED":
            paid = f"; it cost ${cost}" if cost and Decimal(cost) else ""
            return Sighting("cancelled", words=f"the job was cancelled at {NAME}{paid}", cost_usd=cost)
        words = None if status in _OPEN else f"it says {status}, which is not known here"
        return Sighting(_OPEN.get(status, "running"), _progress(said), words)


def _failure(said: Mapping[str, Any], cost: str | None) -> HostedError:
    """By the failureCode, whose first parts are sure and whose last is said to be a guess:
    https://docs.dev.runwayml.com/errors/task-failures/"""
    code = said.get("failureCode")
    code = code.upper() if isinstance(code, str) else ""
    reason = one_line(said["failure"]) if isinstance(said.get("failure"), str) else "no reason given"
    paid = (
        ""
        if cost is None
        else "; it costs nothing"
        if not Decimal(cost)
        else f"; it cost ${cost} all the same"
    )
    told = f"{reason} ({one_line(code) or 'no code'}){paid}"
    match code.split("."):
        case ["SAFETY", "OUTPUT", *_]:
            return ModeratedError(f"{NAME} keeps back what it made: {told}", "output")
        case ["SAFETY", "INPUT", *which] | ["INPUT_PREPROCESSING", "SAFETY", *which]:
            return ModeratedError(
                f"{NAME} refuses what it was given: {told}", "input", [w.lower() for w in which[:1]]
            )
        case ["SAFETY", *_]:
            return ModeratedError(f"{NAME} refuses what it sees: {told}")
        case ["ASSET", *_]:
            return InvalidInputError(f"{NAME} cannot use a picture or video that it was given: {told}")
        case ["INTERNAL", "BAD_OUTPUT", *_]:
            return HostedError(
                f"{NAME} made nothing good of it: {told}; without text or logos in what it is given it may"
            )
        case ["INTERNAL", *_] | ["INPUT_PREPROCESSING", *_] | ["THIRD_PARTY", *_] | [""]:
            return ProviderDownError(f"{NAME} broke on the job: {told}; later it may do it", passing=False)
    return HostedError(f"{NAME}: {told}")


def _issues(reply: Reply) -> list[tuple[str | None, str]]:
    """The fields that are wrong, `keyframes.0.uri`, with what is wrong with each."""
    try:
        issues = reply.fields().get("issues")
    except ProviderDownError:
        return []
    found = []
    for issue in issues if isinstance(issues, list) else []:
        if isinstance(issue, Mapping):
            path = issue.get("path")
            field = ".".join(str(part) for part in path) if isinstance(path, list) else path
            found.append((str(field) if field else None, str(issue.get("message") or "no reason given")))
    return found


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if known else None


def _cost(said: Mapping[str, Any]) -> str | None:
    """In dollars, of a job that has ended: a credit is a cent."""
    cost = said.get("cost")
    credits = _number(cost.get("credits")) if isinstance(cost, Mapping) else None
    return None if credits is None else str((Decimal(str(credits)) / 100).quantize(Decimal("0.01")))


def _progress(said: Mapping[str, Any]) -> float | None:
    progress = _number(said.get("progress"))
    return None if progress is None else min(max(progress, 0.0), 1.0)


def _kind(url: str) -> str:
    """Media type, by the name in an address."""
    try:
        return mimetypes.guess_type(httpx.URL(url).path)[0] or "video/mp4"
    except httpx.InvalidURL:
        return "video/mp4"


def _status(said: Mapping[str, Any]) -> str:
    return one_line(str(said.get("status")))[:40]

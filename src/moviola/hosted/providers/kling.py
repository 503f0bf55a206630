"""Kling's video API: https://app.klingai.com/global/dev/document-api/apiReference/commonInfo.

    POST /v1/videos/{action}                          → a task with its task_id
    GET  /v1/videos/{action}/{its id, or ours}        → submitted, processing, succeed or failed
    GET  /v1/videos/{action}?pageNum=1&pageSize=500   → the latest tasks

Every answer is `{code, message, request_id, data}`, and none with another code than 0 is good, whatever its
status. Requests are signed with two keys (JWT, HS256); pictures go within the request. Facts with their
sources are on the cards of `models/kling.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from moviola.errors import (
    CannotCancelError,
    HostedError,
    InvalidInputError,
    ModelRetiredError,
    ModeratedError,
    NotAuthorizedError,
    ProviderDownError,
    QuotaError,
    RateLimitedError,
    UnknownOutcomeError,
)
from moviola.hosted.along import along, in_base64
from moviola.hosted.keys import Key, key
from moviola.hosted.patience import passes
from moviola.hosted.replies import one_line, refusal, words_of
from moviola.hosted.servers import in_place_of
from moviola.hosted.service import Failure, Order, Output, Rules, Sighting, Ticket, Upload, Uploaded
from moviola.hosted.transport import HIDDEN, Reply, Transport

NAME = "kling"

ADDRESS = "https://api-singapore.klingai.com"
"""For servers outside China."""

_VALID = 1800
"""Seconds that a token is good for."""

_EARLY = 5
"""Seconds before now from which it is good, for clocks that differ."""

_CODES = range(1000, 2000)
"""With these a request was refused: nothing was made."""

_BROKEN = range(5000, 5003)
"""With these Kling itself had trouble, wherever that was."""

_LATEST = "pageNum=1&pageSize=500"

_ID = re.compile(r"[\w-]+")

_MODERATION = re.compile(
    r"risk control|sensitive|polic|moderat|content security|inappropriate|violat|审核|违规|敏感|风控",
    re.IGNORECASE,
)
"""Words in why a task failed; there is no code there."""


def service(order: Order, transport: Transport) -> Kling:
    """The API with the user's keys. MOVIOLA_KLING_URL puts another server in its place.

    Raises NotAuthorizedError without both keys, InputError for one that cannot be.
    """
    address = in_place_of(ADDRESS, "MOVIOLA_KLING_URL")
    access = key("kling_access", ("KLING_ACCESS_KEY",))
    return Kling(transport, access, key("kling_secret", ("KLING_SECRET_KEY",)), address)


@dataclass(frozen=True, slots=True)
class Kling:
    """A `Service`. access, secret: the two keys; only what is signed with the second is sent."""

    transport: Transport
    access: Key
    secret: Key
    address: str = ADDRESS

    name = NAME
    # How many tasks may run at once is a matter of what the user has bought: beyond that Kling refuses, and
    # the next place may be free only when a video is done.
    rules = Rules(poll_seconds=5.0, first_poll_seconds=15.0, attempts=60, pause_seconds=2.0)

    @property
    def secrets(self) -> Mapping[str, str]:
        """Signed anew for every request, so that none is ever about to expire."""
        import jwt

        now = int(self.transport.clock.now())
        claims = {"iss": self.access.secret, "exp": now + _VALID, "nbf": now - _EARLY}
        return {"Authorization": f"Bearer {jwt.encode(claims, self.secret.secret, algorithm='HS256')}"}

    def upload(self, file: Upload) -> Uploaded:
        """Nothing is sent: Kling keeps no files, and `create` puts them into its request."""
        return along(file)

    def create(self, order: Order) -> Ticket:
        path = _path(order.action)
        body = dict(in_base64(order))
        if order.reference:
            body["external_task_id"] = order.reference
        reply = self.transport.create(f"{self.address}{path}", secrets=self.secrets, json=body)
        code, data = _envelope(reply)
        if code == 0:
            if (ticket := _ticket(path, data)) is not None:
                return ticket
        elif code is not None and code in _CODES:
            error = self._error(code, reply)
            if code == 1203:
                raise ModelRetiredError(f"{error}; it has no model {order.model}, or has it no more")
            if isinstance(error, InvalidInputError):
                said = self._line(words_of(reply))
                wrong = next((name for name in sorted(body, key=len, reverse=True) if name in said), None)
                raise InvalidInputError(str(error), wrong)
            raise error
        elif not reply.good and code not in _BROKEN:
            raise refusal(NAME, reply, self._line(words_of(reply)))
        raise UnknownOutcomeError(
            f"{NAME} answers a creation with what does not say whether the job was made "
            f"(status {reply.status}, code {code})"
        )

    def look(self, ticket: Ticket) -> Sighting:
        try:
            task = self._data(ticket.urls["task"])
        except ModeratedError as error:
            return Sighting("failed", failure=Failure.told_by(error))
        if not isinstance(task, Mapping):
            raise ProviderDownError(f"{NAME} says of the job what makes no sense")
        match task.get("task_status"):
            case "submitted":
                return Sighting("waiting")
            case "processing":
                return Sighting("running")
            case "succeed":
                return _made(task)
            case "failed":
                return self._failed(task)
            case state:
                said = self._line(str(state))[:40]
                return Sighting("running", words=f"it says {said!r} of the job, which is not known here")

    renew = look

    def cancel(self, ticket: Ticket) -> str:
        raise CannotCancelError(f"{NAME} has no way to cancel a job")

    def find(self, order: Order) -> Ticket | None:
        """By our own name of it, and where that says nothing among the latest tasks.

        None is never given: that Kling shows no such task is no proof that there will be none.
        """
        path, trouble = _path(order.action), None
        places = (f"{path}/{quote(order.reference, safe='')}", f"{path}?{_LATEST}") if order.reference else ()
        for place in places:
            try:
                data = self._data(place)
            except HostedError as error:
                trouble = error if passes(error) else trouble
                continue
            for task in data if isinstance(data, list) else [data]:
                ticket = _ticket(path, task)
                if ticket is not None and _reference(task) == order.reference:
                    return ticket
        if trouble is not None:
            raise trouble
        raise UnknownOutcomeError(
            f"no reply came to what was sent, and {NAME} shows no such job: see in your list of tasks at "
            f"{NAME} whether it was made, before you try it again as a new one"
        )

    def _data(self, path: str) -> Any:
        """What is asked for. Raises HostedError where the answer is not good."""
        reply = self.transport.ask("GET", f"{self.address}{path}", secrets=self.secrets)
        code, data = _envelope(reply)
        if code == 0:
            return data
        if code is not None and (code in _CODES or code in _BROKEN):
            raise self._error(code, reply)
        if not reply.good:
            raise refusal(NAME, reply, self._line(words_of(reply)))
        raise ProviderDownError(f"{NAME} answers with code {code}, which is not known here")

    def _error(self, code: int, reply: Reply) -> HostedError:
        """What its codes mean: https://app.klingai.com/global/dev/document-api/apiReference/commonInfo."""
        said = f"{NAME}: {self._line(words_of(reply)) or 'no reason given'} (code {code})"
        match code:
            case 1004:
                # With a new signature it may be asked again; nothing was made.
                return ProviderDownError(f"{said}; is the clock of this machine right?")
            case 1003:
                return NotAuthorizedError(f"{said}; is the clock of this machine right?")
            case 1000 | 1001 | 1002:
                return NotAuthorizedError(f"{said}; are both keys right, and of one pair?")
            case 1100 | 1103 | 1304:
                return NotAuthorizedError(f"{said}; may this account, from this address, do that?")
            case 1101 | 1102:
                return QuotaError(said)
            case 1200 | 1201 | 1202:
                return InvalidInputError(said)
            case 1300 | 1301:
                return ModeratedError(said, "input")
            case 1302 | 1303:
                return RateLimitedError(said, reply.after())
            case _ if code in _BROKEN:
                return ProviderDownError(said)
        return HostedError(said)

    def _failed(self, task: Mapping[str, Any]) -> Sighting:
        words = self._line(str(task.get("task_status_msg") or "")) or "no reason given"
        error = HostedError(f"{NAME}: {words}")
        if _MODERATION.search(words):
            # Whether it means what went in or what came out, it does not say.
            error = ModeratedError(f"{NAME} refuses what it sees: {words}")
        return Sighting("failed", words=_units(task), failure=Failure.told_by(error))

    def _line(self, words: str) -> str:
        """As `one_line`, without the keys, which the transport does not see: only a token of them is sent."""
        for hidden in (self.secret, self.access):
            words = words.replace(hidden.secret, HIDDEN)
        return one_line(words)


def _path(action: str) -> str:
    return f"/v1/videos/{action}"


def _envelope(reply: Reply) -> tuple[int | None, Any]:
    """code and data of an answer; None where there is no code."""
    try:
        said = reply.fields()
    except ProviderDownError:
        return None, None
    code = said.get("code")
    if isinstance(code, str) and code.isdecimal():
        code = int(code)
    return (code if isinstance(code, int) and not isinstance(code, bool) else None), said.get("data")


def _ticket(path: str, task: Any) -> Ticket | None:
    """None for what is no task."""
    id = str(task.get("task_id") or "") if isinstance(task, Mapping) else ""
    return Ticket(id, {"task": f"{path}/{id}"}) if _ID.fullmatch(id) else None


def _reference(task: Mapping[str, Any]) -> Any:
    about = task.get("task_info")
    return about.get("external_task_id") if isinstance(about, Mapping) else None


def _made(task: Mapping[str, Any]) -> Sighting:
    """Raises ProviderDownError where no video is shown: it is paid for, and so may come yet."""
    result = task.get("task_result")
    videos = result.get("videos") if isinstance(result, Mapping) else None
    entries = [entry for entry in videos if isinstance(entry, Mapping)] if isinstance(videos, list) else []
    urls = [url for entry in entries if isinstance(url := entry.get("url"), str) and url]
    if not urls:
        raise ProviderDownError(f"{NAME} says that the job is done, and shows no video")
    return Sighting("done", words=_units(task), outputs=tuple(Output(url) for url in urls))


def _units(task: Mapping[str, Any]) -> str | None:
    """What it took of the resource pack: what that is in money depends on the pack."""
    units = task.get("final_unit_deduction")
    return f"{one_line(str(units))} units" if units else None

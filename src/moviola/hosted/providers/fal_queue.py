"""fal's queue, which runs any app on fal by its path: https://fal.ai/docs/api-reference/inference-api.

    POST {queue}/{app}            → request_id, status_url, response_url, cancel_url; ?fal_webhook=ADDRESS is
                                    called once it has ended
    GET  status_url               → IN_QUEUE, IN_PROGRESS, COMPLETED; there is no state for what failed
    GET  response_url             → what the app answers, or in the 400s what it refused
    PUT  cancel_url               → taken, or 400 or 409 where it has ended

The addresses are taken as they are given: those of an app with a long path hold only its first two parts.
Where the queue cannot be reached, its second host is asked for the same, which takes the same key and has the
same jobs: https://fal.ai/docs/documentation/model-apis/inference/reliability. What may have arrived at the
first is never created at the second.
Facts with their sources are on the cards of `models/fal.py`.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

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
from moviola.hosted.replies import one_line, refusal, words_of
from moviola.hosted.servers import in_place_of
from moviola.hosted.service import Failure, Order, Output, Rules, Sighting, Ticket, Upload, Uploaded
from moviola.hosted.transport import Reply, Transport
from moviola.hosted.webhooks import public_keys

NAME = "fal"

QUEUE = "https://queue.fal.run"
BACKUP = "https://queue.falrun.com"
REST = "https://rest.fal.ai"

_URLS = ("status_url", "response_url", "cancel_url")

_PATH = re.compile(r"[\w.-]+(/[\w.-]+)+")

_TIMED_OUT = "x-fal-request-timeout-type"
"""A header of answers 504: the app did not start in the time it was given, and will not."""


def check_app(path: str) -> str:
    """The path of an app, as it is. Raises InvalidInputError for what is none."""
    if not _PATH.fullmatch(path) or ".." in path:
        raise InvalidInputError(f"{path!r} is no app of fal; name it by its path: fal/OWNER/APP", "model")
    return path


def service(order: Order, transport: Transport) -> FalQueue:
    """The queue with the user's key. MOVIOLA_FAL_URL puts another server in its place.

    Raises NotAuthorizedError without a key, InputError for one that cannot be.
    """
    other = in_place_of("", "MOVIOLA_FAL_URL")
    kept = key(NAME, ("FAL_KEY",))
    return FalQueue(transport, kept, other, "", other) if other else FalQueue(transport, kept)


def signing_keys(transport: Transport) -> list[bytes]:
    """The public keys of which it signs its calls by one. Raises HostedError where it does not tell them."""
    base = in_place_of(REST, "MOVIOLA_FAL_URL")
    reply = transport.ask("GET", f"{base}/.well-known/jwks.json")
    if not reply.good:
        raise refusal(NAME, reply, words_of(reply))
    keys = public_keys(reply.fields())
    if not keys:
        raise ProviderDownError(f"{NAME} names no key by which it signs")
    return keys


@dataclass(frozen=True, slots=True)
class FalQueue:
    """A `Service`. queue, rest: where it is asked for jobs, and for room for files.

    backup: where the queue is too; "" for nowhere.
    """

    transport: Transport
    key: Key
    queue: str = QUEUE
    backup: str = BACKUP
    rest: str = REST

    name = NAME
    rules = Rules(poll_seconds=2.0, first_poll_seconds=2.0)

    def upload(self, file: Upload) -> Uploaded:
        asked = {"content_type": file.kind, "file_name": Path(file.path).name}
        url = f"{self.rest}/storage/upload/initiate?storage_type=gcs"
        told = self._good(self.transport.ask("POST", url, secrets=self.secrets, json=asked)).fields()
        try:
            target, kept = str(told["upload_url"]), str(told["file_url"])
        except KeyError:
            raise ProviderDownError(f"{NAME} gives no room for a file, and does not say why") from None
        try:
            with Path(file.path).open("rb") as content:
                # The address itself is the permission: the key has no business there.
                self._good(
                    self.transport.ask("PUT", target, headers={"Content-Type": file.kind}, content=content)
                )
        except OSError as error:
            raise InputError(f"cannot read {file.path}: {error.strerror}") from error
        return Uploaded(kept)

    def create(self, order: Order) -> Ticket:
        # Nothing has left where the first host cannot be reached; a reply that is lost is another error.
        reply = self._reached(
            f"{self.queue}/{check_app(order.model)}",
            lambda url: self.transport.create(
                url,
                secrets=self.secrets,
                headers=order.headers,
                params={"fal_webhook": order.webhook} if order.webhook else None,
                json=dict(order.body),
            ),
        )
        if not reply.good:
            if reply.status == 404:
                raise ModelRetiredError(f"{NAME} has no app {order.model}, or has it no more")
            raise self._refusal(reply)
        try:
            said = reply.fields()
            ticket = Ticket(str(said["request_id"]), {name: str(said[name]) for name in _URLS})
            for url in ticket.urls.values():
                self._check_ours(url)
        except (HostedError, KeyError) as error:
            raise UnknownOutcomeError(
                f"{NAME} took the job, and says of it what makes no sense: whether it was made is not known"
            ) from error
        return ticket

    def look(self, ticket: Ticket) -> Sighting:
        said = self._good(self._asked("GET", ticket, "status_url")).fields()
        match said.get("status"):
            case "IN_QUEUE":
                position = said.get("queue_position")
                words = f"position {position} in the queue" if isinstance(position, int) else None
                return Sighting("waiting", words=words)
            case "IN_PROGRESS":
                return Sighting("running")
            case "COMPLETED":
                return self._ended(self._asked("GET", ticket, "response_url"), said)
        raise ProviderDownError(f"{NAME} says of the job what is not known here: {one_line(str(said))[:80]}")

    renew = look

    def cancel(self, ticket: Ticket) -> str:
        reply = self._asked("PUT", ticket, "cancel_url")
        if reply.status in (400, 404, 409):
            raise CannotCancelError(f"{NAME} cannot cancel the job any more ({one_line(words_of(reply))})")
        self._good(reply)
        return f"{NAME} cancels the job; what has run of it until then may be paid for"

    def find(self, order: Order) -> Ticket | None:
        raise UnknownOutcomeError(
            f"no reply came to what was sent, and {NAME} cannot be asked for it: see in your list of "
            f"requests at {NAME} whether it was made, before you try it again as a new one"
        )

    @property
    def secrets(self) -> Mapping[str, str]:
        return {"Authorization": f"Key {self.key.secret}"}

    def _asked(self, method: Literal["GET", "PUT"], ticket: Ticket, name: str) -> Reply:
        return self._reached(
            ticket.urls[name], lambda url: self.transport.ask(method, url, secrets=self.secrets)
        )

    def _reached(self, url: str, send: Callable[[str], Reply]) -> Reply:
        """The reply from the address, or, where none came and that does no harm, from the other host's."""
        elsewhere = self._elsewhere(url)
        try:
            return send(url)
        except ProviderDownError:
            if elsewhere is None:
                raise
        return send(elsewhere)

    def _check_ours(self, url: str) -> None:
        """Raises HostedError for an address that the key must not go to."""
        self._elsewhere(url)

    def _elsewhere(self, url: str) -> str | None:
        """The same address on the other host, if there is one. Raises HostedError for what is on neither."""
        try:
            asked = httpx.URL(url)
        except httpx.InvalidURL:
            raise HostedError(f"{NAME} gives an address that is none") from None
        for here, there in ((self.queue, self.backup), (self.backup, self.queue)):
            host = httpx.URL(here)
            if here and (host.scheme, host.host, host.port) == (asked.scheme, asked.host, asked.port):
                other = httpx.URL(there)
                return (
                    str(asked.copy_with(scheme=other.scheme, host=other.host, port=other.port))
                    if there
                    else None
                )
        raise HostedError(f"{NAME} gives an address on {asked.host or 'no host'}, which gets no key")

    def _good(self, reply: Reply) -> Reply:
        if not reply.good:
            raise self._refusal(reply)
        return reply

    def _ended(self, reply: Reply, status: Mapping[str, Any]) -> Sighting:
        """What became of a job that is completed, which says nothing of how."""
        if reply.good and not status.get("error"):
            return Sighting("done", outputs=tuple(_outputs(reply.fields())))
        if reply.good:
            return self._failed(HostedError(f"{NAME}: {one_line(str(status['error']))}"))
        error = self._refusal(reply)
        if isinstance(error, ProviderDownError) and error.passing and not status.get("error"):
            # Not the job's end, but the queue's trouble with telling it.
            raise error
        return self._failed(error)

    def _failed(self, error: HostedError) -> Sighting:
        return Sighting("failed", failure=Failure.told_by(error))

    def _refusal(self, reply: Reply) -> HostedError:
        """`{"detail": text}`, or a list of `{loc, msg, type}`, one for each field."""
        words = words_of(reply)
        entries = _entries(reply)
        flagged = [entry for entry in entries if _is_moderation(entry)]
        if flagged or reply.headers.get("x-fal-error-type") == "content_policy_violation":
            which = [place for entry in flagged if (place := _place(entry))]
            # What it names is a field of the input; what was made has none.
            of = f" in {', '.join(which)}" if which else ""
            said = f"{NAME} refuses what it sees{of}: {one_line(words)}"
            return ModeratedError(said, "input" if which else None, which)
        if reply.status == 504 and _TIMED_OUT in reply.headers:
            return ProviderDownError(
                f"{NAME}: the app did not start in the time that was given", passing=False
            )
        if reply.status == 403 and ("balance" in words.lower() or "locked" in words.lower()):
            return QuotaError(f"{NAME}: {one_line(words)}")
        error = refusal(NAME, reply, words)
        wrong = next((place for entry in entries if (place := _place(entry))), None)
        if isinstance(error, InvalidInputError) and wrong:
            return InvalidInputError(f"{NAME} does not take {wrong}: {one_line(words)}", wrong)
        return error


def _entries(reply: Reply) -> list[Mapping[str, Any]]:
    try:
        detail = reply.fields().get("detail")
    except ProviderDownError:
        return []
    return [entry for entry in detail if isinstance(entry, Mapping)] if isinstance(detail, list) else []


def _is_moderation(entry: Mapping[str, Any]) -> bool:
    return (
        entry.get("type") == "content_policy_violation" or "content checker" in str(entry.get("msg")).lower()
    )


def _place(entry: Mapping[str, Any]) -> str:
    """The field that an entry is about: `images.0.image_url`."""
    loc = entry.get("loc")
    parts = [str(part) for part in loc] if isinstance(loc, list) else []
    return ".".join(parts[1:] if parts[:1] == ["body"] else parts)


def _outputs(result: Mapping[str, Any]) -> list[Output]:
    """The files in what an app answers: its videos where it made any, else all."""
    found = [Output(str(file["url"]), _kind(file)) for file in _files(result)]
    videos = [output for output in found if output.kind.startswith("video/")]
    return list(dict.fromkeys(videos or found))


def _files(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        if isinstance(value.get("url"), str):
            yield value
        for inner in value.values():
            yield from _files(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _files(inner)


def _kind(file: Mapping[str, Any]) -> str:
    """Media type: as the app says, else by the name; `application/octet-stream` where nothing tells."""
    said = file.get("content_type")
    if isinstance(said, str) and said != "application/octet-stream":
        return said
    name = str(file.get("file_name") or httpx.URL(file["url"]).path)
    return mimetypes.guess_type(name)[0] or "application/octet-stream"

"""Replicate's predictions, which run any model by its path: https://replicate.com/docs/reference/http.

    POST {base}/models/OWNER/NAME/predictions        an official model, which Replicate keeps running
    POST {base}/predictions                          a version of any model: {"version": …}
    POST {base}/deployments/OWNER/NAME/predictions   one's own
    GET  {base}/predictions/ID                       → starting, processing, and how it ended
    POST {base}/predictions/ID/cancel
    GET  {base}/webhooks/default/secret              by what its calls to a prediction's `webhook` are signed

Inputs, outputs and logs are removed about an hour after the end; nothing brings them back.
Facts with their sources are on the card of `models/replicate.py`.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

import httpx

from moviola.errors import (
    CannotCancelError,
    HostedError,
    InputError,
    InvalidInputError,
    LinkGoneError,
    ModelRetiredError,
    ModeratedError,
    ProviderDownError,
    RateLimitedError,
    UnknownOutcomeError,
)
from moviola.hosted.keys import Key, key
from moviola.hosted.replies import one_line, refusal, words_of
from moviola.hosted.servers import in_place_of
from moviola.hosted.service import Failure, Order, Output, Rules, Sighting, Ticket, Upload, Uploaded
from moviola.hosted.transport import Reply, Transport
from moviola.hosted.webhooks import standard_key

NAME = "replicate"

BASE = "https://api.replicate.com/v1"

_PATH = re.compile(r"(?P<deployed>deployments/)?(?P<model>\w[\w.-]*/\w[\w.-]*)(:(?P<version>\w+))?")

_DELIVERY = "replicate.delivery"
"""Where outputs lie, and on hosts below it; they want the key."""

_KEPT_SECONDS = 3600.0

_PAGES = 10
"""Of 100 predictions each, that are looked through for one whose reply was lost."""

_MODERATED = re.compile(r"\bnsfw\b|\(E005\)|flagged|sensitive|content policy|safety (filter|checker)", re.I)

_PERCENT = re.compile(r"(\d{1,3})%\|")
"""As progress bars are written to the log of a model."""


def check_model(path: str) -> str:
    """The path of a model, as it is. Raises InvalidInputError for what is none."""
    found = _PATH.fullmatch(path)
    if not found or (found["deployed"] and found["version"]):
        raise InvalidInputError(
            f"{path!r} is no model on Replicate; name it as {NAME}/OWNER/NAME, {NAME}/OWNER/NAME:VERSION or "
            f"{NAME}/deployments/OWNER/NAME",
            "model",
        )
    return path


def version_of(path: str) -> str | None:
    """The version that a path names. Raises InvalidInputError for what is no path."""
    return check_model(path).partition(":")[2] or None


def service(order: Order, transport: Transport) -> Replicate:
    """Replicate with the user's key. MOVIOLA_REPLICATE_URL puts another server in its place.

    Raises NotAuthorizedError without a key, InputError for one that cannot be.
    """
    return account(transport)


def account(transport: Transport) -> Replicate:
    """As `service`, for what is about no one job."""
    base = in_place_of(BASE, "MOVIOLA_REPLICATE_URL")
    return Replicate(transport, key(NAME, ("REPLICATE_API_TOKEN",)), base)


@dataclass(frozen=True, slots=True)
class Replicate:
    """A `Service`. base: where it is asked, without a slash at the end."""

    transport: Transport
    key: Key
    base: str = BASE

    name = NAME
    rules = Rules(poll_seconds=2.0, first_poll_seconds=2.0, per_minute=600)

    @property
    def secrets(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.key.secret}"}

    def signing_key(self) -> bytes:
        """By which it signs its calls to this account. Raises HostedError where it does not tell it."""
        reply = self.transport.ask("GET", f"{self.base}/webhooks/default/secret", secrets=self.secrets)
        secret = self._good(reply).fields().get("key")
        if not isinstance(secret, str):
            raise ProviderDownError(f"{NAME} does not tell the secret by which it signs")
        return standard_key(secret)

    def upload(self, file: Upload) -> Uploaded:
        name = Path(file.path).name
        try:
            with Path(file.path).open("rb") as content:
                reply = self.transport.ask(
                    "POST",
                    f"{self.base}/files",
                    secrets=self.secrets,
                    data={"filename": name, "type": file.kind},
                    files={"content": (name, content, file.kind)},
                )
        except OSError as error:
            raise InputError(f"cannot read {file.path}: {error.strerror}") from error
        told = self._good(reply).fields()
        urls = told.get("urls")
        if not isinstance(urls, Mapping) or not isinstance(urls.get("get"), str):
            raise ProviderDownError(f"{NAME} took a file, and does not say where it is")
        return Uploaded(urls["get"], _seconds(told.get("expires_at")))

    def create(self, order: Order) -> Ticket:
        called = {"webhook": order.webhook, "webhook_events_filter": ["completed"]} if order.webhook else {}
        reply = self.transport.create(
            self._place(order), secrets=self.secrets, headers=order.headers, json={**order.body, **called}
        )
        if not reply.good:
            raise self._not_made(order, reply)
        try:
            ticket = _ticket(reply.fields())
        except ProviderDownError as error:
            raise UnknownOutcomeError(
                f"{NAME} took the job, and says of it what makes no sense: whether it was made is not known"
            ) from error
        return ticket

    def look(self, ticket: Ticket) -> Sighting:
        said = self._prediction(ticket)
        match said.get("status"):
            case "starting":
                return Sighting("waiting")
            case "processing":
                return Sighting("running", progress=_progress(said.get("logs")))
            case "succeeded":
                return self._made(said)
            case "failed":
                return Sighting("failed", failure=Failure.told_by(_why(said.get("error"))))
            case "canceled":
                return Sighting(
                    "cancelled", words=f"{NAME} cancelled the job; what has run of it is paid for"
                )
            case "aborted":
                words = f"{NAME} gave the job up before it began, as its deadline was over; it costs nothing"
                return Sighting("cancelled", words=words)
            case other:
                return Sighting("running", words=f"{one_line(str(other))[:40]}, which is not known here")

    renew = look

    def hand_over(self, ticket: Ticket, number: int) -> bytes:
        """What came within the answer, as a data URL. Raises LinkGoneError where it does not any more."""
        addresses = _addresses(self._prediction(ticket).get("output"))
        if number >= len(addresses) or not addresses[number].startswith("data:"):
            raise LinkGoneError(f"{NAME} has what was made no more")
        return _content(addresses[number])

    def cancel(self, ticket: Ticket) -> str:
        url = f"{self.base}/predictions/{ticket.id}/cancel"
        reply = self.transport.ask("POST", url, secrets=self.secrets)
        if reply.status in (400, 404, 409, 422):
            raise CannotCancelError(f"{NAME} cannot cancel the job any more ({one_line(words_of(reply))})")
        if self._good(reply).fields().get("status") in ("succeeded", "failed"):
            raise CannotCancelError(f"{NAME} cannot cancel the job any more: it has ended")
        return f"{NAME} cancels the job; what has run of it is paid for, and one that had not begun is not"

    def find(self, order: Order) -> Ticket | None:
        """By the files that were brought for it, whose addresses no other job has."""
        if order.uploads:
            wanted = order.body["input"]
            for said in self._recent():
                given = said.get("input")
                if isinstance(given, Mapping) and all(
                    given.get(name) == value for name, value in wanted.items()
                ):
                    return _ticket(said)
        raise UnknownOutcomeError(
            f"no reply came to what was sent, and nothing in {NAME}'s list tells surely which job it is: see "
            "at https://replicate.com/predictions whether it was made, before you try it again as a new one"
        )

    def _recent(self) -> Iterator[Mapping[str, Any]]:
        """The predictions of the account, the newest first."""
        url = f"{self.base}/predictions"
        for _ in range(_PAGES):
            told = self._good(self.transport.ask("GET", url, secrets=self.secrets)).fields()
            results = told.get("results")
            yield from (said for said in results or () if isinstance(said, Mapping))
            following = told.get("next")
            if not isinstance(following, str) or not self._is_ours(following):
                return
            url = following

    def _place(self, order: Order) -> str:
        found = _PATH.fullmatch(check_model(order.model))
        assert found
        if found["deployed"]:
            return f"{self.base}/deployments/{found['model']}/predictions"
        if found["version"]:
            return f"{self.base}/predictions"
        return f"{self.base}/models/{found['model']}/predictions"

    def _not_made(self, order: Order, reply: Reply) -> HostedError:
        words = words_of(reply)
        if reply.status == 404 and order.model.startswith("deployments/"):
            return InvalidInputError(f"{NAME} has no {order.model}, or it is not yours", "model")
        if reply.status == 404:
            return self._missing(order.model)
        if reply.status == 422 and "version does not exist" in words.lower():
            return ModelRetiredError(f"{NAME} has no {order.model}, or has it no more: {one_line(words)}")
        return self._refusal(reply)

    def _missing(self, model: str) -> HostedError:
        """Models that are not official are run by a version alone."""
        reply = self.transport.ask(
            "GET", f"{self.base}/models/{model.partition(':')[0]}", secrets=self.secrets
        )
        newest = reply.fields().get("latest_version") if reply.good else None
        if ":" not in model and isinstance(newest, Mapping) and newest.get("id"):
            return InvalidInputError(
                f"{NAME} runs {model} by a version only; its newest is "
                f"--model {NAME}/{model}:{one_line(str(newest['id']))}",
                "model",
            )
        return ModelRetiredError(f"{NAME} has no model {model}, or has it no more")

    def _prediction(self, ticket: Ticket) -> Mapping[str, Any]:
        url = f"{self.base}/predictions/{ticket.id}"
        return self._good(self.transport.ask("GET", url, secrets=self.secrets)).fields()

    def _made(self, said: Mapping[str, Any]) -> Sighting:
        addresses = _addresses(said.get("output"))
        if not addresses and said.get("data_removed"):
            gone = LinkGoneError(f"{NAME} has removed what was made: it keeps it for about an hour")
            return Sighting("failed", failure=Failure.told_by(gone))
        ended = _seconds(said.get("completed_at"))
        expires = None if ended is None else ended + _KEPT_SECONDS
        return Sighting("done", outputs=tuple(self._output(address, expires) for address in addresses))

    def _output(self, address: str, expires: float | None) -> Output:
        if address.startswith("data:"):
            return Output("", _kind(address))
        return Output(address, _kind(address), expires, locked=self._is_theirs(address))

    def _is_ours(self, url: str) -> bool:
        """Whether an address is on the server that is asked."""
        try:
            ours, other = httpx.URL(self.base), httpx.URL(url)
        except httpx.InvalidURL:
            return False
        return (ours.scheme, ours.host, ours.port) == (other.scheme, other.host, other.port)

    def _is_theirs(self, url: str) -> bool:
        """Whether the key may go to an address of an output."""
        if self._is_ours(url):
            return True
        try:
            address = httpx.URL(url)
        except httpx.InvalidURL:
            return False
        return address.scheme == "https" and f".{address.host}".endswith(f".{_DELIVERY}")

    def _good(self, reply: Reply) -> Reply:
        if not reply.good:
            raise self._refusal(reply)
        return reply

    def _refusal(self, reply: Reply) -> HostedError:
        """`{title, detail, status, invalid_fields: [{field, type, description}]}`."""
        words = words_of(reply)
        error = refusal(NAME, reply, words)
        if isinstance(error, RateLimitedError) and error.after is None:
            told = re.search(r"resets in ~?(\d+)\s*s", words)
            return RateLimitedError(str(error), float(told[1]) if told else None)
        wrong = _wrong(reply)
        if isinstance(error, InvalidInputError) and wrong:
            return InvalidInputError(f"{NAME} does not take {wrong}: {one_line(words)}", wrong)
        return error


def _ticket(said: Mapping[str, Any]) -> Ticket:
    """Raises ProviderDownError for what is no prediction."""
    id = said.get("id")
    if not isinstance(id, str) or not re.fullmatch(r"[\w-]+", id):
        raise ProviderDownError(f"{NAME} gives a job no id")
    return Ticket(id)


def _wrong(reply: Reply) -> str | None:
    """The input that a refusal is about: `seed`."""
    try:
        entries = reply.fields().get("invalid_fields")
    except ProviderDownError:
        return None
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, Mapping):
            field = str(entry.get("field") or "")
            missing = re.match(r"(\w+) is required", str(entry.get("description")))
            if field == "input" and missing:
                return missing[1]
            if field:
                return field.removeprefix("input.")
    return None


def _why(said: Any) -> HostedError:
    """What a failed prediction says of itself, which is text and nothing more."""
    words = one_line(str(said or "no reason given"))
    if _MODERATED.search(words):
        return ModeratedError(f"{NAME}: {words}", _stage(words.lower()))
    if words.lower().startswith("input validation error"):
        return InvalidInputError(f"{NAME}: {words}")
    return HostedError(f"{NAME}: {words}")


def _stage(words: str) -> Literal["input", "output"] | None:
    if "input or output" in words:
        return None
    # What looks for nudity looks at what was made.
    if "nsfw" in words or "output" in words or "generated" in words:
        return "output"
    return "input" if "input" in words or "prompt" in words else None


def _progress(logs: Any) -> float | None:
    """0 to 1, of the last progress bar in the log."""
    bars = _PERCENT.findall(logs) if isinstance(logs, str) else []
    return min(int(bars[-1]), 100) / 100 if bars else None


def _seconds(said: Any) -> float | None:
    """Since 1970, of a time as JSON has it; None where it is none."""
    try:
        return datetime.fromisoformat(said).timestamp()
    except (TypeError, ValueError):
        return None


def _addresses(output: Any) -> list[str]:
    """Of the files in what a model answers, wherever they are: its videos where it made any, else all."""
    found = list(dict.fromkeys(_files(output)))
    videos = [address for address in found if _kind(address).startswith("video/")]
    return videos or found


def _files(value: Any) -> Iterator[str]:
    match value:
        case str() if re.fullmatch(r"(https?://|data:)\S+", value):
            yield value
        case Mapping():
            for inner in value.values():
                yield from _files(inner)
        case list():
            for inner in value:
                yield from _files(inner)


def _kind(address: str) -> str:
    """Media type, by what a data URL says or by the name; `application/octet-stream` where nothing tells."""
    if address.startswith("data:"):
        return address[5:].partition(",")[0].partition(";")[0] or "text/plain"
    try:
        name = httpx.URL(address).path
    except httpx.InvalidURL:
        return "application/octet-stream"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _content(address: str) -> bytes:
    """Raises ProviderDownError where a data URL is none."""
    said, _, data = address.partition(",")
    if not said.endswith(";base64"):
        return unquote_to_bytes(data)
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        raise ProviderDownError(f"{NAME} answers with a data URL that is none", passing=False) from None

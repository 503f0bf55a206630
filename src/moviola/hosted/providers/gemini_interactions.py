"""Videos by the Interactions API of Gemini: https://ai.google.dev/gemini-api/docs/interactions-overview.

    POST /v1beta/interactions               → id and status, at once with `background`
    GET  /v1beta/interactions/{id}          → status; once it is completed what was made, in steps[].content[]
    POST /v1beta/interactions/{id}/cancel   → the interaction as it stands then

What was made is an address, which wants the key, or base64 within the answer. A refusal by moderation is an
interaction that is completed, with a text in place of a video. Facts with their sources are on the cards of
`models/gemini_omni.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import httpx

from moviola.errors import (
    CannotCancelError,
    HostedError,
    ModeratedError,
    NotAuthorizedError,
    ProviderDownError,
    QuotaError,
    UnknownOutcomeError,
)
from moviola.hosted.keys import Key
from moviola.hosted.providers.gemini_files import NAME, SERVER, GeminiFiles, secrets_of, why_failed
from moviola.hosted.providers.google_replies import failure, refusal, video_in
from moviola.hosted.replies import one_line, words_of
from moviola.hosted.service import Failure, Order, Output, Rules, Sighting, Ticket, Upload, Uploaded
from moviola.hosted.transport import Reply, Secrets, Transport

MOST_BYTES = 512 * 2**20
"""Of an answer that may hold a video."""

_FILE = re.compile(r"/v1beta/files/([a-z0-9-]+)(:download)?")

_MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class TokenPrices:
    """US dollars for a million tokens. text: of the answer and of thoughts."""

    input: Decimal
    text: Decimal
    video: Decimal


@dataclass(frozen=True, slots=True)
class GeminiInteractions:
    """A `Service`. prices: of the model that is asked; None where nobody knows them.

    successor: id of a model that is told where the one that is asked is gone.
    """

    transport: Transport
    key: Key
    server: str = SERVER
    prices: TokenPrices | None = None
    successor: str | None = None

    name = NAME
    # Files are asked about as often as creations are tried again; a long one is prepared for minutes.
    rules = Rules(poll_seconds=5.0, first_poll_seconds=10.0, attempts=15)

    @property
    def secrets(self) -> Secrets:
        return secrets_of(self.key)

    def upload(self, file: Upload) -> Uploaded:
        return self._files.upload(file)

    def create(self, order: Order) -> Ticket:
        reply = self.transport.create(
            f"{self.server}/v1beta/interactions", secrets=self.secrets, json=dict(order.body)
        )
        if not reply.good:
            raise refusal(NAME, reply, self.successor)
        try:
            id = reply.fields().get("id")
        except ProviderDownError as error:
            raise UnknownOutcomeError(f"{NAME} took the job, and its answer cannot be read") from error
        if not isinstance(id, str) or not id:
            raise UnknownOutcomeError(f"{NAME} took the job, and does not say under which id")
        return Ticket(id)

    def look(self, ticket: Ticket) -> Sighting:
        said = self._said(ticket)
        status = said.get("status")
        match status:
            case "queued":
                return Sighting("waiting")
            case "in_progress":
                return Sighting("running")
            case "requires_continuation":
                return Sighting("running", words="it goes on in several parts")
            case "completed" | "incomplete":
                return self._done(said)
            case "cancelled":
                return Sighting("cancelled", words="it was cancelled", cost_usd=self._cost(said))
            case "failed":
                return self._failed(said, _error(said))
            case "budget_exceeded":
                return self._failed(said, QuotaError(f"{NAME}: the budget of the project is used up"))
            case "requires_action":
                words = f"{NAME}: the model asks for an action, which nobody does for it here"
                return self._failed(said, HostedError(words))
        return Sighting("running", words=f"{one_line(str(status))}, which is not known here")

    renew = look

    def cancel(self, ticket: Ticket) -> str:
        reply = self.transport.ask(
            "POST", f"{self._address(ticket)}/cancel", secrets=self.secrets, most_bytes=MOST_BYTES
        )
        if not reply.good:
            error = refusal(NAME, reply)
            if reply.status in (400, 404, 409) and not isinstance(error, NotAuthorizedError):
                raise CannotCancelError(f"{NAME} cannot cancel the job ({one_line(words_of(reply))})")
            raise error
        if reply.fields().get("status") in ("completed", "failed", "incomplete"):
            raise CannotCancelError(f"{NAME} cannot cancel the job any more: it has ended")
        return f"{NAME} cancels the job; whether what has run of it is paid for, it does not say"

    def find(self, order: Order) -> Ticket | None:
        raise UnknownOutcomeError(
            f"no reply came to what was sent, and {NAME} cannot be asked for it: see in the logs of your "
            "project in Google AI Studio whether it was made, before you try it again as a new one"
        )

    def hand_over(self, ticket: Ticket, number: int) -> bytes:
        videos = list(_videos(self._said(ticket)))
        data = videos[number].get("data") if number < len(videos) else None
        return video_in(data, NAME)

    @property
    def _files(self) -> GeminiFiles:
        return GeminiFiles(self.transport, self.key, self.server)

    def _address(self, ticket: Ticket) -> str:
        return f"{self.server}/v1beta/interactions/{quote(ticket.id, safe='')}"

    def _said(self, ticket: Ticket) -> Mapping[str, Any]:
        reply = self.transport.ask("GET", self._address(ticket), secrets=self.secrets, most_bytes=MOST_BYTES)
        if reply.good:
            return reply.fields()
        raise self._trouble(reply)

    def _trouble(self, reply: Reply) -> HostedError:
        """With a look. A job that runs, and is paid for, was seen to be answered with 400 for a while."""
        words = one_line(words_of(reply))
        if reply.status == 404 or (reply.status == 400 and "invalid interaction name" in words.lower()):
            return HostedError(f"{NAME} knows no such job, or not any more: {words}")
        error = refusal(NAME, reply)
        if reply.status == 400 and not isinstance(error, NotAuthorizedError):
            return ProviderDownError(f"{NAME} cannot say how the job stands: {words}")
        return error

    def _done(self, said: Mapping[str, Any]) -> Sighting:
        outputs = []
        for video in _videos(said):
            kind, url = str(video.get("mime_type") or "video/mp4"), video.get("uri")
            if not isinstance(url, str) or not url:
                outputs.append(Output("", kind))
                continue
            output = self._output(url, kind)
            if isinstance(output, Sighting):
                return output
            outputs.append(output)
        if outputs:
            return Sighting("done", outputs=tuple(outputs), cost_usd=self._cost(said))
        if tokens := _tokens(said).get("video"):
            words = f"{NAME} made a video ({tokens} tokens) and does not say where it is"
            return self._failed(said, HostedError(words))
        if words := one_line(" ".join(_texts(said))):
            return self._failed(said, ModeratedError(f"{NAME} says in place of a video: {words}"))
        return self._failed(said, HostedError(f"{NAME} is done, and made nothing"))

    def _output(self, url: str, kind: str) -> Output | Sighting:
        """A video that has an address: where it is one of Google's files, that may have to be prepared."""
        if not self._is_ours(url):
            return Output(url, kind)
        file = _FILE.search(url)
        if file is None:
            return Output(url, kind, locked=True)
        held = self._files.shown(file[1])
        # The address of a file alone shows what is known of it.
        whole = f"{self.server}/v1beta/files/{file[1]}:download?alt=media"
        if held is None:
            return Output(whole, kind, locked=True)
        match held.get("state"):
            case "PROCESSING":
                return Sighting("running", words="the file is being prepared")
            case "FAILED":
                error = HostedError(f"{NAME} could not prepare the file: {why_failed(held)}")
                return Sighting("failed", failure=Failure.told_by(error))
        return Output(whole, kind, self._files.expires(held), locked=True)

    def _is_ours(self, url: str) -> bool:
        """Whether an address may be given the key."""
        try:
            theirs = httpx.URL(url)
        except httpx.InvalidURL:
            return False
        ours = (httpx.URL(self.server), httpx.URL(SERVER))
        return any((theirs.scheme, theirs.host, theirs.port) == (o.scheme, o.host, o.port) for o in ours)

    def _failed(self, said: Mapping[str, Any], error: HostedError) -> Sighting:
        return Sighting("failed", failure=Failure.told_by(error), cost_usd=self._cost(said))

    def _cost(self, said: Mapping[str, Any]) -> str | None:
        """By the tokens that were used; None where the answer does not tell them, or nobody their price."""
        usage, made = said.get("usage"), _tokens(said)
        if self.prices is None or not isinstance(usage, Mapping) or not made:
            return None
        video = made.pop("video", 0)
        text = sum(made.values()) + _number(usage.get("total_thought_tokens"))
        given = _number(usage.get("total_input_tokens"))
        prices = self.prices
        usd = (prices.input * given + prices.text * text + prices.video * video) / _MILLION
        return f"{usd:f}"


def _steps(said: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What the model put out."""
    steps = said.get("steps")
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, Mapping) and step.get("type") == "model_output":
            yield step


def _contents(said: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    for step in _steps(said):
        contents = step.get("content")
        for content in contents if isinstance(contents, list) else ():
            if isinstance(content, Mapping) and content.get("type") == kind:
                yield content


def _videos(said: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for video in _contents(said, "video"):
        if video.get("uri") or video.get("data"):
            yield video


def _texts(said: Mapping[str, Any]) -> Iterator[str]:
    for content in _contents(said, "text"):
        if isinstance(content.get("text"), str):
            yield content["text"]


def _error(said: Mapping[str, Any]) -> HostedError:
    """Why a job failed: in `errors`, or with the step that did."""
    errors = said.get("errors")
    found = [*(errors if isinstance(errors, list) else ()), *(step.get("error") for step in _steps(said))]
    error = next((error for error in found if isinstance(error, Mapping)), None)
    return failure(NAME, error) if error else HostedError(f"{NAME}: the job failed, and no reason is given")


def _tokens(said: Mapping[str, Any]) -> dict[str, int]:
    """Tokens that were made, by what they are of."""
    usage = said.get("usage")
    entries = usage.get("output_tokens_by_modality") if isinstance(usage, Mapping) else None
    counted: dict[str, int] = {}
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, Mapping):
            kind = str(entry.get("modality")).lower()
            counted[kind] = counted.get(kind, 0) + _number(entry.get("tokens"))
    return counted


def _number(said: Any) -> int:
    return said if isinstance(said, int) and said > 0 else 0

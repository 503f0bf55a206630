"""OpenAI's videos API, which many servers speak: vLLM-Omni, SGLang, LiteLLM, TensorRT-LLM and others.

    POST   {server}/videos                → a job: id, status, progress, error, …
    POST   {server}/videos/edits          → a job that changes a video: a file, or one of the server's
    POST   {server}/videos/extensions     → a job that makes one of the server's longer
    POST   {server}/videos/{id}/remix     → a job that makes one of the server's anew
    GET    {server}/videos/{id}           → the job
    GET    {server}/videos/{id}/content   → what it made; wants the key as all else
    DELETE {server}/videos/{id}           → the job is gone, and with some servers stopped

A creation is sent as a multipart form, which all of them take: vLLM-Omni takes no JSON, and a file needs a
form anyway. In a form there are only texts, so it does not matter that some want seconds as a number and
others as a text. Calls that name nothing but a video of the server by its id are JSON: how an object is
written in a form nobody has agreed upon.
Facts with their sources are on the cards of `models/openai_videos.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from moviola.errors import (
    CannotCancelError,
    HostedError,
    InputError,
    InvalidInputError,
    ProviderDownError,
    RequestError,
    UnknownOutcomeError,
)
from moviola.hosted import servers
from moviola.hosted.along import along
from moviola.hosted.keys import Key
from moviola.hosted.providers.openai_errors import failed, lacks_model, refused, said_by, says_something
from moviola.hosted.replies import one_line, words_of
from moviola.hosted.service import (
    ASSET,
    Failure,
    Order,
    Output,
    Rules,
    Sighting,
    State,
    Ticket,
    Upload,
    Uploaded,
)
from moviola.hosted.transport import Reply, Transport

NAME = "openai-videos"

CREATE = "/videos"
EDITS = "/videos/edits"
EXTENSIONS = "/videos/extensions"

_STATES: Mapping[str, State] = {
    "queued": "waiting",
    "in_progress": "running",
    "completed": "done",
    "failed": "failed",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "deleted": "cancelled",
}
"""What is not among these is running, under a word of the server's own: LiteLLM says `processing`,
TensorRT-LLM `generating`, `encoding` and `postprocessing`."""

_NO_CANCEL = (400, 404, 405, 422, 501)
"""Where there is no such call (405, LiteLLM), no such job, or none that can be deleted yet."""

_MOST_OUTPUTS = 100


def remix(video: str) -> str:
    """The call that makes a video of the server anew. video: its id."""
    return f"/videos/{quote(video, safe='')}/remix"


def address(url: str) -> httpx.URL:
    """Where the calls of a server that is named lie below: at its /v1, where nothing else is said.

    Raises RequestError for what is no address, and for one with a password in it.
    """
    found = servers.address(url, CREATE)
    if found.userinfo:
        raise RequestError(
            "server: an address is kept with the job, so leave user and password out of it; a key goes into "
            f"the environment variable {servers.KEYS[0]}"
        )
    return found if found.path.strip("/") else found.copy_with(path="/v1")


def service(order: Order, transport: Transport) -> OpenAIVideos:
    """The server of an order, with the user's key to it, if there is one. Raises InputError for no key."""
    base = address(order.server)
    transport.allow_plain(base)
    return OpenAIVideos(transport, base, servers.key_for(base))


@dataclass(frozen=True, slots=True)
class OpenAIVideos:
    """A `Service`. base: what its calls lie below. key: None where none is sent."""

    transport: Transport
    base: httpx.URL
    key: Key | None

    rules = Rules(poll_seconds=2.0, first_poll_seconds=2.0)

    @property
    def name(self) -> str:
        """Of the server itself: there may be many."""
        return self.base.netloc.decode()

    @property
    def secrets(self) -> Mapping[str, str]:
        return {} if self.key is None else {"Authorization": f"Bearer {self.key.secret}"}

    def upload(self, file: Upload) -> Uploaded:
        """Nothing is sent: a file goes along with the creation."""
        return along(file)

    def create(self, order: Order) -> Ticket:
        with ExitStack() as opened:
            body: dict[str, Any] = {"json": dict(order.body)}
            if order.action == CREATE or order.uploads:
                body = {"files": list(_parts(order, opened))}
            reply = self.transport.create(
                f"{self.base}{order.action}", secrets=self.secrets, headers=order.headers, **body
            )
        if not reply.good:
            raise self._refused(reply, order)
        id = said_by(reply).get("id")
        if not isinstance(id, str) or not id:
            raise UnknownOutcomeError(
                f"{self.name} took the job, and says of it what makes no sense: whether it was made is not "
                "known"
            )
        return Ticket(id)

    def look(self, ticket: Ticket) -> Sighting:
        reply = self.transport.ask("GET", self._place(ticket), secrets=self.secrets)
        job = self._job(reply)
        said, error = str(job["status"]), job.get("error")
        state = _STATES.get(said, "running")
        # What failed at a provider behind LiteLLM may be called completed.
        if state == "failed" or (state == "done" and says_something(error)):
            return Sighting("failed", failure=Failure.told_by(failed(self.name, error)))
        if state == "cancelled":
            return Sighting(state, words=f"{self.name}: the job is {said}")
        return Sighting(
            state,
            _share(job.get("progress")),
            None if said in _STATES else one_line(said),
            tuple(self._outputs(ticket, job)) if state == "done" else (),
            cost_usd=_cost(job.get("usage")),
            poll_after_seconds=_poll_after(reply),
        )

    renew = look

    def cancel(self, ticket: Ticket) -> str:
        reply = self.transport.ask("DELETE", self._place(ticket), secrets=self.secrets)
        if reply.status in _NO_CANCEL:
            why = one_line(words_of(reply)) or f"status {reply.status}"
            raise CannotCancelError(f"{self.name} cannot give the job up, or not any more ({why})")
        if reply.status == 409:
            raise ProviderDownError(f"{self.name} is still giving the job up")
        if not reply.good:
            raise refused(self.name, reply, self.key)
        said = said_by(reply)
        if said.get("deleted") is False:
            raise CannotCancelError(f"{self.name} says that it did not give the job up")
        more = ", and may go on computing it all the same" if said.get("status") == "deleted" else ""
        return f"{self.name} gives the job up{more}; what that costs, whoever runs the server knows"

    def find(self, order: Order) -> Ticket | None:
        raise UnknownOutcomeError(
            f"no reply came to what was sent, and {self.name} keeps nothing by which the job could be told "
            f"from others: see in its list ({self.base}{CREATE}) whether it was made, before you try again, "
            "with a new one"
        )

    def _place(self, ticket: Ticket) -> str:
        return f"{self.base}{CREATE}/{quote(ticket.id, safe='')}"

    def _job(self, reply: Reply) -> Mapping[str, Any]:
        """vLLM-Omni answers for a job that failed with the status of its error, and the job all the same."""
        job = reply.fields() if reply.good else said_by(reply)
        if not reply.good and job.get("status") != "failed":
            if reply.status == 404:
                raise HostedError(
                    f"{self.name} knows the job no more: most servers forget theirs when they start anew"
                )
            raise refused(self.name, reply, self.key)
        if not isinstance(job.get("status"), str):
            raise ProviderDownError(
                f"{self.name} says of the job what is not known here: {one_line(str(job))[:80]}"
            )
        return job

    def _outputs(self, ticket: Ticket, job: Mapping[str, Any]) -> Iterator[Output]:
        """SGLang makes several where it is asked to, and may keep them elsewhere: then not here any more."""
        content, expires = f"{self._place(ticket)}/content", _number(job.get("expires_at"))
        urls, said = job.get("urls"), job.get("num_outputs")
        elsewhere = urls if isinstance(urls, list) and urls else [job.get("url")]
        count = min(max(len(elsewhere), said if isinstance(said, int) else 1), _MOST_OUTPUTS)
        for number in range(count):
            url = elsewhere[number] if number < len(elsewhere) else None
            if isinstance(url, str) and (self._is_ours(url) or url.startswith("https://")):
                yield Output(url, expires=expires, locked=self._is_ours(url))
            else:
                place = f"{content}?variant={number}" if count > 1 else content
                yield Output(place, expires=expires, locked=True)

    def _is_ours(self, url: str) -> bool:
        """Whether an address is the server's own, so that the key may go there."""
        try:
            theirs = httpx.URL(url)
        except httpx.InvalidURL:
            return False
        ours = self.base
        return (ours.scheme, ours.host, ours.port) == (theirs.scheme, theirs.host, theirs.port)

    def _refused(self, reply: Reply, order: Order) -> HostedError:
        """The error for a creation that was refused."""
        if reply.status not in (404, 405) or lacks_model(said_by(reply)):
            return refused(self.name, reply, self.key)
        more = (
            "; to make a new video from this one: -O input_reference=@video" if order.action == EDITS else ""
        )
        return InvalidInputError(
            f"{self.name} has no call {self.base.path}{order.action} (status {reply.status}); most servers "
            f"have theirs below /v1{more}",
            "server",
        )


def _parts(order: Order, opened: ExitStack) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The body as parts of a form, as httpx takes them. Raises InputError where a file cannot be read."""
    uploads = {f"{ASSET}{upload.sha256}": upload for upload in order.uploads}
    for name, value in order.body.items():
        if isinstance(value, str) and (file := uploads.get(value)) is not None:
            path = Path(file.path)
            try:
                yield name, (path.name, opened.enter_context(path.open("rb")), file.kind)
            except OSError as error:
                raise InputError(f"cannot read {path}: {error.strerror}") from error
        else:
            yield name, (None, value if isinstance(value, str) else json.dumps(value))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _share(progress: Any) -> float | None:
    """Of percent. Some servers say 0 until all is done."""
    percent = _number(progress)
    return None if percent is None or percent != percent else min(max(percent / 100, 0.0), 1.0)


def _cost(usage: Any) -> str | None:
    """What LiteLLM passes on of the provider behind it."""
    said = _number(usage.get("provider_reported_cost_usd")) if isinstance(usage, Mapping) else None
    return f"{said:f}" if said is not None and 0 <= said < 1e6 else None


def _poll_after(reply: Reply) -> float | None:
    said = reply.headers.get("openai-poll-after-ms", "")
    return min(int(said) / 1000, 600.0) if said.isdecimal() else None

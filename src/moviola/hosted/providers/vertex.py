"""Veo on Google Cloud (Vertex AI, Agent Platform), a long-running operation:
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/veo-video-generation

    POST …/models/{model}:predictLongRunning      → the operation's name
    POST …/models/{model}:fetchPredictOperation   → done, and then error or response

A picture goes along in the request. What was made comes within the answer, or lies in a bucket of the user's
if the order names one. What moderation stopped is done without an error, and without a video. Facts with
their sources are on the cards of `models/veo.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from moviola.errors import (
    CannotCancelError,
    HostedError,
    InputError,
    ModeratedError,
    ProviderDownError,
    UnknownOutcomeError,
)
from moviola.hosted.along import along, in_base64
from moviola.hosted.providers.google_access import Access, access
from moviola.hosted.providers.google_replies import failure, refusal, video_in
from moviola.hosted.replies import one_line, words_of
from moviola.hosted.servers import in_place_of
from moviola.hosted.service import Failure, Order, Output, Rules, Sighting, Ticket, Upload, Uploaded
from moviola.hosted.transport import Reply, Secrets, Transport

NAME = "vertex"

STORAGE = "https://storage.googleapis.com"

MOST_BYTES = 512 * 2**20
"""Of an answer that may hold a video."""

_OPERATION = re.compile(
    r"(projects/[\w.:-]+/locations/([a-z0-9-]+)/publishers/google/models/[\w.-]+)/operations/[\w-]+"
)


def service(order: Order, transport: Transport, successor: str | None = None) -> Vertex:
    """Google Cloud with the user's access, project and location (`us-central1` where none is named).

    MOVIOLA_VERTEX_URL puts another server in the place of all of Google's. Raises NotAuthorizedError without
    access, InputError without a project.
    """
    allowed = access(transport)
    project = os.environ.get("GOOGLE_CLOUD_PROJECT", "").strip() or allowed.project
    if not project:
        raise InputError("Google Cloud wants a project: put its id into GOOGLE_CLOUD_PROJECT")
    location = os.environ.get("GOOGLE_CLOUD_LOCATION", "").strip() or "us-central1"
    other = in_place_of("", "MOVIOLA_VERTEX_URL")
    return Vertex(transport, allowed, project, location, other, other or STORAGE, successor)


@dataclass(frozen=True, slots=True)
class Vertex:
    """A `Service`. server: in place of Google's own; storage: where buckets are.

    successor: id of a model that is told where the one that is asked is gone.
    """

    transport: Transport
    access: Access
    project: str
    location: str
    server: str = ""
    storage: str = STORAGE
    successor: str | None = None

    name = NAME
    rules = Rules(poll_seconds=10.0, first_poll_seconds=20.0)

    @property
    def secrets(self) -> Secrets:
        return {"Authorization": f"Bearer {self.access.token()}"}

    def upload(self, file: Upload) -> Uploaded:
        """Nothing is brought: it goes along."""
        return along(file)

    def create(self, order: Order) -> Ticket:
        parent = f"projects/{self.project}/locations/{self.location}/publishers/google/models/{order.model}"
        reply = self.transport.create(
            self._address(self.location, parent, "predictLongRunning"),
            secrets=self.secrets,
            json=dict(in_base64(order)),
        )
        if not reply.good:
            raise refusal(NAME, reply, self.successor)
        try:
            name = reply.fields().get("name")
        except ProviderDownError as error:
            raise UnknownOutcomeError(f"{NAME} took the job, and its answer cannot be read") from error
        if not isinstance(name, str) or not _OPERATION.fullmatch(name):
            raise UnknownOutcomeError(f"{NAME} took the job, and does not say under which name")
        return Ticket(name)

    def look(self, ticket: Ticket) -> Sighting:
        said = self._said(ticket)
        if said.get("done") is not True:
            return Sighting("running")
        error = said.get("error")
        if isinstance(error, Mapping) and error:
            return _failed(failure(NAME, error))
        outputs = tuple(self._output(video) for video in _videos(said))
        if outputs:
            return Sighting("done", outputs=outputs)
        response = _response(said)
        if response.get("raiMediaFilteredCount"):
            reasons = response.get("raiMediaFilteredReasons")
            words = "; ".join(map(str, reasons)) if isinstance(reasons, list) else ""
            return _failed(
                ModeratedError(f"{NAME} keeps back what was made: {one_line(words) or 'no reason'}", "output")
            )
        return _failed(HostedError(f"{NAME} is done, and made nothing"))

    renew = look

    def cancel(self, ticket: Ticket) -> str:
        raise CannotCancelError(f"{NAME} has no way to cancel a job that was begun")

    def find(self, order: Order) -> Ticket | None:
        raise UnknownOutcomeError(
            f"no reply came to what was sent, and {NAME} cannot be asked for it: see in the billing of your "
            "project at Google Cloud whether it was made, before you try it again as a new one"
        )

    def hand_over(self, ticket: Ticket, number: int) -> bytes:
        videos = _videos(self._said(ticket))
        data = videos[number].get("bytesBase64Encoded") if number < len(videos) else None
        return video_in(data, NAME)

    def _address(self, location: str, model: str, call: str) -> str:
        place = "" if location == "global" else f"{location}-"
        root = self.server or f"https://{place}aiplatform.googleapis.com"
        return f"{root}/v1/{quote(model, safe='/:')}:{call}"

    def _said(self, ticket: Ticket) -> Mapping[str, Any]:
        """The operation, asked for where it was begun, whatever the environment says by now."""
        found = _OPERATION.fullmatch(ticket.id)
        if found is None:
            raise HostedError(f"{NAME} has no jobs of the name {ticket.id[:80]!r}")
        reply = self.transport.ask(
            "POST",
            self._address(found[2], found[1], "fetchPredictOperation"),
            secrets=self.secrets,
            most_bytes=MOST_BYTES,
            json={"operationName": ticket.id},
        )
        if not reply.good:
            raise self._trouble(reply)
        return reply.fields()

    def _trouble(self, reply: Reply) -> HostedError:
        if reply.status == 404:
            return HostedError(f"{NAME} knows no such job, or not any more: {one_line(words_of(reply))}")
        return refusal(NAME, reply)

    def _output(self, video: Mapping[str, Any]) -> Output:
        kind, place = str(video.get("mimeType") or "video/mp4"), video.get("gcsUri")
        if isinstance(place, str) and place.startswith("gs://"):
            return Output(f"{self.storage}/{quote(place.removeprefix('gs://'))}", kind, locked=True)
        return Output("", kind)


def _failed(error: HostedError) -> Sighting:
    return Sighting("failed", failure=Failure.told_by(error))


def _response(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """What came of an operation; newer answers have it one deeper."""
    response = said.get("response")
    if not isinstance(response, Mapping):
        return {}
    inner = response.get("generateVideoResponse")
    return inner if isinstance(inner, Mapping) else response


def _videos(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    videos = _response(said).get("videos")
    return [
        video
        for video in (videos if isinstance(videos, list) else ())
        if isinstance(video, Mapping) and (video.get("gcsUri") or video.get("bytesBase64Encoded"))
    ]

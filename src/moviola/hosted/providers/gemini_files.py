"""Files that the Gemini API is shown, by its Files API: https://ai.google.dev/api/files.

    POST /upload/v1beta/files     start: name, size and kind        → an address in X-Goog-Upload-URL
    POST that address             upload, finalize: the bytes       → the file
    GET  /v1beta/files/{id}       → the file: PROCESSING, then ACTIVE or FAILED

Google keeps a file for 48 hours. Its id is ours to choose, so it is made of what is in the file: whoever asks
again, after a lost reply or in another process, finds what was brought before.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from moviola.errors import HostedError, InputError, InvalidInputError, ProviderDownError
from moviola.hosted.keys import Key, key
from moviola.hosted.providers.google_replies import refusal
from moviola.hosted.replies import one_line
from moviola.hosted.servers import in_place_of
from moviola.hosted.service import Upload, Uploaded
from moviola.hosted.transport import Reply, Secrets, Transport

NAME = "gemini"

SERVER = "https://generativelanguage.googleapis.com"

_DAY = 24 * 3600.0

_KEPT = 2 * _DAY
"""Seconds that a file is kept, where the answer does not say."""


def server() -> str:
    """Where the Gemini API is; MOVIOLA_GEMINI_URL puts another in its place."""
    return in_place_of(SERVER, "MOVIOLA_GEMINI_URL")


def user_key() -> Key:
    """Raises NotAuthorizedError without one, InputError for one that cannot be."""
    return key(NAME, ("GEMINI_API_KEY", "GOOGLE_API_KEY"))


def secrets_of(key: Key) -> Secrets:
    return {"x-goog-api-key": key.secret}


@dataclass(frozen=True, slots=True)
class GeminiFiles:
    """server: the address of the API, without a slash at its end."""

    transport: Transport
    key: Key
    server: str = SERVER

    def upload(self, file: Upload) -> Uploaded:
        """Bring a file, once however often this is asked; its address is for `uri` in a request.

        Raises a passing ProviderDownError while Google prepares it: ask again. InvalidInputError where it
        cannot be read as what it is; another HostedError; InputError where it is not here.
        """
        held = self.shown(self._id(file))
        if held is None:
            held = self._brought(file)
        match held.get("state"):
            case "FAILED":
                raise InvalidInputError(
                    f"{NAME} can make nothing of {Path(file.path).name}: {why_failed(held)}"
                )
            case "ACTIVE" if isinstance(held.get("uri"), str):
                return Uploaded(held["uri"], self.expires(held))
        raise ProviderDownError(f"{NAME} still prepares {Path(file.path).name}")

    def shown(self, id: str) -> Mapping[str, Any] | None:
        """What Google says of a file; None where it has none of that id, or not for this key.

        Raises HostedError.
        """
        reply = self.transport.ask("GET", f"{self.server}/v1beta/files/{id}", secrets=self._secrets)
        # A file that it does not have it calls forbidden too.
        return None if reply.status in (403, 404) else self._good(reply).fields()

    def expires(self, held: Mapping[str, Any]) -> float:
        """When a file will be gone, in seconds since 1970. Google tells it finer than a microsecond."""
        try:
            return datetime.fromisoformat(str(held.get("expirationTime"))).timestamp()
        except ValueError:
            return self.transport.clock.now() + _KEPT

    def _id(self, file: Upload) -> str:
        """At most 40 lower-case letters and digits.

        The day is in it, so that a file which is found stays for another day; and what only the holder of the
        key can make, since the ids of all users may share one room.
        """
        day = int(self.transport.clock.now() // _DAY)
        said = f"{file.sha256} {file.kind} {day}"
        return hmac.new(self.key.secret.encode(), said.encode(), hashlib.sha256).hexdigest()[:40]

    def _brought(self, file: Upload) -> Mapping[str, Any]:
        began = self.transport.ask(
            "POST",
            f"{self.server}/upload/v1beta/files",
            secrets=self._secrets,
            headers={
                "X-Goog-Upload-Protocol": "resumable",
                "X-Goog-Upload-Command": "start",
                "X-Goog-Upload-Header-Content-Length": str(file.size),
                "X-Goog-Upload-Header-Content-Type": file.kind,
            },
            json={"file": {"name": f"files/{self._id(file)}", "display_name": Path(file.path).name[:500]}},
        )
        if began.status == 409:
            raise ProviderDownError(f"{NAME} is being brought {Path(file.path).name} by another process")
        target = self._good(began).headers.get("x-goog-upload-url")
        if not target:
            raise ProviderDownError(f"{NAME} gives no room for a file, and does not say why")
        headers = {"X-Goog-Upload-Command": "upload, finalize", "X-Goog-Upload-Offset": "0"}
        try:
            with Path(file.path).open("rb") as content:
                # The address itself is the permission: the key has no business there.
                reply = self._good(self.transport.ask("POST", target, headers=headers, content=content))
        except OSError as error:
            raise InputError(f"cannot read {file.path}: {error.strerror}") from error
        held = reply.fields().get("file")
        if not isinstance(held, Mapping):
            raise ProviderDownError(f"{NAME} does not say what became of {Path(file.path).name}")
        return held

    @property
    def _secrets(self) -> Secrets:
        return secrets_of(self.key)

    def _good(self, reply: Reply) -> Reply:
        if not reply.good:
            raise self._refusal(reply)
        return reply

    def _refusal(self, reply: Reply) -> HostedError:
        return refusal(NAME, reply)


def why_failed(held: Mapping[str, Any]) -> str:
    """Why a file is FAILED, as far as Google says it."""
    error = held.get("error")
    words = one_line(str(error.get("message") or "")) if isinstance(error, Mapping) else ""
    return words or "no reason given"

"""Access to Google Cloud: a token of the user's, or one by application default credentials.

https://cloud.google.com/docs/authentication/application-default-credentials
Tokens of the second kind live for an hour, and are made anew here as often as that takes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from moviola.errors import MissingExtraError, MoviolaError, NotAuthorizedError, ProviderDownError
from moviola.hosted.keys import Key, key
from moviola.hosted.replies import one_line
from moviola.hosted.transport import Transport

TOKEN = "GOOGLE_ACCESS_TOKEN"

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


class Access(Protocol):
    """project: the id of the user's, as far as the credentials say it; "" where they do not."""

    @property
    def project(self) -> str: ...

    def token(self) -> str:
        """One that is valid now. Raises NotAuthorizedError, ProviderDownError."""
        ...


def access(transport: Transport) -> Access:
    """That of the environment. Raises NotAuthorizedError where there is none, InputError for what cannot be
    a token, MissingExtraError without google-auth."""
    if os.environ.get(TOKEN, "").strip():
        return GivenToken(key("vertex", (TOKEN,)))
    try:
        import google.auth
        from google.auth import exceptions
    except ImportError:
        raise MissingExtraError("Google's application default credentials", "hosted") from None
    line: Any = _Line(transport)
    try:
        credentials, project = google.auth.default(scopes=_SCOPES, request=line)
    except exceptions.GoogleAuthError:
        raise NotAuthorizedError(
            "Google Cloud wants credentials: run `gcloud auth application-default login`, name their file in "
            f"GOOGLE_APPLICATION_CREDENTIALS, or put a token into {TOKEN}"
        ) from None
    return DefaultCredentials(credentials, line, project or "")


@dataclass(frozen=True, slots=True)
class GivenToken:
    """A token as it is, for as long as it lives."""

    key: Key
    project: str = ""

    def token(self) -> str:
        return self.key.secret


@dataclass(frozen=True, slots=True)
class DefaultCredentials:
    """credentials: of google-auth; line: by which they ask for tokens."""

    credentials: Any = field(repr=False)
    line: _Line
    project: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def token(self) -> str:
        from google.auth import exceptions

        with self._lock:
            try:
                if not self.credentials.valid:
                    self.credentials.refresh(self.line)
            except exceptions.TransportError as error:
                raise ProviderDownError(f"Google gives no token: {one_line(str(error))}") from error
            except exceptions.GoogleAuthError as error:
                raise NotAuthorizedError(
                    f"Google gives no token ({_said(error)}); run `gcloud auth application-default login`"
                ) from None
            except (TypeError, KeyError, ValueError):
                # google-auth takes an answer for what it should be.
                raise ProviderDownError("Google gives no token, but what makes no sense") from None
            return str(self.credentials.token)


def _said(error: Exception) -> str:
    """Its first words: what follows them is the answer, in which nobody knows what stands."""
    return one_line(str(error.args[0] if error.args else type(error).__name__))


@dataclass(frozen=True, slots=True)
class _Answer:
    """As `google.auth.transport.Response`."""

    status: int
    headers: Mapping[str, str]
    data: bytes


@dataclass(frozen=True, slots=True)
class _Line:
    """Our line, as google-auth asks by it: `google.auth.transport.Request`."""

    transport: Transport

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> _Answer:
        from google.auth import exceptions

        try:
            reply = self.transport.ask(
                "POST" if method == "POST" else "GET", url, headers=headers, content=body
            )
        except MoviolaError as error:
            raise exceptions.TransportError(str(error)) from error
        return _Answer(reply.status, reply.headers, reply.body)

"""The one line to providers: one request at a time, bounded in time and size, that shows nobody a key.

Nothing here tries again: what may be repeated is known above, and said by `patience`.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import ssl
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache, cached_property
from ipaddress import ip_address
from typing import Any, Literal

import httpx

from moviola.errors import HostedError, ProviderDownError, RequestError, UnknownOutcomeError, caused_by
from moviola.hosted.clock import CLOCK, Clock

CONNECT = 10.0
"""Seconds that a connection may take to come about."""

SILENCE = 30.0
"""Seconds without a byte after which a connection counts as broken."""

THINKING = 600.0
"""The same of an answer in pieces: before the first a model may look at an hour of video, and think."""

WHOLE = 120.0
"""Seconds that a reply may take from its first byte to its last, however steadily it drips."""

MOST_BYTES = 8 * 2**20
"""Of a reply that says something; files go another way."""

HIDDEN = "•••"
"""What stands where a key was."""

Secrets = Mapping[str, str]
"""Headers that prove who asks."""

_MOST_REDIRECTS = 10

_AT_ONCE = 16
"""Requests to one host at a time. Hundreds of jobs that ask all at once would otherwise stand in the queue of
the connection pool, which is gone through from its beginning for each that leaves it."""

_UNSENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""What httpx raises while nothing of the request has left."""


class _Unlinked(logging.Filter):
    """Keeps the queries of addresses, which may be signed, out of httpx's log."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                arg.copy_with(query=None) if isinstance(arg, httpx.URL) else arg for arg in record.args
            )
        return True


_UNLINKED = _Unlinked()


def offline() -> bool:
    """Whether MOVIOLA_OFFLINE forbids all traffic but that within this machine."""
    return os.environ.get("MOVIOLA_OFFLINE", "").strip().lower() not in ("", "0", "false", "no")


def is_here(url: httpx.URL | str) -> bool:
    """Whether an address is on this machine."""
    host = httpx.URL(url).host
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_online(request: httpx.Request) -> None:
    """Raises RequestError where MOVIOLA_OFFLINE forbids a request."""
    if offline() and not is_here(request.url):
        raise RequestError(f"MOVIOLA_OFFLINE is set, so {request.url.host} is not asked; unset it to go on")


def retry_after(said: str, now: datetime | None = None) -> float | None:
    """Seconds of a `Retry-After`, which may be a date (RFC 9110, 10.2.3); None where it is neither."""
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(said) - (now or datetime.now(UTC))).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if seconds == seconds else None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. body: without the keys that were sent, should the provider repeat them."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    host: str

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Raises ProviderDownError where it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise ProviderDownError(
                f"{self.host} answers with what is no JSON (status {self.status})"
            ) from None

    def fields(self) -> Mapping[str, Any]:
        """Raises ProviderDownError where it is no JSON object."""
        held = self.json()
        if not isinstance(held, dict):
            raise ProviderDownError(f"{self.host} answers with what is no JSON object (status {self.status})")
        return held

    def after(self, now: datetime | None = None) -> float | None:
        """Seconds that its `Retry-After` says; None where it has none."""
        return retry_after(self.headers.get("retry-after", ""), now)


class _UnsentError(Exception):
    """Nothing of the request has left."""


class _BrokenError(Exception):
    """The request may have arrived, and no whole reply came."""


class Transport:
    """One client for all providers. Close it, or use it in a `with`."""

    def __init__(
        self,
        *,
        clock: Clock = CLOCK,
        connect: float = CONNECT,
        silence: float = SILENCE,
        thinking: float = THINKING,
        whole: float = WHOLE,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.clock = clock
        self._whole, self._most = whole, most_bytes
        self._timeout = httpx.Timeout(silence, connect=connect, pool=None)
        self._thinking = httpx.Timeout(silence, connect=connect, read=thinking, pool=None)
        self._plain: set[tuple[str, str, int | None]] = set()
        self._turns: defaultdict[str, threading.Semaphore] = defaultdict(
            lambda: threading.Semaphore(_AT_ONCE)
        )
        logging.getLogger("httpx").addFilter(_UNLINKED)

    def __enter__(self) -> Transport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for client in ("_client", "_fresh"):
            if client in vars(self):
                getattr(self, client).close()

    def allow_plain(self, server: httpx.URL) -> None:
        """A server may be asked over http from now on: one that the user names, in a network of their own."""
        self._plain.add(_origin(server))

    @cached_property
    def _client(self) -> httpx.Client:
        return self._of(kept=16)

    @cached_property
    def _fresh(self) -> httpx.Client:
        """For what costs. A connection that lay idle may be closed by the other side just when it is used:
        whether the request arrived would not be known then."""
        return self._of(kept=0)

    def _of(self, kept: int) -> httpx.Client:
        return httpx.Client(
            verify=_trust(),
            headers={"User-Agent": "moviola", "Accept-Encoding": "identity"},
            timeout=self._timeout,
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=kept),
            event_hooks={"request": [self._check_allowed]},
            # A proxy for the world outside knows nothing of servers on this machine.
            mounts={f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")},
        )

    def create(
        self, url: str, *, secrets: Secrets, headers: Mapping[str, str] | None = None, **body: Any
    ) -> Reply:
        """POST what makes something and may cost: once. The reply is good, or says that nothing was made.

        body: as `ask`. Raises UnknownOutcomeError where it may have been made and no reply says so, which an
        answer in the 500s leaves open too; ProviderDownError where nothing was sent; RequestError offline.
        """
        try:
            reply = self._send(self._fresh, "POST", url, secrets, headers or {}, body, self._most)
        except _UnsentError as error:
            raise ProviderDownError(str(error)) from error
        except _BrokenError as error:
            raise UnknownOutcomeError(f"{error}: whether it made the job is not known") from error
        if reply.status == 408 or reply.status >= 500 or 300 <= reply.status < 400:
            raise UnknownOutcomeError(
                f"{reply.host} answers with status {reply.status}: whether it made the job is not known"
            )
        return reply

    def ask(
        self,
        method: Literal["GET", "PUT", "POST", "DELETE"],
        url: str,
        *,
        secrets: Secrets | None = None,
        headers: Mapping[str, str] | None = None,
        most_bytes: int | None = None,
        **body: Any,
    ) -> Reply:
        """Any other request, once, whatever its status.

        body: `json`, `content` (bytes or an open file), or `data` and `files`, as httpx takes them.
        most_bytes: of a reply with a file in it, which may take as much longer as it may be larger.
        Raises ProviderDownError where no whole reply came; RequestError offline.
        """
        most = self._most if most_bytes is None else most_bytes
        try:
            return self._send(self._client, method, url, secrets or {}, headers or {}, body, most)
        except (_UnsentError, _BrokenError) as error:
            raise ProviderDownError(str(error)) from error

    @contextmanager
    def stream(
        self, url: str, headers: Mapping[str, str], secrets: Secrets | None = None
    ) -> Iterator[httpx.Response]:
        """A file, as it lies on the server, wherever it is redirected to.

        secrets: go no further than to the server that is asked first.
        Raises ProviderDownError where the connection does not come about or breaks; RequestError offline.
        """
        request = self._client.build_request("GET", _address(url), headers={**headers, **(secrets or {})})
        try:
            answer = self._client.send(request, stream=True)
            for _ in range(_MOST_REDIRECTS):
                if answer.next_request is None:
                    break
                answer.close()
                following = answer.next_request
                if _origin(following.url) != _origin(request.url):
                    for name in secrets or {}:
                        following.headers.pop(name, None)
                answer = self._client.send(following, stream=True)
            else:
                answer.close()
                raise ProviderDownError(f"{request.url.host} redirects without an end")
            with closing(answer):
                yield answer
        except httpx.HTTPError as error:
            raise ProviderDownError(_told(error, url)) from error

    @contextmanager
    def converse(
        self, url: str, *, secrets: Secrets, headers: Mapping[str, str] | None = None, **body: Any
    ) -> Iterator[Reply | Iterator[bytes]]:
        """POST what may cost and is answered piece by piece: once. A `Reply` where it is refused, with
        nothing made; else the pieces, as they come, which raise UnknownOutcomeError where they break off.

        body: as `ask`. Raises as `create`.
        """
        request = self._fresh.build_request(
            "POST", _address(url), headers={**(headers or {}), **secrets}, timeout=self._thinking, **body
        )
        try:
            answer = self._fresh.send(request, stream=True)
        except _UNSENT as error:
            raise ProviderDownError(_told(error, url)) from error
        except httpx.HTTPError as error:
            raise UnknownOutcomeError(f"{_told(error, url)}: whether it is paid for is not known") from error
        with closing(answer):
            if answer.status_code == httpx.codes.OK:
                yield _pieces(answer, url)
                return
            try:
                content = self._content(answer, self._most)
            except (httpx.HTTPError, _BrokenError) as error:
                raise UnknownOutcomeError(
                    f"{request.url.host} answers with status {answer.status_code} and breaks off"
                ) from error
            yield Reply(answer.status_code, dict(answer.headers), _hidden(content, secrets), request.url.host)

    def _check_allowed(self, request: httpx.Request) -> None:
        """Of every request, those that follow a redirect too."""
        check_online(request)
        plain = request.url.scheme != "https" and _origin(request.url) not in self._plain
        if plain and not is_here(request.url):
            raise HostedError(f"{request.url.host} is asked over https only, not at {request.url.scheme}://")

    def _send(
        self,
        client: httpx.Client,
        method: str,
        url: str,
        secrets: Secrets,
        headers: Mapping[str, str],
        body: Mapping[str, Any],
        most: int,
    ) -> Reply:
        request = client.build_request(method, _address(url), headers={**headers, **secrets}, **body)
        with self._turns[request.url.host]:
            try:
                answer = client.send(request, stream=True)
            except _UNSENT as error:
                raise _UnsentError(_told(error, url)) from error
            except httpx.HTTPError as error:
                raise _BrokenError(_told(error, url)) from error
            try:
                content = self._content(answer, most)
            except httpx.HTTPError as error:
                raise _BrokenError(_told(error, url)) from error
            finally:
                answer.close()
        return Reply(answer.status_code, dict(answer.headers), _hidden(content, secrets), request.url.host)

    def _content(self, answer: httpx.Response, most: int) -> bytes:
        host, whole = answer.request.url.host, self._whole * max(1.0, most / self._most)
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            # A small reply can be unpacked to one that fills the memory.
            raise _BrokenError(f"{host} sends a packed answer to a question for a plain one")
        said = answer.headers.get("Content-Length", "")
        if said.isdecimal() and int(said) > most:
            raise _BrokenError(f"{host} sends {said} bytes where at most {most} are read")
        held, began = bytearray(), self.clock.steady()
        for chunk in answer.iter_raw():
            held += chunk
            if len(held) > most:
                raise _BrokenError(f"{host} sends more than the {most} bytes that are read of an answer")
            if self.clock.steady() - began > whole:
                raise _BrokenError(f"{host} did not finish its answer in {whole:g} s")
        return bytes(held)


def _address(url: str) -> httpx.URL:
    """Raises ProviderDownError for what is no address: most come from providers."""
    try:
        address = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        raise ProviderDownError("a provider gave an address that is none", passing=False) from None
    if not address.host or address.scheme not in ("http", "https"):
        raise ProviderDownError(f"a provider gave an address that is none: {url[:60]!r}", passing=False)
    return address


@cache
def _trust() -> ssl.SSLContext:
    """Once in a process: to read the certificates of the world takes longer than most that is asked."""
    return httpx.create_ssl_context()


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _pieces(answer: httpx.Response, url: str) -> Iterator[bytes]:
    try:
        yield from answer.iter_raw()
    except httpx.HTTPError as error:
        raise UnknownOutcomeError(f"{_told(error, url)} in the middle of its answer") from error


def _hidden(content: bytes, secrets: Secrets) -> bytes:
    """Without what was sent in secret headers: the whole value, or the key at its end."""
    for value in secrets.values():
        for shown in (value, value.rpartition(" ")[2]):
            content = content.replace(shown.encode(), HIDDEN.encode())
    return content


def _told(error: httpx.HTTPError, url: str) -> str:
    host = httpx.URL(url).host
    match error:
        case httpx.ConnectError() if caused_by(error, socket.gaierror):
            return f"there is no host {host}, or no network"
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.ProxyError():
            return f"{host} cannot be reached"
        case httpx.TimeoutException():
            return f"{host} was silent for too long"
    return f"the connection to {host} broke"

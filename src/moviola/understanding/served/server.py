"""The line to a server: where it is, the key to it, attempts, and what can go wrong on the way."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx

from moviola.errors import InputError, caused_by
from moviola.hosted.servers import address, key_for, wanted
from moviola.hosted.transport import check_online, is_here, retry_after
from moviola.understanding.served.events import events
from moviola.understanding.served.refusals import BusyError, RefusalError, line, said_by

PAUSES = (1.0, 2.0, 4.0)
"""Seconds before the next attempt, where the server does not say how long to wait."""

_LONGEST_PAUSE = 60.0

_PASSING = (429, 500, 502, 503, 504)
"""Answers of a server that may give another one soon."""

_CONNECT = 10.0
"""Seconds that a connection may take to come about."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A model that a server has. context: tokens it reads, where the server says so."""

    name: str
    context: int | None


class Server:
    """name: its address, for messages. It holds no connection open between two questions."""

    def __init__(self, url: str, timeout: float) -> None:
        """Raises RequestError for what is no address of a server."""
        self._base = address(url, "/chat/completions")
        self._timeout = timeout
        self._key = key_for(self._base)
        headers = {"User-Agent": "moviola"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key.secret}"
        self._client = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=_CONNECT),
            limits=httpx.Limits(max_keepalive_connections=0),
            # A proxy for the world outside knows nothing of servers on this machine.
            trust_env=not is_here(self._base),
            event_hooks={"request": [check_online]},
        )

    @property
    def name(self) -> str:
        return str(self._base.copy_with(userinfo=b""))

    def models(self) -> list[Listed]:
        """The models it lists; none where it lists none. Finds out whether the address lacks its `/v1`.

        Raises InputError where nobody answers, a key is wanted, or it stays busy.
        """
        given = self._base
        for base in dict.fromkeys((given, _below(given, "/v1"))):
            answer = self._get(_below(base, "/models"))
            if answer.status_code in (401, 403):
                raise self.locked(answer.status_code)
            try:
                found = answer.json() if answer.is_success else None
            except ValueError:
                found = None
            if isinstance(found, dict) and isinstance(found.get("data"), list):
                self._base = base
                return [_listed(entry) for entry in found["data"] if isinstance(entry, dict)]
        return []

    def answer(self, body: Mapping[str, Any]) -> Generator[Mapping[str, Any], None, None]:
        """The events of a chat completion, streamed. Closing it closes the connection.

        A server that is busy is asked again, as long as it has not begun to answer.
        Raises RefusalError; InputError where it cannot be reached, breaks off or stays busy.
        """
        for attempt in count():
            try:
                yield from self._answer(body)
                return
            except BusyError as busy:
                self._pause(attempt, busy)

    def _get(self, url: httpx.URL) -> httpx.Response:
        for attempt in count():
            try:
                answer = self._client.get(url)
            except httpx.HTTPError as error:
                raise self._failure(error) from error
            if answer.status_code not in _PASSING:
                break
            self._pause(attempt, _busy(answer))
        return answer

    def _pause(self, attempt: int, busy: BusyError) -> None:
        """Wait for the next attempt. Raises InputError where that was the last, or the wait would be long."""
        pause = PAUSES[min(attempt, len(PAUSES) - 1)] if busy.wait is None else busy.wait
        if attempt == len(PAUSES) or pause > _LONGEST_PAUSE:
            later = "later" if busy.wait is None else f"in {busy.wait:.0f} s"
            raise InputError(f"{self.name} is busy or broken: {busy}; try again {later}") from None
        time.sleep(pause)

    def _answer(self, body: Mapping[str, Any]) -> Generator[Mapping[str, Any], None, None]:
        try:
            with self._client.stream("POST", _below(self._base, "/chat/completions"), json=body) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _refusal(answer)
                for data in events(answer.iter_bytes()):
                    if data.strip() == "[DONE]":
                        return
                    yield self._event(data)
        except httpx.HTTPError as error:
            raise self._failure(error) from error

    def _event(self, data: str) -> Mapping[str, Any]:
        try:
            event = json.loads(data)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            raise InputError(f"{self.name} does not speak OpenAI's API: it sent {line(data)[:80]!r}")
        return event

    def locked(self, status: int) -> InputError:
        """What to tell where a key is wanted, or another one."""
        return InputError(wanted(self.name, self._key, status))

    def _failure(self, error: httpx.HTTPError) -> InputError:
        reason = line(str(error)) or type(error).__name__
        match error:
            case httpx.ConnectError() if caused_by(error, socket.gaierror):
                return InputError(f"there is no host {self._base.host}; is the address of the server right?")
            case httpx.ConnectError() if caused_by(error, ConnectionRefusedError):
                return InputError(f"no server answers at {self.name}; is it running?")
            case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.ProxyError():
                return InputError(f"{self.name} cannot be reached: {reason}")
            case httpx.TimeoutException():
                return InputError(
                    f"{self.name} was silent for {self._timeout:g} s; wait longer with -O timeout=SECONDS, "
                    "or send fewer frames"
                )
        return InputError(f"the connection to {self.name} broke: {reason}")


def _below(base: httpx.URL, path: str) -> httpx.URL:
    """A path below an address; the address itself where it ends so."""
    return base if base.path.endswith(path) else base.copy_with(path=base.path.rstrip("/") + path)


def _listed(entry: Mapping[str, Any]) -> Listed:
    """vLLM and SGLang say `max_model_len`, OpenRouter `context_length`, llama.cpp `meta.n_ctx`."""
    meta = entry.get("meta")
    said = [entry.get("max_model_len"), entry.get("context_length"), (meta or {}).get("n_ctx")]
    context = next((tokens for tokens in said if isinstance(tokens, int) and tokens > 0), None)
    return Listed(str(entry.get("id")), context)


def _refusal(answer: httpx.Response) -> RefusalError:
    refusal = RefusalError(answer.status_code, _words(answer))
    return _busy(answer) if answer.status_code in _PASSING and not refusal.is_overflow else refusal


def _busy(answer: httpx.Response) -> BusyError:
    return BusyError(answer.status_code, _words(answer), retry_after(answer.headers.get("Retry-After", "")))


def _words(answer: httpx.Response) -> str:
    """What it says to an error. The pages of proxies have no more to say than their status."""
    is_page = "html" in answer.headers.get("Content-Type", "")
    return answer.reason_phrase if is_page or not answer.text.strip() else said_by(answer.text)

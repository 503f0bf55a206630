"""Where providers call when a job has changed: a small server, which has that job looked at and does no more.

    POST /webhooks/fal, /webhooks/replicate, /webhooks/luma

    200   it is known, and whoever is at it looks now
    400   it names no job          401   it does not prove who calls        404   there is no such job
    408   its body came too slow   413   its body is larger than a MiB      503   it cannot be checked now

It needs no worker in its process: what wakes a job is an entry on its ledger.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Mapping

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from moviola.errors import InputError, MoviolaError, RequestError
from moviola.hosted.senders import Call, Sender, senders
from moviola.hosted.transport import Transport
from moviola.hosted.webhooks import ForgedError, Headers
from moviola.jobs.store import Store

_log = logging.getLogger("moviola")

MOST_BYTES = 2**20
"""Of a call."""

_BODY_SECONDS = 10.0
"""In which all of a call has to come."""

_AT_ONCE = 64
"""Connections; to more of them it says 503 at once."""


def listen(host: str, port: int, told: Callable[[str], None]) -> None:
    """Serve until the process is told to stop. port: 0 for any; `told` is given the address that it has.

    Raises RequestError where it cannot be had, and MoviolaError where the jobs cannot be read.
    """
    store = Store()
    try:
        store.prepare()
        with Transport() as transport, _socket(host, port) as bound:
            config = uvicorn.Config(
                application(store, senders(transport)),
                access_log=False,
                lifespan="off",
                limit_concurrency=_AT_ONCE,
                log_level="warning",
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=5,
            )
            told(f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}")
            uvicorn.Server(config).run(sockets=[bound])
    finally:
        store.close()


def application(store: Store, callers: Mapping[str, Sender]) -> Starlette:
    """The server. callers: by the last part of the address that they call."""

    async def called(request: Request) -> PlainTextResponse:
        sender = callers.get(request.path_params["place"])
        if sender is None:
            return PlainTextResponse("nobody calls here", 404)
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await _body(request)
        except TimeoutError:
            return PlainTextResponse("this comes too slow", 408)
        except ClientDisconnect:
            return PlainTextResponse("this broke off", 400)
        if body is None:
            return PlainTextResponse("this is too large", 413)
        return await run_in_threadpool(_answer, store, sender, request.headers, body)

    return Starlette(routes=[Route("/webhooks/{place}", called, methods=["POST"])])


def wake(store: Store, provider: str, call: Call) -> bool:
    """Have the job that a call is about looked at now, by whoever is at it.

    provider: who calls, or seems to. False where no job of it is known. Raises MoviolaError.
    """
    entries = store.entries(store.mentioning("ticket", call.ticket), ("ticket", "order", "seen"))
    found = False
    for job, held in entries.items():
        names = held.get("order", {}).get("provider"), held.get("ticket", {}).get("id")
        if names == (provider, call.ticket):
            found = True
            if "seen" not in held:
                store.ledger(job).write("woken", {"at": time.time(), "proved": call.proved})
    return found


def _answer(store: Store, sender: Sender, headers: Headers, body: bytes) -> PlainTextResponse:
    try:
        known = wake(store, sender.provider, sender.call(headers, body))
    except ForgedError as error:
        return PlainTextResponse(f"this does not prove who calls: {error}", 401)
    except InputError as error:
        return PlainTextResponse(str(error), 400)
    except MoviolaError as error:
        _log.warning("a call of %s cannot be taken: %s", sender.provider, error)
        return PlainTextResponse("this cannot be checked now", 503)
    return PlainTextResponse("taken", 200) if known else PlainTextResponse("there is no such job", 404)


async def _body(request: Request) -> bytes | None:
    """None where it is too large."""
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > MOST_BYTES:
        return None
    held = bytearray()
    async for chunk in request.stream():
        held += chunk
        if len(held) > MOST_BYTES:
            return None
    return bytes(held)


def _socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise RequestError(
            f"cannot listen at {host}, port {port}: {error.strerror}; give another --port or --host"
        ) from None

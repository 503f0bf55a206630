"""Luma's Agents API, which makes Ray 3.2: https://docs.agents.lumalabs.ai.

POST {base}/generations              a body with `type`: video, video_edit or video_reframe
POST {base}/files                    → id, and under `upload` where its content is put
PUT  upload.url                      the content, with the headers that are said there
POST {base}/files/{id}/complete      → pending: Luma looks through it
GET  {base}/files/{id}               → pending, ready, failed or deleted
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moviola.errors import (
    HostedError,
    InputError,
    InvalidInputError,
    ModeratedError,
    ProviderDownError,
    QuotaError,
    RateLimitedError,
)
from moviola.hosted.keys import key
from moviola.hosted.providers.luma import Generations, address_of, checked_id
from moviola.hosted.replies import one_line
from moviola.hosted.servers import in_place_of
from moviola.hosted.service import Order, Output, Rules, Upload, Uploaded
from moviola.hosted.transport import Transport

NAME = "luma"

BASE = "https://agents.lumalabs.ai/v1"

_LINK_SECONDS = 3600.0
"""How long the address of what was made holds."""


def service(order: Order, transport: Transport) -> LumaAgents:
    """The API with the user's key. MOVIOLA_LUMA_URL puts another server in its place.

    Raises NotAuthorizedError without a key, InputError for one that cannot be.
    """
    base = in_place_of(BASE, "MOVIOLA_LUMA_URL")
    return LumaAgents(transport, key(NAME, ("LUMA_AGENTS_API_KEY",)), base)


@dataclass(frozen=True, slots=True)
class LumaAgents(Generations):
    """Luma looks through a file before it can be used, and until then `upload` is asked again: what is
    brought is not brought twice.

    brought: ids of files whose content is there, by sha256. told: which of them Luma knows to be whole.
    """

    brought: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    told: set[str] = field(default_factory=set, repr=False, compare=False)

    name = NAME
    rules = Rules(poll_seconds=5.0, first_poll_seconds=10.0, attempts=8, pause_seconds=2.0)
    successor = None
    listed = "in your usage at platform.lumalabs.ai"

    def upload(self, file: Upload) -> Uploaded:
        number = self.brought.get(file.sha256)
        if number is None:
            number = self.brought[file.sha256] = self._bring(file)
        if number not in self.told:
            url = f"{self.base}/files/{number}/complete"
            reply = self.transport.ask("POST", url, secrets=self.secrets)
            # 409: it was told before, and the reply was lost.
            if reply.status != 409:
                self._good(reply)
            self.told.add(number)
        return self._ready(number, Path(file.path).name)

    def _bring(self, file: Upload) -> str:
        """The id of a file whose content is there."""
        asked = {"mime_type": file.kind, "size_bytes": file.size, "filename": Path(file.path).name}
        told = self._good(
            self.transport.ask("POST", f"{self.base}/files", secrets=self.secrets, json=asked)
        ).fields()
        number, said = checked_id(told.get("id")), told.get("upload")
        room = said if isinstance(said, Mapping) else {}
        target = address_of(room.get("url"))
        if target is None:
            raise ProviderDownError(f"{NAME} gives no room for a file, and does not say why")
        try:
            with Path(file.path).open("rb") as content:
                # The address itself is the permission: the key has no business there.
                self._good(self.transport.ask("PUT", target, headers=_headers(room, file), content=content))
        except OSError as error:
            raise InputError(f"cannot read {file.path}: {error.strerror}") from error
        return number

    def _ready(self, number: str, name: str) -> Uploaded:
        said = self._good(
            self.transport.ask("GET", f"{self.base}/files/{number}", secrets=self.secrets)
        ).fields()
        match said.get("state"):
            case "ready":
                return Uploaded(number)
            case "failed":
                reason = one_line(str(said.get("failure_reason") or "no reason given"))
                if "moderat" in reason.lower():
                    raise ModeratedError(f"{NAME} refuses {name}: {reason}", "input", (name,))
                raise InvalidInputError(f"{NAME} does not take {name}: {reason}")
            case "deleted":
                raise InvalidInputError(f"{NAME} has {name} no more: it was deleted there")
        raise ProviderDownError(f"{NAME} still looks through {name}")

    def _place(self, order: Order) -> str:
        return "generations"

    def _outputs(self, said: Mapping[str, Any]) -> tuple[Output, ...]:
        made = said.get("output")
        entries = [entry for entry in made if isinstance(entry, Mapping)] if isinstance(made, list) else []
        expires = self.transport.clock.now() + _LINK_SECONDS
        return tuple(
            Output(url, expires=expires)
            for entry in entries
            if entry.get("type") == "video" and (url := address_of(entry.get("url")))
        )

    def _failure(self, said: Mapping[str, Any]) -> HostedError:
        code = said.get("failure_code")
        reason = one_line(str(said.get("failure_reason") or "no reason given"))
        told = f"{NAME}: {reason} ({one_line(str(code))})" if code else f"{NAME}: {reason}"
        match code:
            case "content_moderated":
                return ModeratedError(told, "input")
            case "budget_exhausted":
                return QuotaError(told)
            case "rate_limited":
                return RateLimitedError(told)
            case "image_too_large" | "unsupported_format" | "corrupt_input" | "invalid_request":
                return InvalidInputError(told)
            case "generation_failed" | "output_not_found":
                return ProviderDownError(told, passing=False)
        return HostedError(told)


def _headers(room: Mapping[str, Any], file: Upload) -> dict[str, str]:
    """That are signed with the address, and so have to go with the content."""
    said = room.get("headers")
    signed = said if isinstance(said, Mapping) else {}
    return {"Content-Type": file.kind} | {
        str(name).title(): value
        for name, value in signed.items()
        if isinstance(value, str) and f"{name}{value}".isascii() and f"{name}{value}".isprintable()
    }

"""Luma's older API, which makes Ray 2: https://docs.lumalabs.ai.

    POST {base}/generations/video            from a text, or frames by their addresses
    POST {base}/generations/video/modify     a video by its address, changed
    POST {base}/generations/video/reframe    a video by its address, in another shape

It keeps no files of the user's, and says why a generation failed in words alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from moviola.errors import CannotCancelError, HostedError, InvalidInputError, ModeratedError, QuotaError
from moviola.hosted.keys import key
from moviola.hosted.providers.luma import Generations, address_of
from moviola.hosted.replies import one_line
from moviola.hosted.servers import in_place_of
from moviola.hosted.service import Order, Output, Rules, Ticket, Upload
from moviola.hosted.transport import Transport

NAME = "luma-dream-machine"

BASE = "https://api.lumalabs.ai/dream-machine/v1"


def service(order: Order, transport: Transport) -> LumaDreamMachine:
    """The API with the user's key. MOVIOLA_LUMA_DREAM_MACHINE_URL puts another server in its place.

    Raises NotAuthorizedError without a key, InputError for one that cannot be.
    """
    base = in_place_of(BASE, "MOVIOLA_LUMA_DREAM_MACHINE_URL")
    return LumaDreamMachine(transport, key(NAME, ("LUMAAI_API_KEY",)), base)


@dataclass(frozen=True, slots=True)
class LumaDreamMachine(Generations):
    name = NAME
    rules = Rules(
        poll_seconds=5.0,
        first_poll_seconds=10.0,
        concurrent=10,
        per_minute=20,
        attempts=8,
        pause_seconds=2.0,
    )
    successor = "luma/ray-3.2"
    listed = "in your list of generations at Luma"

    def upload(self, file: Upload) -> NoReturn:
        raise InvalidInputError(f"{NAME} takes files by their https addresses alone")

    def cancel(self, ticket: Ticket) -> str:
        raise CannotCancelError(
            f"{NAME} offers no way to cancel a job: it can only delete it, and does not say that a deleted "
            "one is not paid for"
        )

    def _place(self, order: Order) -> str:
        return f"generations/{order.action}"

    def _body(self, order: Order) -> dict[str, Any]:
        return {**order.body, "callback_url": order.webhook} if order.webhook else dict(order.body)

    def _outputs(self, said: Mapping[str, Any]) -> tuple[Output, ...]:
        assets = said.get("assets")
        url = address_of(assets.get("video")) if isinstance(assets, Mapping) else None
        return (Output(url),) if url else ()

    def _failure(self, said: Mapping[str, Any]) -> HostedError:
        reason = one_line(str(said.get("failure_reason") or "no reason given"))
        told, words = f"{NAME}: {reason}", reason.lower()
        if "frame moderation" in words:
            return ModeratedError(told, "input", ("keyframes",))
        if "prompt moderation" in words or "blacklisted" in words:
            return ModeratedError(told, "input", ("prompt",))
        if "moderat" in words:
            return ModeratedError(told)
        if "failed to read user input" in words:
            return InvalidInputError(told, "keyframes")
        if "credit" in words:
            return QuotaError(told)
        return HostedError(told)

"""OpenAI's own service, as a provider: where it is, who asks, and what its refusals mean.

Sources: https://developers.openai.com/api/docs/guides/error-codes and
https://developers.openai.com/api/docs/guides/rate-limits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from moviola.errors import (
    HostedError,
    InvalidInputError,
    ModelRetiredError,
    ModeratedError,
    ProviderDownError,
    QuotaError,
    RateLimitedError,
)
from moviola.hosted.keys import key
from moviola.hosted.replies import one_line, refusal, words_of
from moviola.hosted.servers import in_place_of
from moviola.hosted.service import Rules
from moviola.hosted.transport import Reply

NAME = "openai"

RULES = Rules()

_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")

_GONE = ("model_not_found", "model_deprecated")

_POLICY = re.compile(r"content_policy|_policy|content_filter|moderation|misalignment|invalid_prompt")

_SOON = re.compile(r"try again in (?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)(ms|s))?", re.IGNORECASE)
"""How a limit says when it is over, where no header does: 1h2m3.5s, 350ms."""

_TOO_LARGE = re.compile(r"Limit:? (\d+),.*?Requested:? (\d+)", re.DOTALL)
"""What a question is refused with that has more tokens than may be read in a minute."""


def base() -> str:
    """The address that all paths lie below; MOVIOLA_OPENAI_URL names another."""
    return in_place_of("https://api.openai.com/v1", "MOVIOLA_OPENAI_URL")


def secrets() -> Mapping[str, str]:
    """Raises NotAuthorizedError without a key."""
    return {"Authorization": f"Bearer {key(NAME, ('OPENAI_API_KEY',)).secret}"}


def refused(reply: Reply, model: str, successor: str | None = None) -> HostedError:
    """The error for a reply that is not good. successor: id of the model to use where this one is gone."""
    error = _error(reply)
    code, kind = error.get("code"), error.get("type")
    words = words_of(reply)
    said = f"OpenAI: {one_line(words) or 'no reason given'} (status {reply.status})"
    if code in _QUOTA or kind in _QUOTA:
        return QuotaError(said)
    if code in _GONE or (reply.status == 404 and "model" in words):
        instead = f"; use {successor}" if successor else "; see moviola models, and what your key may use"
        return ModelRetiredError(f"OpenAI has no {model}, or none for this key{instead}", successor)
    if reply.status == 429:
        return RateLimitedError(said, _after(reply, words))
    if reply.status == 400 and _moderated(code):
        return ModeratedError(said, "input")
    if reply.status in (400, 422) and isinstance(field := error.get("param"), str):
        return InvalidInputError(said, field)
    return refusal("OpenAI", reply, words)


def failed(code: str | None, words: str) -> HostedError:
    """The error for one among the events of an answer that had begun."""
    said = f"OpenAI: {one_line(words)}"
    if _moderated(code):
        return ModeratedError(said, "input")
    if code == "rate_limit_exceeded":
        return RateLimitedError(said)
    if code in _QUOTA:
        return QuotaError(said)
    if code == "server_error" or code is None:
        return ProviderDownError(said)
    return InvalidInputError(said)


def beyond(words: str) -> tuple[int, int] | None:
    """Tokens that may be read in a minute, and that were sent, where these were more: no waiting helps."""
    found = _TOO_LARGE.search(words)
    if found is None:
        return None
    limit, sent = int(found[1]), int(found[2])
    return (limit, sent) if sent > limit else None


def code_of(reply: Reply) -> str | None:
    """The provider's name for what is wrong."""
    code = _error(reply).get("code")
    return code if isinstance(code, str) else None


def _error(reply: Reply) -> Mapping[str, Any]:
    try:
        error = reply.fields().get("error")
    except ProviderDownError:
        return {}
    return error if isinstance(error, Mapping) else {}


def _moderated(code: Any) -> bool:
    return isinstance(code, str) and _POLICY.search(code) is not None


def _after(reply: Reply, words: str) -> float | None:
    """Seconds until it may be asked again, wherever it says so."""
    try:
        return max(0.0, float(reply.headers["retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        pass
    if (after := reply.after()) is not None:
        return after
    found = _SOON.search(words)
    if found is None or not any(found.groups()):
        return None
    hours, minutes, seconds, unit = found.groups()
    small = float(seconds or 0) / (1000 if unit == "ms" else 1)
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + small

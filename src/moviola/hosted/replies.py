"""What a provider's refusals mean, as far as all of them mean the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moviola.errors import (
    HostedError,
    InvalidInputError,
    NotAuthorizedError,
    ProviderDownError,
    QuotaError,
    RateLimitedError,
)
from moviola.hosted.transport import Reply

_LONGEST = 300
"""Characters that are told of what a provider says."""


def refusal(provider: str, reply: Reply, words: str) -> HostedError:
    """The error for a reply that is not good. words: what it says, if anything."""
    said = f"{provider}: {one_line(words) or 'no reason given'} (status {reply.status})"
    match reply.status:
        case 400 | 413 | 415 | 422:
            return InvalidInputError(said)
        case 401 | 403:
            return NotAuthorizedError(f"{said}; is the key right, and may it do this?")
        case 402:
            return QuotaError(said)
        case 429:
            return RateLimitedError(said, reply.after())
        case status if status == 408 or status >= 500:
            return ProviderDownError(said)
    return HostedError(said)


def words_of(reply: Reply) -> str:
    """The message in a refusal, wherever it is; pages of proxies have none."""
    try:
        return _words(reply.json())
    except ProviderDownError:
        text = reply.body.decode(errors="replace")
        return "" if "<" in text[:200] else text


def _words(said: Any) -> str:
    if isinstance(said, str):
        return said
    if isinstance(said, Mapping):
        for name in ("error", "message", "detail", "title"):
            if said.get(name):
                return _words(said[name])
    if isinstance(said, list) and said:
        return _words(said[0].get("msg", "") if isinstance(said[0], Mapping) else said[0])
    return ""


def one_line(words: str) -> str:
    """Without control characters, which a terminal would obey, and not too long."""
    joined = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    return joined if len(joined) <= _LONGEST else f"{joined[:_LONGEST]} …"

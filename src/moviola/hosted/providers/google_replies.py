"""What Google's services say where they refuse: a `google.rpc.Status` as JSON, https://google.aip.dev/193.

    {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": text, "details": [{"@type": …}, …]}}

The status alone misleads: a key that is not valid is a 400, credits that are used up and too much at once are
both 429, and a model that is gone and a file that never was are both 404.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from moviola.errors import (
    HostedError,
    InvalidInputError,
    LinkGoneError,
    ModelRetiredError,
    ModeratedError,
    NotAuthorizedError,
    ProviderDownError,
    QuotaError,
    RateLimitedError,
)
from moviola.hosted import replies
from moviola.hosted.replies import one_line, words_of
from moviola.hosted.transport import Reply

_STATUS = {
    1: 499,
    3: 400,
    4: 504,
    5: 404,
    7: 403,
    8: 429,
    9: 400,
    10: 409,
    11: 400,
    12: 501,
    14: 503,
    16: 401,
}
"""Of HTTP, by the codes of gRPC that stand in errors within good answers; all else is 500."""

_NAMED = {
    "invalid_request": 400,
    "invalid_argument": 400,
    "failed_precondition": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "resource_exhausted": 429,
    "unavailable": 503,
    "deadline_exceeded": 504,
}
"""The same, by the names that stand there in place of a number, at the end of an address or alone."""

_BAD_KEY = ("API_KEY_INVALID", "API_KEY_EXPIRED", "ACCESS_TOKEN_EXPIRED")

_USED_UP = ("billing", "credits", "per day", "perday", "limit: 0")
"""In the words or the quotas of a 429 that no waiting of ours helps with."""

_MODERATED = re.compile(
    r"responsible ai|usage guidelines|sensitive words|prohibited[ _]content|blocklist|\bspii\b"
    r"|\bblocked\b[^.]*\b(safety|polic)|^(image_)?safety$",
    re.IGNORECASE,
)
"""In words or a code. A field has `safety` in its name too, and keys are said to be `blocked`."""

_SENT = re.compile(r"\b(prompt|input|image you)\b", re.IGNORECASE)


def refusal(provider: str, reply: Reply, successor: str | None = None) -> HostedError:
    """The error for a reply that is not good. successor: id of the model that is told in place of one that is
    gone."""
    error = _error(reply)
    words = one_line(str(error.get("message") or words_of(reply)))
    details = list(_details(error))
    reasons = {detail.get("reason") for detail in details}
    lower = words.lower()
    if reasons.intersection(_BAD_KEY) or "api key not valid" in lower:
        return NotAuthorizedError(f"{provider}: {words}")
    if "BILLING_DISABLED" in reasons:
        return QuotaError(f"{provider}: {words}")
    if reply.status == 429:
        quotas = " ".join(_quotas(details)).lower()
        if any(sign in lower or sign in quotas for sign in _USED_UP) and "per minute" not in lower:
            return QuotaError(f"{provider}: {words}")
        after = reply.after()
        return RateLimitedError(f"{provider}: {words}", _delay(details) if after is None else after)
    if reply.status == 404 and "model" in lower:
        instead = f"; use {successor}" if successor else ""
        return ModelRetiredError(
            f"{provider} has no such model for you, or no more: {words}{instead}", successor
        )
    if reply.status == 400 and _MODERATED.search(words):
        return ModeratedError(f"{provider} refuses what it was sent: {words}", "input")
    wrong = next((field for detail in details for field in _fields(detail)), None)
    if reply.status == 400 and wrong is not None:
        return InvalidInputError(f"{provider} does not take {wrong}: {words}", wrong)
    return replies.refusal(provider, reply, words)


def failure(provider: str, error: Mapping[str, Any]) -> HostedError:
    """The same for an error within a good answer, whose code is a number of gRPC or HTTP, or a name."""
    code, words = error.get("code"), one_line(str(error.get("message") or ""))
    name = code.rpartition("/")[2].lower() if isinstance(code, str) else ""
    if _MODERATED.search(words) or _MODERATED.search(name):
        said = f"{provider} refuses what it sees: {words or 'no reason given'}"
        return ModeratedError(said, "input" if _SENT.search(words) else None)
    status = _NAMED.get(name, 500)
    if isinstance(code, int):
        status = code if code >= 400 else _STATUS.get(code, 500)
    return refusal(provider, Reply(status, {}, json.dumps({"error": dict(error)}).encode(), ""))


def _error(reply: Reply) -> Mapping[str, Any]:
    try:
        said = reply.json()
    except ProviderDownError:
        return {}
    if isinstance(said, list) and said:
        said = said[0]
    error = said.get("error") if isinstance(said, Mapping) else None
    return error if isinstance(error, Mapping) else {}


def _details(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    details = error.get("details")
    if isinstance(details, list):
        yield from (detail for detail in details if isinstance(detail, Mapping))


def _quotas(details: list[Mapping[str, Any]]) -> Iterator[str]:
    for detail in details:
        for violation in _list(detail, "violations"):
            yield f"{violation.get('quotaId')} {violation.get('quotaMetric')}"


def _fields(detail: Mapping[str, Any]) -> Iterator[str]:
    for violation in _list(detail, "fieldViolations"):
        if violation.get("field"):
            yield str(violation["field"])


def _list(detail: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    entries = detail.get(name)
    if isinstance(entries, list):
        yield from (entry for entry in entries if isinstance(entry, Mapping))


def _delay(details: list[Mapping[str, Any]]) -> float | None:
    """Seconds of a `google.rpc.RetryInfo`: "34.5s"."""
    for detail in details:
        said = detail.get("retryDelay")
        if isinstance(said, str) and said.endswith("s"):
            try:
                return max(0.0, float(said[:-1]))
            except ValueError:
                continue
    return None


def video_in(data: Any, provider: str) -> bytes:
    """A video that comes within an answer, in base64. Raises LinkGoneError, ProviderDownError for none."""
    if not isinstance(data, str) or not data:
        raise LinkGoneError(f"{provider} has what was made no more")
    try:
        return base64.b64decode(data, validate=True)
    except ValueError:
        raise ProviderDownError(f"{provider} sends a video that is no base64") from None

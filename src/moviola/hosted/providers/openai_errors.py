"""What is wrong, as servers with OpenAI's API say it: in an envelope, in FastAPI's way, or about a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from moviola.errors import (
    HostedError,
    InvalidInputError,
    ModelRetiredError,
    ModeratedError,
    NotAuthorizedError,
    ProviderDownError,
    QuotaError,
)
from moviola.hosted.keys import Key
from moviola.hosted.replies import one_line, refusal, words_of
from moviola.hosted.servers import wanted
from moviola.hosted.transport import Reply

_MODERATED = ("moderation", "content_policy", "contentpolicy", "content_filter", "safety", "sentinel")
_QUOTA = ("insufficient_quota", "billing")
_NO_MODEL = ("model_not_found", "model_retired", "model_deprecated", "deprecated_model")
_NO_KEY = ("no_db_connection",)
"""Parts of the codes and types of errors. LiteLLM looks a key that is not its own up in a database: where it
has none, that is all it says of a wrong one."""


def refused(name: str, reply: Reply, key: Key | None) -> HostedError:
    """The error for a reply that is not good: `{"error": {message, type, param, code}}`, or `{"detail": …}`
    with a text or a list of `{loc, msg, type}`. name: the server's. key: that was sent."""
    said, words = said_by(reply), one_line(words_of(reply))
    error = said.get("error")
    if reply.status == 401 or (reply.status == 403 and key is None) or _is(error, _NO_KEY):
        return NotAuthorizedError(wanted(name, key, reply.status))
    if reply.status == 410 or lacks_model(said):
        return ModelRetiredError(f"{name}: {words or 'it has no such model any more'}")
    if reply.status in (400, 403, 422, 429) and (known := _by_its_code(name, error, words, "input")):
        return known
    told = refusal(name, reply, words)
    return InvalidInputError(str(told), _field(said)) if isinstance(told, InvalidInputError) else told


def failed(name: str, error: Any) -> HostedError:
    """The error of a job: `{code, message}` with a number or a text for a code, a text alone, or nothing."""
    told = error if isinstance(error, Mapping) else {"message": error}
    words = one_line(str(told.get("message") or "")) or "the job failed, and why is not said"
    if known := _by_its_code(name, told, words, None):
        return known
    if str(told.get("code")) in ("400", "422"):
        return InvalidInputError(f"{name}: {words}", _field({"error": told}))
    return HostedError(f"{name}: {words}")


def said_by(reply: Reply) -> Mapping[str, Any]:
    """What it says, where that is a JSON object; else nothing."""
    try:
        return reply.fields()
    except ProviderDownError:
        return {}


def says_something(error: Any) -> bool:
    """Whether an error is one, and no empty form of one."""
    return bool(error.get("message") or error.get("code")) if isinstance(error, Mapping) else bool(error)


def lacks_model(said: Mapping[str, Any]) -> bool:
    """Whether a server says that it has no such model."""
    return _is(said.get("error"), _NO_MODEL)


def _by_its_code(
    name: str, error: Any, words: str, stage: Literal["input"] | None
) -> ModeratedError | QuotaError | None:
    """stage: of what was moderated, where that is known."""
    flagged = isinstance(error, Mapping) and error.get("misalignment")
    # LiteLLM says the class of its exception, and that in the message.
    if flagged or _is(error, _MODERATED) or "contentpolicyviolation" in words.lower():
        return ModeratedError(f"{name} refuses what it sees: {words}", stage)
    return QuotaError(f"{name}: {words}") if _is(error, _QUOTA) else None


def _is(error: Any, parts: tuple[str, ...]) -> bool:
    if not isinstance(error, Mapping):
        return False
    kind = f"{error.get('code')} {error.get('type')}".lower()
    return any(part in kind for part in parts)


def _field(said: Mapping[str, Any]) -> str | None:
    """Which field a refusal is about, if it says so."""
    error, detail = said.get("error"), said.get("detail")
    if isinstance(error, Mapping) and isinstance(error.get("param"), str):
        return str(error["param"]) or None
    first = detail[0] if isinstance(detail, list) and detail else None
    loc = first.get("loc") if isinstance(first, Mapping) else None
    return ".".join(str(part) for part in loc if part != "body") or None if isinstance(loc, list) else None
